"""What the audit says of what was answered (AUD cases)."""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from hashlib import sha256

import orjson
import pytest

from sandbox.population.canary import canaries
from tests.adversarial.binding import STAFF
from tests.glass import Glass
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


OPERATIONS = int(os.environ.get("ADVERSARIAL_OPERATIONS", "300"))
AT_ONCE = 20
READS = {
    "List": "{ patients(first: 4) { edges { node { mrn ssn phone } } } }",
    "Search": '{ patients(filter: {family: "S"}) { edges { node { id birthDate } } } }',
    "Chart": "($id: ID!) { patient(id: $id) { ssn name { family } claims { edges { node { status } } } } }",
    "Node": "($id: ID!) { node(id: $id) { __typename id } }",
    "Slots": "{ slots(first: 2) { edges { node { start } } } }",
    "Accesses": "($id: ID!) { accesses(patient: $id) { edges { node { at } } } }",
}
UNSOUND = {"Misspelt": "{ patients { edges { node { sssn } } } }", "Broken": "{ patients {"}
BROKEN_GLASS = "($input: BreakTheGlassInput!) { breakTheGlass(input: $input) { id } }"

Told = tuple[str, str, str, str, str | None, str | None]
"""By whom, for what, under which name and document, and for a command: which, and what became of it."""


async def _anything(house: MemoryHouse, chance: random.Random, names: list[str], number: int) -> list[Told]:
    """One request of somebody, and the rows that it should leave."""
    persona = chance.choice([*STAFF, "auditor", "privacy-officer", "operator", "website", "other-clinic"])
    who = house.personas[persona]
    kind = chance.choice([*READS, *UNSOUND, "Glass", "NoReason"])
    name = f"{kind}{number}"
    if kind in ("Glass", "NoReason"):
        query = f"mutation {name} {BROKEN_GLASS}"
        given = {"patient": chance.choice(names), "reason": "x" if kind == "NoReason" else "found unconscious at home"}
        purpose = "ETREAT" if "ETREAT" in who.purposes else who.purposes[0]
        answer = await house.ask(persona, query, purpose, input=given)
        outcome = "refused" if answer.get("errors") else "done"
        digest = sha256(query.encode()).hexdigest()
        told: list[Told] = [(who.subject, purpose, name, digest, "breakTheGlass", outcome)]
        return told if outcome == "refused" else [*told, (who.subject, purpose, name, digest, None, None)]
    query = f"query {name} {(READS | UNSOUND)[kind]}"
    variables = {"id": chance.choice(names)} if "$id" in query else {}
    await house.answer(persona, query, **variables)
    digest = sha256(query.encode()).hexdigest()
    return [] if kind in UNSOUND else [(who.subject, who.purposes[0], name, digest, None, None)]


async def test_the_audit_is_what_the_asker_would_have_written_down(house: MemoryHouse) -> None:
    """Everybody asks for everything, some at once: each answer, denial, search and command has its row."""
    chance = random.Random(7)  # noqa: S311  the same in every run
    names = [await house.patient_name(one.key) for one in house.populations["riverbend"].people if one.ehr_id][:12]
    house.trail.entries.clear()
    expected: Counter[Told] = Counter()
    for start in range(0, OPERATIONS, AT_ONCE):
        some = range(start, min(start + AT_ONCE, OPERATIONS))
        for told in await asyncio.gather(*(_anything(house, chance, names, number) for number in some)):
            expected.update(told)
    written: Counter[Told] = Counter(
        (
            entry.subject,
            entry.purpose,
            entry.operation_name or "",
            entry.operation,
            entry.command,
            entry.outcome.value if entry.command else None,
        )
        for entry in house.trail.entries
    )
    missing, invented = expected - written, written - expected
    assert (sorted(missing, key=str), sorted(invented, key=str)) == ([], [])
    assert {report.flaw for report in await house.trail.verify()} == {None}
    Glass(house).mend()
