"""Who looked at whom is told as the policies say: every persona, every planted patient, by their own class."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.references import RecordType, Tenant
from sandbox.population.model import Person
from tests.house import MemoryHouse, memory_house
from tests.spec.served_world import World
from tests.spec.test_served_matrix import PERSONAS

QUERY = """query ($id: ID!) { accesses(patient: $id, first: 1) { edges { node { %s } } } }"""


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house() as running:
        yield running


async def _looked_at(house: MemoryHouse, world: World, person: Person) -> AuditEntry:
    """Somebody looked at a person just now."""
    entry = AuditEntry(
        tenant=Tenant(world.persona.tenant),
        request_id=f"r-{world.persona.name}-{person.key}",
        subject="usr-nurse",
        kind="person",
        roles=frozenset({"nurse"}),
        purpose="HRESCH",
        client="ward",
        operation="0f" * 32,
        patients=frozenset({await house.patient_id(person.key, world.persona.tenant)}),
        released=frozenset({"Patient.name"}),
        sources=frozenset({"ehr"}),
        policy_revision="rev-1",
        outcome=Outcome.RELEASED,
        at=datetime.now(UTC),
    )
    await house.trail.commit(entry)
    return entry


def _expected(entry: AuditEntry) -> dict[str, Any]:
    return {
        "purpose": entry.purpose,
        "who": {"subject": entry.subject, "kind": entry.kind, "roles": sorted(entry.roles)},
        "client": entry.client,
        "released": sorted(entry.released),
        "sources": sorted(entry.sources),
        "disclosure": True,
    }


@pytest.mark.parametrize("persona", PERSONAS)
async def test_an_access_is_served_exactly_where_the_policy_shows_its_class(house: MemoryHouse, persona: str) -> None:
    world = World(house, house.personas[persona])
    charts = {world.person(one): one for one in world.records if one.type is RecordType.PATIENT}
    shown = 0
    for person in world.population.people:
        if person not in charts:
            continue
        entry = await _looked_at(house, world, person)
        name = await house.patient_name(person.key, world.persona.tenant)
        answer = await house.ask(persona, QUERY % world.text.selection("Access"), id=name)
        rows = [edge["node"] for edge in answer["data"]["accesses"]["edges"]]
        effects = await world.effects(replace(world.facts(charts[person]), type="Access"))
        assert len(rows) == (0 if effects is None else 1), person.key
        for row in rows:
            assert effects is not None
            assert {effect.said for effect in effects.values()} == {"allow"}
            assert {name: row[name] for name in _expected(entry)} == _expected(entry)
            shown += 1
    assert (shown > 0) == (persona in ("patient", "guardian", "auditor"))
