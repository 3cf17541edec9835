"""Whoever asks beside whom: what a source said may be shared, and what was released never is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.house import Asked, MemoryHouse, memory_house

PERSONAS = ("patient", "guardian", "physician", "front-desk", "biller", "researcher", "website", "other-clinic")
QUERIES = (
    "{ patients(first: 4) { edges { cursor node { id name { family } ssn birthDate phone } } } }",
    "{ appointments(first: 4) { edges { node { id start reason patient { ssn birthDate } practitioner { npi } } } } }",
    "{ claims(first: 4) { edges { node { billed { amount } diagnoses { code } patient { mrn ssn phone } } } } }",
    "{ slots(first: 3) { edges { node { start practitioner { name { family } } location { name } } } } }",
)
CROWDS = st.lists(st.tuples(st.sampled_from(PERSONAS), st.sampled_from(QUERIES)), min_size=2, max_size=12)


class Alone:
    """What each gets by themselves, and what was asked for it."""

    def __init__(self, house: MemoryHouse) -> None:
        self.house = house
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.asked: dict[tuple[str, str], Counter[Asked]] = {}


@pytest.fixture(scope="module")
async def alone() -> AsyncIterator[Alone]:
    async with memory_house(explain=False) as house:
        told = Alone(house)
        for asking in product(PERSONAS, QUERIES):
            await house.answer(*asking)  # decides what is not decided yet
            _asked(house)
            told.bodies[asking] = (await house.answer(*asking)).body
            told.asked[asking] = Counter(_asked(house))
        yield told


def _asked(house: MemoryHouse) -> list[Asked]:
    return [one for tenant in house.sources for one in house.asked(tenant)]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(crowd=CROWDS)
async def test_in_any_crowd_everybody_gets_their_own_answer_and_equal_questions_are_shared(
    alone: Alone, crowd: list[tuple[str, str]]
) -> None:
    house, asking = alone.house, [*crowd, *crowd]
    connectors = [one for of in house.sources.values() for one in of.values()]
    for one in connectors:
        one.gate.clear()
    answers = [asyncio.ensure_future(house.answer(*each)) for each in asking]
    while not all(answer.done() for answer in answers):
        for one in connectors:
            one.gate.clear()
        for _ in range(40):
            await asyncio.sleep(0)
        for one in connectors:
            one.gate.set()
        await asyncio.sleep(0)
    assert [answer.result().body for answer in answers] == [alone.bodies[each] for each in asking]
    asked, separately = Counter(_asked(house)), sum((alone.asked[each] for each in asking), Counter[Asked]())
    assert asked.keys() == separately.keys()
    assert asked <= separately
    assert asked.total() < separately.total() or not separately
