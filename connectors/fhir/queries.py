"""What the connector asks in FHIR's search language: look-ups by key, and the canonical search vocabulary.

Values are literal: what has a meaning in FHIR's syntax is escaped, and a key that no resource can have is not sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from connectors.fhir.datatypes import FHIR_ID
from connectors.fhir.mapping import SITE, VISIT, FhirMapping
from portico.records import systems
from portico.records.errors import UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Search

_ESCAPES: Final = str.maketrans({character: f"\\{character}" for character in "\\,|$"})


@dataclass(frozen=True, slots=True)
class Key:
    """How a key is asked for: a search parameter, and the canonical system if it is an identifier."""

    parameter: str
    system: str | None = None


KEYS: Final[dict[RecordType, dict[By, Key]]] = {
    RecordType.PATIENT: {By.ID: Key("_id")},
    RecordType.PRACTITIONER: {By.ID: Key("_id"), By.NPI: Key("identifier", systems.NPI)},
    RecordType.ORGANIZATION: {By.ID: Key("_id")},
    RecordType.LOCATION: {By.ID: Key("_id"), By.SITE: Key("identifier", SITE)},
    RecordType.ENCOUNTER: {
        By.ID: Key("_id"),
        By.PATIENT: Key("patient"),
        By.VISIT: Key("identifier", VISIT),
    },
    RecordType.COVERAGE: {
        By.ID: Key("_id"),
        By.PATIENT: Key("beneficiary"),
        By.MEMBER: Key("identifier", systems.MEMBER),
    },
    RecordType.CARE_TEAM_MEMBER: {By.PATIENT: Key("patient")},
}
"""The types and keys that the connector serves."""

SEARCHED: Final[dict[RecordType, dict[str, Key]]] = {
    RecordType.PATIENT: {
        "patient": Key("_id"),
        "family": Key("family"),
        "given": Key("given"),
        "birth_date": Key("birthdate"),
        "identifier": Key("identifier"),
        "mrn": Key("identifier", systems.MRN),
        "organization": Key("organization"),
    },
    RecordType.PRACTITIONER: {
        "family": Key("family"),
        "given": Key("given"),
        "npi": Key("identifier", systems.NPI),
    },
}
"""The types that the connector lists, and how each name of the search vocabulary is asked for."""

_ORDERS: Final = {"family": ("family", "_id"), "birth_date": ("birthdate", "_id"), "id": ("_id",)}
_REFERENCES: Final = frozenset({"_id", "patient", "beneficiary", "organization"})


def lookup(type_: RecordType, by: By, keys: Iterable[str], mapping: FhirMapping) -> tuple[str, str] | None:
    """The parameter that asks for these keys; None where no resource can have any of them."""
    key = KEYS[type_][by]
    values = _values(key, keys, mapping)
    return (key.parameter, values) if values else None


def conditions(search: Search, mapping: FhirMapping) -> list[tuple[str, str]] | None:
    """The parameters that mean the search's conditions; None where nothing can meet them.

    Raises `UnsupportedPredicate` for what FHIR can't express. Nothing is ever left out.
    """
    asked = []
    for condition in search.where:
        key = SEARCHED[search.type][condition.field]
        values = _prefix(condition) if condition.op is Op.PREFIX else _values(key, condition.values, mapping)
        if not values:
            return None
        asked.append((key.parameter, values))
    return asked


def sort(search: Search) -> str:
    """The value of `_sort` that means the search's order: ties by id, in the same direction."""
    return ",".join(f"{'-' * search.descending}{parameter}" for parameter in _ORDERS[search.order])


def _prefix(condition: Condition) -> str:
    (value,) = condition.values
    if not value.strip():
        raise UnsupportedPredicate("FHIR has no search for names that begin with nothing")
    return value.translate(_ESCAPES)


def _values(key: Key, values: Iterable[str], mapping: FhirMapping) -> str:
    """The values, joined: those that a resource can have, escaped, with the EHR's own identifier system."""
    return ",".join(_literal(key, value, mapping) for value in _possible(key, values))


def _possible(key: Key, values: Iterable[str]) -> Sequence[str]:
    if key.parameter in _REFERENCES:
        return [value for value in values if FHIR_ID.fullmatch(value)]
    if key.parameter == "birthdate":
        return [value for value in values if _is_day(value)]
    return [value for value in values if value.strip()]


def _literal(key: Key, value: str, mapping: FhirMapping) -> str:
    escaped = value.translate(_ESCAPES)
    return escaped if key.system is None else f"{mapping.own_systems[key.system].translate(_ESCAPES)}|{escaped}"


def _is_day(value: str) -> bool:
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
