"""What is served is what the policies say: every coordinate, every persona, every relationship, every label.

Records are fetched class by class, so that the one error of a schema path speaks for each of its rows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from portico.records.references import RecordType
from portico.records.types import Record
from sandbox.population.planted import Planted
from tests.house import MemoryHouse, memory_house
from tests.spec.served_world import GROWING, Effect, Facts, World, held, last_four, served, shifts, year_alone

PERSONAS = (
    "patient", "guardian", "physician", "front-desk", "biller",
    "researcher", "auditor", "operator", "website", "other-clinic",
)  # fmt: skip
NO_NODES = {RecordType.CARE_TEAM_MEMBER}
ROWS_AT_ONCE = 20

Answer = dict[str, Any]


@dataclass
class Served:
    """What a persona was served of all records of one class: a row or nothing for each, and errors by field."""

    facts: Facts
    records: list[Record]
    effects: dict[str, Effect] | None
    rows: list[Answer | None]
    errors: dict[str, Any]

    def shown(self) -> Iterator[tuple[Record, Answer]]:
        return ((record, row) for record, row in zip(self.records, self.rows, strict=True) if row is not None)


@dataclass
class Seen:
    """A world and all that its persona was served of it."""

    world: World
    classes: list[Served]


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house() as running:
        yield running


@pytest.fixture(scope="module", params=PERSONAS)
async def seen(house: MemoryHouse, request: pytest.FixtureRequest) -> Seen:
    return await _see(house, request.param)


async def _see(house: MemoryHouse, persona: str) -> Seen:
    world = World(house, house.personas[persona])
    return Seen(world, [await _fetched(world, facts, records) for facts, records in _classes(world).items()])


async def _name(world: World, record: Record) -> str:
    tenant = world.persona.tenant
    person = world.person(record)
    if record.type is RecordType.PATIENT and person is not None:
        return await world.house.patient_name(person.key, tenant)
    return world.house.name(record.type, record.id.source, record.id.value, tenant)


def _classes(world: World) -> dict[Facts, list[Record]]:
    classes: dict[Facts, list[Record]] = defaultdict(list)
    for record in world.records:
        if record.type not in NO_NODES:
            classes[world.facts(record)].append(record)
    return classes


async def _fetched(world: World, facts: Facts, records: list[Record]) -> Served:
    selection = world.text.selection(facts.type)
    query = f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {facts.type} {{ {selection} }} }} }}"
    served_ = Served(facts, records, await world.effects(facts), [], {})
    for start in range(0, len(records), ROWS_AT_ONCE):
        names = [await _name(world, record) for record in records[start : start + ROWS_AT_ONCE]]
        answer = await world.house.ask(world.persona.name, query, ids=names)
        served_.rows += answer["data"]["nodes"]
        for error in answer.get("errors", ()):
            served_.errors[error["extensions"]["affectedPath"].removeprefix("nodes.@.")] = error["extensions"]
    return served_


async def test_a_record_is_served_exactly_where_the_policy_shows_its_class(seen: Seen) -> None:
    for of_class in seen.classes:
        expected = [await seen.world.visible(record) for record in of_class.records]
        assert [row is not None for row in of_class.rows] == expected, of_class.facts


async def test_every_value_is_served_masked_or_withheld_as_the_policy_says(seen: Seen) -> None:
    for of_class in seen.classes:
        facts, effects, errors = of_class.facts, of_class.effects, of_class.errors
        fields = seen.world.text.values(facts.type)
        for record, row in of_class.shown():
            assert effects is not None
            for field in fields:
                _check_value(facts, field, effects[field], held(record, field), served(row[field]))
        if effects is None or not any(of_class.shown()):
            assert errors == {}
            continue
        denied = {field: effects[field].denied for field in fields if effects[field].denied}
        assert {field: errors[field]["reason"] for field in fields if field in errors} == denied, facts
        assert {errors[field]["coordinate"] for field in denied} == {f"{facts.type}.{field}" for field in denied}


def _check_value(facts: Facts, field: str, effect: Effect, truth: Any, seen: Any) -> set[timedelta]:
    place = f"{facts} {field}: {effect.said}"
    if field == "provenance" and effect.said == "allow":
        assert {**seen, "retrievedAt": None} == {**truth, "retrievedAt": None}, place
        return set()
    if truth is None or effect.denied:
        assert seen is None, place
        return set()
    match effect.mask:
        case None:
            assert seen == truth, place
        case "last4":
            assert seen == last_four(truth) != truth, place
        case "year":
            assert seen == year_alone(truth), place
        case "shift":
            return shifts(truth, seen)
        case _:
            raise AssertionError(f"no expectation for {place}")
    return set()


async def test_dates_are_shifted_by_one_constant_for_each_patient(house: MemoryHouse) -> None:
    seen = await _see(house, "researcher")
    moved: dict[str, set[timedelta]] = defaultdict(set)
    for of_class in seen.classes:
        effects = of_class.effects or {}
        fields = [
            field for field in seen.world.text.values(of_class.facts.type) if effects and effects[field].mask == "shift"
        ]
        for record, row in of_class.shown():
            person = seen.world.person(record)
            assert person is not None or not fields
            for field in fields:
                assert person is not None
                moved[person.key] |= shifts(held(record, field), served(row[field]))
    assert len(moved) > 20
    assert {len(shifted) for shifted in moved.values()} == {1}
    assert all(timedelta(0) < abs(by) <= timedelta(days=182) for shifted in moved.values() for by in shifted)
    assert len({by for shifted in moved.values() for by in shifted}) > 10


async def test_every_edge_leads_to_exactly_the_visible_records_or_is_withheld(seen: Seen) -> None:
    for of_class in seen.classes:
        facts, effects = of_class.facts, of_class.effects
        for record, row in of_class.shown():
            assert effects is not None
            for field in seen.world.text.edges(facts.type):
                place = f"{facts} {field}"
                if effects[field].said == "allow" and seen.world.text.target(facts.type, field) in GROWING:
                    assert row[field] is not None, place
                elif effects[field].said == "allow":
                    assert _led_to(row[field]) == await _expected(seen.world, record, field), place
                    assert field not in of_class.errors, place
                else:
                    assert row[field] is None, place
                    assert of_class.errors[field]["reason"] == effects[field].denied, place


def _led_to(found: Any) -> list[str]:
    if found is None:
        return []
    nodes = [edge["node"] for edge in found["edges"]] if "edges" in found else [found]
    return sorted(node.get("id", node.get("__typename")) for node in nodes)


async def _expected(world: World, record: Record, field: str) -> list[str]:
    targets = [other for other in world.targets(record, field) if await world.visible(other)]
    if any(target.type in NO_NODES for target in targets):
        return [target.type.value for target in targets]
    return sorted([await _name(world, target) for target in targets])


async def test_a_care_team_is_served_as_the_policy_says(seen: Seen) -> None:
    """Care team members have no id of their own: they are reached through their patient."""
    world = seen.world
    selection = world.text.selection("CareTeamMember")
    query = (
        f"query ($id: ID!) {{ patient(id: $id) {{ careTeam(first: 100) {{ edges {{ node {{ {selection} }} }} }} }} }}"
    )
    for person in world.population.people:
        if person.ehr_id is None:
            continue
        members = [
            record
            for record in world.records
            if record.type is RecordType.CARE_TEAM_MEMBER and record.subject == person.ehr_id
        ]
        name = await world.house.patient_name(person.key, world.persona.tenant)
        answer = await world.house.ask(world.persona.name, query, id=name)
        patient = answer["data"]["patient"]
        if person.replaced_by is not None:
            assert answer["data"]["patient"] is None, "a merged record is nobody's"
            continue
        facts = Facts("Patient", world.relationships(person), frozenset(person.labels), world.consent(person))
        effects = await world.effects(facts)
        assert (patient is not None) == (effects is not None)
        if effects is None or patient is None:
            continue
        if effects["careTeam"].denied:
            assert patient["careTeam"] is None
            continue
        nodes = [edge["node"] for edge in patient["careTeam"]["edges"]]
        of_member = await world.effects(world.facts(members[0]))
        assert len(nodes) == (0 if of_member is None else len(members))
        for member, node in zip(members, nodes, strict=False):
            for field in world.text.values("CareTeamMember"):
                assert of_member is not None
                _check_value(facts, field, of_member[field], held(member, field), served(node[field]))


async def test_the_viewer_and_the_sources_are_served_as_the_policy_says(seen: Seen) -> None:
    world = seen.world
    viewer, source = (world.text.selection(name) for name in ("Viewer", "Source"))
    answer = await world.house.ask(world.persona.name, f"{{ viewer {{ {viewer} }} sources {{ {source} }} }}")
    persona = world.persona
    assert await world.effects(Facts("Viewer", frozenset(), frozenset())) is not None
    assert {**answer["data"]["viewer"], "__typename": None} == {
        "__typename": None,
        "subject": persona.subject,
        "kind": persona.kind,
        "roles": [persona.role],
        "purpose": persona.purposes[0],
        "tenant": persona.tenant,
    }
    shown = await world.effects(Facts("Source", frozenset(), frozenset()))
    names = sorted(one["name"] for one in answer["data"]["sources"])
    assert names == ([] if shown is None else ["billing", "ehr", "scheduling"])


async def test_the_matrix_meets_every_relationship_and_every_pair_that_occurs(house: MemoryHouse) -> None:
    """The proof above proves nothing about a class that no record of the population is of."""
    met: set[frozenset[str]] = set()
    for persona in house.personas.values():
        world = World(house, persona)
        met |= {world.facts(record).relationships for record in world.records}
    assert {name for names in met for name in names} == {
        "self", "guardian", "care_team", "scheduled", "same_organization",
    }  # fmt: skip
    assert {frozenset(), frozenset({"care_team", "same_organization"})} <= met
    assert any("scheduled" in names and "care_team" not in names for names in met)


async def test_the_matrix_meets_sensitive_records(house: MemoryHouse) -> None:
    world = World(house, house.personas["physician"])
    labelled = {record.type for record in world.records if record.labels}
    assert {RecordType.PATIENT, RecordType.APPOINTMENT, RecordType.ENCOUNTER} <= labelled
    restricted = next(one for one in world.population.people if one.key == Planted.RESTRICTED)
    assert restricted.labels == ("VIP",)
