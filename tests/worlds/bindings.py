"""Values for the arguments of operations: of this world and the other, forged ones, and what earlier answers gave."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLList, GraphQLNonNull, get_named_type
from hypothesis import strategies as st

from portico.records.references import PORTICO, RecordType
from portico.records.types import Practitioner, Record
from portico.records.values import HumanName, Identifier, Period
from resolvers.seal import Seal
from tests.changed import replace
from tests.worlds.clinic import Clinic, World, moment_of
from tests.worlds.documents import Draw, Variable

SIZES: Final = (1, 2, 3, 0, 4, 5, 7, 100, 101, -1)
FORGED: Final = ("x", "", "UGF0aWVudDox", "A" * 86)
CURSOR: Final = re.compile(rb'"([A-Za-z0-9_-]{180,})"')
NAMELESS: Final = frozenset({RecordType.CARE_TEAM_MEMBER})
"""Types whose records have no id in the graph: none is ever issued, so nobody can ask by one."""
CURSORS_LIMIT: Final = 40


@dataclass(slots=True)
class Pools:
    """What arguments are drawn from, by the argument's name; half of the time from what is told of `changed` records.

    `ids` are of everything, forged ones among them.
    """

    values: Mapping[str, Sequence[str]]
    changed: Mapping[str, Sequence[str]]
    cursors: list[str] = field(default_factory=list)
    """Of earlier answers, the latest last."""

    def hear(self, body: bytes) -> None:
        """Take up the cursors of an answer."""
        for found in CURSOR.findall(body):
            cursor = found.decode()
            if cursor not in self.cursors:
                self.cursors.append(cursor)
        del self.cursors[:-CURSORS_LIMIT]

    def draw(self, draw: Draw, variables: Iterable[Variable]) -> dict[str, Any]:
        """Values for variables."""
        return {one.name: self._value(draw, _meant(one), one.type) for one in variables}

    def _value(self, draw: Draw, name: str, type_: Any) -> Any:
        of = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(of, GraphQLInputObjectType):
            return self._conditions(draw, of)
        if isinstance(of, GraphQLList):
            return draw(st.lists(self._scalar(name, of), min_size=1, max_size=4))
        return draw(self._scalar(name, of))

    def _conditions(self, draw: Draw, type_: GraphQLInputObjectType) -> dict[str, Any]:
        """Some conditions, mostly one."""
        names = sorted(type_.fields)
        chosen = draw(st.lists(st.sampled_from(names), min_size=1, max_size=2, unique=True))
        return {name: self._value(draw, name, type_.fields[name].type) for name in chosen}

    def _scalar(self, name: str, type_: Any) -> st.SearchStrategy[Any]:
        named = get_named_type(type_) if not isinstance(type_, str) else None
        if isinstance(named, GraphQLEnumType):
            return st.sampled_from(sorted(named.values))
        match name:
            case "first":
                return st.sampled_from(SIZES)
            case "after":
                return st.one_of(st.none(), st.sampled_from([*reversed(self.cursors), "x"]))
            case "if":
                return st.sampled_from([True, True, True, False])
            case "reviewed":
                return st.booleans()
        everything, changed = self.values[name], self.changed.get(name, ())
        return (
            st.one_of(st.sampled_from(everything), st.sampled_from(changed)) if changed else st.sampled_from(everything)
        )


_IDS: Final = {
    "patient": "patient",
    "accesses": "patient",
    "practitioner": "practitioner",
    "appointment": "appointment",
    "claim": "claim",
}
"""The roots that take one id, by what their ids are of."""
STRAY: Final = 6
"""Among the ids of the right type stand so many of any other."""
_OF: Final = {
    "patient": RecordType.PATIENT,
    "practitioner": RecordType.PRACTITIONER,
    "provider": RecordType.PRACTITIONER,
    "location": RecordType.LOCATION,
    "appointment": RecordType.APPOINTMENT,
    "claim": RecordType.CLAIM,
}


class Values:
    """The values of one world, from which those of pairs with others are made."""

    def __init__(self, base: World, seal: Seal) -> None:
        self._base = base
        self._seal = seal
        self._ids = self._named(base)
        self._texts = _texts(one for clinic in base.values() for one in clinic.records.values())

    def beside(self, world: World) -> Pools:
        """The pools of the base and another world: whatever occurs in either."""
        changed = {tenant: _changed(clinic, world[tenant]) for tenant, clinic in self._base.items()}
        both = [
            one
            for tenant, clinic in changed.items()
            for id_ in clinic.records
            for side in (self._base, world)
            if (one := side[tenant].records.get(id_)) is not None
        ]
        ids = self._named(changed)
        for type_ in RecordType:
            ids.setdefault(type_, {})
        every = {type_: {**self._ids.get(type_, {}), **of} for type_, of in ids.items()}
        return Pools({**self._texts, **_ids(every, FORGED)}, {**_texts(both), **_ids(ids, ())})

    def _named(self, world: World) -> dict[RecordType, dict[str, None]]:
        ids: dict[RecordType, dict[str, None]] = {}
        for tenant, clinic in world.items():
            for parts in _named(clinic):
                ids.setdefault(parts[0], {})[self._seal.seal(("id", tenant), parts)] = None
        return ids


def _changed(clinic: Clinic, other: Clinic) -> Clinic:
    """Only what is not the same in both."""

    def differing(one: Mapping[Any, Any], two: Mapping[Any, Any]) -> dict[Any, Any]:
        found = {key: value for key, value in one.items() if two.get(key) is not value}
        return {**{key: value for key, value in two.items() if one.get(key) is not value}, **found}

    return replace(
        clinic,
        records=differing(clinic.records, other.records),
        linked=differing(clinic.linked, other.linked),
        kept=differing(clinic.kept, other.kept),
        emergencies=differing(clinic.emergencies, other.emergencies),
    )


def _ids(ids: Mapping[RecordType, Iterable[str]], forged: Sequence[str]) -> dict[str, list[str]]:
    every = [*(id_ for of in ids.values() for id_ in of), *forged]
    return {"id": every, "ids": every} | {
        name: [*ids.get(type_, ()), *every[:: len(every) // STRAY + 1]] for name, type_ in _OF.items()
    }


def _meant(variable: Variable) -> str:
    """What a variable's value is of."""
    return _IDS.get(variable.of, variable.argument) if variable.argument in ("id", "patient") else variable.argument


