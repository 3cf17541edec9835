"""What the audit says of what was answered (AUD cases)."""

from __future__ import annotations

import orjson
import pytest

from sandbox.population.canary import canaries
from tests.adversarial.binding import STAFF
from tests.house import MemoryHouse
from tests.oracles.leak import Needles
from tests.oracles.recorded import unrecorded


@pytest.mark.parametrize("persona", STAFF)
async def test_the_audit_holds_each_answer_once_and_nothing_else(
    house: MemoryHouse, needles: Needles, persona: str
) -> None:
    population = house.populations["riverbend"]
    owners = canaries(population)
    patients = {one.key: await house.patient_id(one.key) for one in population.people if one.ehr_id}
    house.trail.entries.clear()
    bodies = []
    for size in range(1, 8):
        rows = "patients(first: $first) { edges { node { mrn phone } } }"
        query = f"query Search{size} ($first: Int!) {{ {rows} }}"
        bodies.append((await house.answer(persona, query, first=size)).body)
    entries = house.trail.entries
    assert [entry.operation_name for entry in entries] == [f"Search{size}" for size in range(1, 8)]
    for body, entry in zip(bodies, entries, strict=True):
        read = needles.found_in(body) & owners.keys()
        assert unrecorded(read, owners, patients, [entry]) == set()
        named = {key for key, id_ in patients.items() if id_ in entry.patients}
        assert {owners[one].person for one in read} <= named
        shown = len((orjson.loads(body)["data"]["patients"] or {"edges": []})["edges"])
        assert len(named) == shown
