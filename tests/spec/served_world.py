"""What each persona should be served, worked out from the population and the policies' own words alone.

Nothing here goes through the guard, the resolvers or the masks: classes come from the population, tags from the
schema's text, decisions straight from the engine, masks from their descriptions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from typing import Any

from graphql import GraphQLObjectType, GraphQLSchema, build_schema, get_named_type, is_leaf_type
from graphql.language import DirectiveNode, EnumValueNode, FieldDefinitionNode

from portico.access.engine import Rule
from portico.records import values
from portico.records.consent import Provision
from portico.records.references import RecordType, Reference
from portico.records.types import Record
from sandbox.identity.personas import Persona
from sandbox.population.model import Person, Population
from sandbox.population.planted import Planted
from tests.contract.truth import VOUCHING, WINDOW, billing_truth, ehr_truth, scheduling_truth
from tests.house import BILLING, EHR, SCHEDULING, MemoryHouse
from tests.spec.told import Told

UNLINKED = {
    ("billing", Planted.SHARED_MEMBER),
    ("billing", Planted.NAMESAKE),
    ("billing", Planted.OTHER_NAMESAKE),
    ("billing", Planted.UNCHARTED),
    ("scheduling", Planted.UNCHARTED),
}
"""Whom a source knows in a way that must not be linked."""

ATTRIBUTES = {"Claim.type": "claim_type", "Encounter.class": "encounter_class", "Viewer.subject": "subject_name"}
"""Where a field's name is not its attribute's."""


GROWING = {RecordType.ACCESS.value, RecordType.CONSENT.value}
"""Types whose records Portico itself keeps, of some more for every question: what they hold is proven apart."""

PARTS = (
    values.HumanName, values.Address, values.Identifier, values.Coding,
    values.Period, values.Money, values.ClaimLine, values.Provenance, values.Accessor,
)  # fmt: skip


@dataclass(frozen=True)
class Effect:
    """What the policy says of one coordinate: `allow`, `mask NAME` or `deny REASON`."""

    said: str

    @property
    def denied(self) -> str | None:
        return self.said.removeprefix("deny ") if self.said.startswith("deny ") else None

    @property
    def mask(self) -> str | None:
        return self.said.removeprefix("mask ") if self.said.startswith("mask ") else None


@dataclass(frozen=True)
class Facts:
    """A record's class."""

    type: str
    relationships: frozenset[str]
    labels: frozenset[str]
    consent: frozenset[Provision] = frozenset()


class SchemaText:
    """The tags and selections that `schema.graphql` tells."""

    def __init__(self, sdl: str) -> None:
        self.schema: GraphQLSchema = build_schema(sdl)

    def fields(self, type_name: str) -> dict[str, str]:
        """Every field of a record type with its tag."""
        type_ = self.schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        return {name: _tag(field.ast_node) for name, field in type_.fields.items() if field.ast_node}

    def values(self, type_name: str) -> list[str]:
        """The fields that hold values, without the id."""
        return [name for name in self.fields(type_name) if name != "id" and self.target(type_name, name) is None]

    def edges(self, type_name: str) -> list[str]:
        """The fields that lead to other records."""
        return [name for name in self.fields(type_name) if self.target(type_name, name) is not None]

    def target(self, type_name: str, field: str) -> str | None:
        """The record type that a field leads to, if it does."""
        type_ = self.schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        name = get_named_type(type_.fields[field].type).name.removesuffix("Connection")
        return name if name in RecordType.__members__.values() else None

    def many(self, type_name: str, field: str) -> bool:
        """Whether it leads to a connection."""
        type_ = self.schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        return str(type_.fields[field].type).endswith("Connection")

    def selection(self, type_name: str) -> str:
        """Everything of a record: its values in full, its edges as far as the ids of what they lead to."""
        parts = ["__typename", *(["id"] if "id" in self.fields(type_name) else [])]
        parts += [f"{name} {self._below(type_name, name)}" for name in self.values(type_name)]
        for name in self.edges(type_name):
            below = "{ id }" if "id" in self.fields(self.target(type_name, name) or "") else "{ __typename }"
            parts.append(f"{name}(first: 40) {{ edges {{ node {below} }} }}" if self.many(type_name, name) else name)
            parts[-1] += "" if self.many(type_name, name) else f" {below}"
        return " ".join(parts)

    def _below(self, type_name: str, field: str) -> str:
        type_ = self.schema.type_map[type_name]
        assert isinstance(type_, GraphQLObjectType)
        part = get_named_type(type_.fields[field].type)
        if is_leaf_type(part):
            return ""
        assert isinstance(part, GraphQLObjectType)
        return "{ " + " ".join(f"{name} {self._below(part.name, name)}" for name in part.fields) + " }"


