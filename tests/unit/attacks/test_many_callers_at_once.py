"""Callers who ask for the same things in the same moment: nobody gets anything that was meant for another."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from tests.house import MemoryHouse, memory_house

QUERIES = (
    "{ viewer { subject purpose roles } }",
    "{ patients(first: 10) { edges { cursor node { id name { family } ssn birthDate } } pageInfo { endCursor } } }",
    "{ appointments(first: 10) { edges { cursor node { id start reason patient { id ssn birthDate } } } } }",
    "{ claims(first: 10) { edges { node { id billed { amount } diagnoses { code } patient { id phone } } } } }",
    "{ patients(first: 5) { edges { node { appointments { edges { node { id claims { edges { cursor } } } } } } } } }",
)
ROUNDS = 10


@pytest.fixture(scope="module")
async def crowded() -> AsyncIterator[MemoryHouse]:
    async with memory_house(explain=False) as running:
        yield running


async def test_an_answer_is_the_same_alone_and_amid_everyone_elses(crowded: MemoryHouse) -> None:
    asked = [(persona, query) for persona in crowded.personas for query in QUERIES]
    alone = {one: (await crowded.answer(*one)).body for one in asked}
    assert len(set(alone.values())) > len(crowded.personas), "callers differ in what they get"
    crowd = asked * ROUNDS
    random.Random(7).shuffle(crowd)  # noqa: S311  an order that is the same in every run
    crowded.trail.entries.clear()
    answers = await asyncio.gather(*(crowded.answer(*one) for one in crowd))
    for one, answer in zip(crowd, answers, strict=True):
        assert answer.body == alone[one]
    assert len(crowded.trail.entries) == len(crowd)


async def test_every_audit_row_of_a_crowd_names_its_own_callers_patients(crowded: MemoryHouse) -> None:
    asked = [(persona, query) for persona in crowded.personas for query in QUERIES]
    expected = {}
    for one in asked:
        await crowded.answer(*one)
        entry = crowded.trail.entries[-1]
        expected[entry.subject, entry.operation] = (entry.tenant, entry.patients, entry.released, entry.sources)
    crowded.trail.entries.clear()
    await asyncio.gather(*(crowded.answer(*one) for one in asked * 3))
    assert len(crowded.trail.entries) == 3 * len(asked)
    for entry in crowded.trail.entries:
        told = (entry.tenant, entry.patients, entry.released, entry.sources)
        assert told == expected[entry.subject, entry.operation]
