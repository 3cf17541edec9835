"""A subject on whom a brake is: one request in so many seconds, whatever it asks; everybody else goes on."""

from __future__ import annotations

import pytest

from portico.records.errors import SlowDown, StoreUnavailable
from portico.records.exchange import GraphQLRequest
from portico.records.references import Tenant
from tests.house import MemoryHouse

RIVERBEND = Tenant("riverbend")
QUERY = GraphQLRequest(query="{ patients(first: 1) { edges { node { gender } } } }")


def _slow(house: MemoryHouse, persona: str, *, brake_seconds: float = 600, pace_seconds: float = 60) -> None:
    subject = house.caller(persona).principal.subject
    house.switches.slow(RIVERBEND, subject, brake_seconds=brake_seconds, pace_seconds=pace_seconds)


async def test_a_slowed_subject_is_told_when_to_come_again_and_no_source_is_asked(house: MemoryHouse) -> None:
    _slow(house, "biller")
    house.asked()
    with pytest.raises(SlowDown) as refused:
        await house.executor.answer(QUERY, house.caller("biller"))
    assert 58 <= refused.value.retry_after_seconds <= 60
    assert (house.asked(), house.trail.entries) == ([], [])
    assert "errors" not in await house.ask("front-desk", QUERY.query)


async def test_once_in_the_pace_s_time_a_request_is_answered(house: MemoryHouse) -> None:
    _slow(house, "biller", pace_seconds=0)
    for _ in range(3):
        assert "errors" not in await house.ask("biller", QUERY.query)


async def test_a_brake_that_has_ended_is_none(house: MemoryHouse) -> None:
    _slow(house, "biller", brake_seconds=0)
    assert "errors" not in await house.ask("biller", QUERY.query)


async def test_nobody_is_slowed_in_an_emergency(house: MemoryHouse) -> None:
    _slow(house, "physician")
    with pytest.raises(SlowDown):
        await house.executor.answer(QUERY, house.caller("physician"))
    assert (await house.answer("physician", QUERY.query, "ETREAT")).executed


async def test_while_nobody_can_tell_who_is_slowed_nothing_is_released(house: MemoryHouse) -> None:
    _slow(house, "biller", pace_seconds=0)
    house.switches.available = False
    answer = await house.ask("biller", QUERY.query)
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, StoreUnavailable.code)