@cache
def schema_text(sdl: str) -> SchemaText:
    """The text, read once."""
    return SchemaText(sdl)


def _tag(node: FieldDefinitionNode) -> str:
    (guard,) = [one for one in node.directives or () if isinstance(one, DirectiveNode) and one.name.value == "guard"]
    (argument,) = guard.arguments or ()
    assert isinstance(argument.value, EnumValueNode)
    return argument.value.value


class World:
    """One tenant's truth, seen by one persona."""

    def __init__(self, house: MemoryHouse, persona: Persona) -> None:
        self.house = house
        self.persona = persona
        self.text = schema_text(house.schema.sdl)
        self.population: Population = house.populations[persona.tenant]
        truths = (
            ehr_truth(self.population, EHR),
            scheduling_truth(self.population, SCHEDULING),
            billing_truth(self.population, BILLING),
        )
        self.records: list[Record] = [record for truth in truths for record in truth.records]
        self._people = {
            (source, id_): person
            for person in self.population.people
            for source, id_ in _ids(person)
            if (source, person.key) not in UNLINKED and person.ehr_id is not None and person.replaced_by is None
        }
        self._told = Told(self.population, truths[0])
        self._of_person: dict[tuple[str, str], list[Record]] = {}
        self._by_key: dict[tuple[str, str], list[Record]] = {}
        for record in self.records:
            person = self.person(record)
            if person is not None:
                self._of_person.setdefault((record.type.value, person.key), []).append(record)
            for key in {record.id.value, getattr(record, "npi", None), getattr(record, "site", None)} - {None}:
                self._by_key.setdefault((record.type.value, str(key)), []).append(record)
        self._answers: dict[Facts, Mapping[str, Any]] = {}
        self._relationships: dict[str, frozenset[str]] = {}

    def person(self, record: Record) -> Person | None:
        """Whom a record is about, as far as the crosswalk may know."""
        return None if record.subject is None else self._people.get((record.id.source, record.subject))

    def facts(self, record: Record) -> Facts:
        """The record's class for this persona."""
        person = self.person(record)
        if person is None:
            return Facts(record.type.value, frozenset(), record.labels)
        if person.key not in self._relationships:
            self._relationships[person.key] = self.relationships(person)
        return Facts(
            record.type.value, self._relationships[person.key], self._told.labels(record, person), self.consent(person)
        )

    def consent(self, person: Person) -> frozenset[Provision]:
        """What a person said that holds now, of everyone or of this persona."""
        who = self.persona
        return self._told.consent(
            person, {f"npi {who.npi}", f"organization {who.organization}", f"subject {who.subject}"}
        )

    def relationships(self, person: Person) -> frozenset[str]:
        """How the persona stands to a person, now."""
        now, who = datetime.now(UTC), self.persona
        doctors = {one.key: one for one in self.population.practitioners}
        team = {doctors[person.general_practitioner].npi} | {
            doctors[one.practitioner].npi
            for one in person.care_team
            if one.start <= now and (one.end is None or now <= one.end)
        }
        diary = {
            doctors[visit.practitioner].npi
            for visit in self.population.visits
            if visit.person == person.key
            and person.scheduling is not None
            and visit.appointment_status in VOUCHING
            and visit.start - WINDOW <= now <= visit.end + WINDOW
        }
        wards = {
            one.child
            for one in self.population.guardianships
            if one.guardian == who.subject and one.start <= now and (one.end is None or now <= one.end)
        }
        employer = next(one.ehr_id for one in self.population.organizations if one.key == person.organization)
        held = {
            "self": who.patient == person.ehr_id,
            "guardian": person.key in wards,
            "care_team": who.npi in team,
            "scheduled": who.npi in diary,
            "same_organization": who.organization == employer,
        }
        return frozenset(name for name, true in held.items() if true)

    async def effects(self, facts: Facts) -> dict[str, Effect] | None:
        """The policy's own word on every field of a class; None where its records may not be seen."""
        answer = await self._answer(facts)
        if not answer["visible"]:
            return None
        return {
            field: _effect(answer, f"{facts.type}.{field}", tag) for field, tag in self.text.fields(facts.type).items()
        }

    async def visible(self, record: Record) -> bool:
        """Whether the persona may see anything of a record. About a patient whom nobody knows: never."""
        if record.subject is not None and self.person(record) is None:
            return False
        return bool((await self._answer(self.facts(record)))["visible"])

    async def _answer(self, facts: Facts) -> Mapping[str, Any]:
        if facts not in self._answers:
            question = {
                "principal": _claims(self.persona),
                "purpose": self.persona.purposes[0],
                "action": "read",
                "classes": {
                    "it": {
                        "type": facts.type,
                        "relationships": sorted(facts.relationships),
                        "labels": sorted(facts.labels),
                        "consent": [_provision(one) for one in sorted(facts.consent, key=repr)],
                        "tenant": "match",
                        "attributes": {},
                    }
                },
            }
            verdict = await self.house.engine.ask(Rule.CLASSES, question)
            self._answers[facts] = verdict.result["it"]
        return self._answers[facts]

    def targets(self, record: Record, field: str) -> list[Record]:
        """The records to which an edge truly leads, seen or not."""
        target = self.text.target(record.type.value, field) or ""
        reference, person = getattr(record, _snake(field), None), self.person(record)
        own = [] if person is None else self._of_person.get((target, person.key), [])
        if record.type is RecordType.CLAIM and target == "Coverage":
            return [one for one in own if reference and getattr(one, "member_id", None) == reference.value]
        if isinstance(reference, Reference):
            return self._by_key.get((target, reference.value), [])
        if "Patient" in (record.type.value, target):
            return own
        return [one for one in own if getattr(one, "visit", None) == getattr(record, "visit", None)]