def _named(clinic: Clinic) -> list[tuple[RecordType, str, str]]:
    patients = sorted({link.patient for link in clinic.linked.values()})
    return [
        *((RecordType.PATIENT, PORTICO, patient) for patient in patients),
        *((id_.type, id_.source, id_.value) for id_ in sorted(clinic.records) if id_.type not in NAMELESS),
        *((RecordType.EMERGENCY_ACCESS, PORTICO, id_) for id_ in sorted(clinic.emergencies)),
        *((RecordType.CONSENT, PORTICO, f"{of}/{kept.consent.consent_id}") for of, kept in clinic.kept.values()),
    ]


def _texts(records: Iterable[Record]) -> dict[str, list[str]]:
    return {name: list(dict.fromkeys(value for value in of if value)) for name, of in _told(list(records)).items()}


def _told(records: Sequence[Record]) -> dict[str, Iterable[str]]:
    names = [name for one in records if isinstance(name := getattr(one, "name", None), HumanName)]
    numbers = [one for record in records for one in getattr(record, "identifiers", None) or ()]
    instants = sorted({moment.isoformat() for one in records for moment in _instants(one)})
    days = sorted({getattr(one, "created", None) or "" for one in records})
    families = [name.family or "" for name in names]
    return {
        "family": [*(text[:length] for text in families for length in (1, 3)), *families],
        "given": [text for name in names for given in name.given for text in (given[:1], given)],
        "birthDate": [getattr(one, "birth_date", None) or "" for one in records],
        "identifier": [one.value for one in numbers if isinstance(one, Identifier)],
        "mrn": [getattr(one, "mrn", None) or "" for one in records],
        "npi": [one.npi or "" for one in records if isinstance(one, Practitioner)],
        "createdFrom": days,
        "createdBefore": days,
        "startFrom": instants,
        "startBefore": instants,
        "from": [moment_of(number).isoformat() for number in range(15)],
        "until": [moment_of(number).isoformat() for number in range(15)],
    }


def _instants(record: Record) -> list[datetime]:
    found = [getattr(record, "start", None), getattr(record, "period", None)]
    return [
        moment
        for one in found
        for moment in ((one.start, one.end) if isinstance(one, Period) else (one,))
        if isinstance(moment, datetime)
    ]