def _ids(person: Person) -> Iterator[tuple[str, str]]:
    yield "ehr", person.ehr_id or ""
    if person.scheduling:
        yield "scheduling", person.scheduling.id
    if person.billing:
        yield "billing", person.billing.id


def _claims(persona: Persona) -> dict[str, Any]:
    return {
        "subject": persona.subject,
        "kind": persona.kind,
        "tenant": persona.tenant,
        "roles": [persona.role],
        "organization": persona.organization,
        "npi": persona.npi,
        "client": persona.client,
        "acr": persona.acr,
        "auth_time": None,
        "purposes": sorted(persona.purposes),
    }


def _provision(one: Provision) -> dict[str, Any]:
    sets = {name: sorted(getattr(one, name)) for name in ("purposes", "roles", "tags", "labels")}
    return {"kind": one.kind.value, **sets}


def _effect(answer: Mapping[str, Any], coordinate: str, tag: str) -> Effect:
    override, refused = answer["overrides"].get(coordinate), answer.get("refuse", {}).get(tag)
    denied = tag in answer["deny"] if override is None else override["effect"] == "deny"
    if refused and not denied:
        return Effect(f"deny {refused}")
    if override is not None:
        return Effect(" ".join([override["effect"], *([override.get("mask") or override.get("reason") or ""])]).strip())
    if tag in answer["deny"]:
        return Effect(f"deny {answer['deny'][tag]}")
    if tag in answer["mask"]:
        return Effect(f"mask {answer['mask'][tag]}")
    return Effect("allow") if tag in answer["allow"] else Effect("deny not_permitted")


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def held(record: Record, field: str) -> Any:
    """What a record holds under a GraphQL field, as plain JSON."""
    return plain(getattr(record, ATTRIBUTES.get(f"{record.type.value}.{field}", _snake(field))))


def plain(value: object) -> Any:
    """A record's value as an answer spells it; money as a number, because its spelling is its source's."""
    match value:
        case Enum():
            return value.name
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case tuple():
            return [plain(one) for one in value]
    return _part(value) if isinstance(value, PARTS) else value


def _part(value: Any) -> dict[str, Any]:
    return {_camel(name): plain(getattr(value, name)) for name in type(value).__struct_fields__}


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def served(value: Any) -> Any:
    """An answer's value, with money as a number."""
    match value:
        case {"amount": str(amount), "currency": currency, **rest} if not rest:
            return {"amount": Decimal(amount), "currency": currency}
        case dict():
            return {name: served(one) for name, one in value.items()}
        case list():
            return [served(one) for one in value]
    return value


def last_four(text: str) -> str:
    """Stars for everything but separators and the last four."""
    return "".join("*" if letter.isalnum() else letter for letter in text[:-4]) + text[-4:]


def year_alone(text: str) -> str:
    """The year; the oldest are all as old as ninety (45 CFR 164.514(b)(2)(i)(C))."""
    return str(max(int(text[:4]), datetime.now(UTC).year - 90))


def shifts(truth: Any, seen: Any) -> set[timedelta]:
    """By how much each date in a value was moved; what is no date must not have changed."""
    match truth, seen:
        case dict(), dict():
            assert truth.keys() == seen.keys()
            return {by for name in truth for by in shifts(truth[name], seen[name])}
        case list(), list():
            assert len(truth) == len(seen)
            return {by for one, other in zip(truth, seen, strict=True) for by in shifts(one, other)}
        case str(), str() if truth != seen and len(truth) == len("2000-01-01"):
            return {date.fromisoformat(seen) - date.fromisoformat(truth)}
        case str(), str() if truth != seen:
            return {datetime.fromisoformat(seen) - datetime.fromisoformat(truth)}
    assert truth == seen
    return set()
