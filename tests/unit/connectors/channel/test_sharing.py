"""Equal questions asked at once are one call; a caller in a hurry, or gone, is nobody else's failure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

import pytest

from connectors.breaker import BreakerState
from connectors.channel import CallStatus, Channel, ChannelConfig
from portico.records.context import CallContext
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable
from portico.records.references import By, RecordType
from portico.records.search import Search
from portico.records.types import Record
from tests.changed import replace
from tests.unit.connectors.channel.world import SOURCE, World

PATIENT, APPOINTMENT = RecordType.PATIENT, RecordType.APPOINTMENT

Asking = asyncio.Task[Mapping[str, tuple[Record, ...]]]


def ask(world: World, *keys: str, attributes: tuple[str, ...] = (), seconds: float = 10.0) -> Asking:
    find = world.channel.find(world.call(*attributes, seconds=seconds), PATIENT, By.ID, keys)
    return asyncio.ensure_future(find)


async def settle() -> None:
    """Let everybody go as far as they get."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_equal_finds_at_once_are_one_call_and_each_is_reported() -> None:
    world = World()
    world.connector.gate.clear()
    askers = [ask(world, "p0", "p1") for _ in range(5)]
    await settle()
    world.connector.gate.set()
    found = await asyncio.gather(*askers)
    assert all(one == found[0] for one in found)
    assert len(world.connector.calls) == 1
    assert [report.calls for report in world.reports] == [1, 0, 0, 0, 0]
    assert {report.status for report in world.reports} == {CallStatus.OK}


async def test_equal_searches_at_once_are_one_call() -> None:
    world = World()
    world.connector.gate.clear()
    searches = [
        asyncio.ensure_future(
            world.channel.search(world.call("start"), Search(type=APPOINTMENT, order="start", limit=5))
        )
        for _ in range(3)
    ]
    await settle()
    world.connector.gate.set()
    assert len({page.hits for page in await asyncio.gather(*searches)}) == 1
    assert len(world.connector.calls) == 1


@pytest.mark.parametrize("other", [{"attributes": ("language",)}, {"attributes": ("birth_date", "language")}])
async def test_who_wants_other_attributes_asks_by_themselves(other: dict[str, tuple[str, ...]]) -> None:
    world = World()
    world.connector.gate.clear()
    one, another = ask(world, "p0", attributes=("birth_date",)), ask(world, "p0", **other)
    await settle()
    world.connector.gate.set()
    (mine,), (theirs,) = (await one)["p0"], (await another)["p0"]
    assert len(world.connector.calls) == 2
    assert getattr(mine, "language", None) is None
    assert getattr(theirs, "language", None) == "en"


async def test_what_was_answered_is_asked_again() -> None:
    world = World()
    await ask(world, "p0")
    await ask(world, "p0")
    assert len(world.connector.calls) == 2


async def test_one_who_gives_up_takes_nobody_with_them() -> None:
    world = World()
    world.connector.gate.clear()
    first, second, third = ask(world, "p0"), ask(world, "p0"), ask(world, "p0")
    await settle()
    first.cancel()
    second.cancel()
    await settle()
    world.connector.gate.set()
    assert [record.id.value for record in (await third)["p0"]] == ["p0"]
    assert len(world.connector.calls) == 2
    for gone in (first, second):
        with pytest.raises(asyncio.CancelledError):
            await gone


async def test_one_who_only_waited_and_gives_up_costs_the_one_who_asks_nothing() -> None:
    world = World()
    world.connector.gate.clear()
    first, second = ask(world, "p0"), ask(world, "p0")
    await settle()
    second.cancel()
    await settle()
    world.connector.gate.set()
    assert [record.id.value for record in (await first)["p0"]] == ["p0"]
    assert len(world.connector.calls) == 1


async def test_one_who_has_no_time_left_costs_the_others_no_more_than_asking_anew() -> None:
    world = World()
    world.connector.gate.clear()
    hurried, patient = ask(world, "p0", seconds=0.01), ask(world, "p0")
    with pytest.raises(SourceTimeout):
        await hurried
    await settle()
    world.connector.gate.set()
    assert [record.id.value for record in (await patient)["p0"]] == ["p0"]
    assert len(world.connector.calls) == 2


async def test_one_who_waits_does_so_within_their_own_deadline() -> None:
    world = World()
    world.connector.gate.clear()
    patient, hurried = ask(world, "p0"), ask(world, "p0", seconds=0.01)
    with pytest.raises(SourceTimeout):
        await hurried
    world.connector.gate.set()
    assert (await patient)["p0"]
    assert len(world.connector.calls) == 1


@pytest.mark.parametrize("fault", [SourceUnavailable(SOURCE), SourceInvalid(SOURCE)])
async def test_a_failure_of_the_source_is_everybodys(fault: SourceError) -> None:
    world = World()
    world.connector.fault = fault
    world.connector.gate.clear()
    askers = [ask(world, "p0") for _ in range(4)]
    await settle()
    world.connector.gate.set()
    answers = await asyncio.gather(*askers, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(fault)] * 4
    assert len(world.connector.calls) == 1
    assert {report.status for report in world.reports} == {
        CallStatus.INVALID if isinstance(fault, SourceInvalid) else CallStatus.UNAVAILABLE
    }


async def test_no_time_for_the_rate_limit_is_nobody_elses_failure() -> None:
    world = World(config=ChannelConfig(requests_per_second=1, burst=1, timeout_seconds=5, concurrency_limit=1))
    world.connector.gate.clear()
    first = ask(world, "p1")  # takes the token, and stands in line before the others
    await settle()
    hurried, patient = ask(world, "p0", seconds=0.5), ask(world, "p0", seconds=10)
    await settle()
    world.connector.gate.set()
    await first
    with pytest.raises(SourceUnavailable):
        await hurried
    assert [record.id.value for record in (await patient)["p0"]] == ["p0"]


async def test_those_who_go_away_do_not_starve_whoever_stays() -> None:
    world = World(config=ChannelConfig(concurrency_limit=50))
    world.connector.gate.clear()
    gone = [ask(world, "p0") for _ in range(20)]
    await settle()
    stays = ask(world, "p0")
    await settle()
    for one in gone:
        one.cancel()
        await settle()
    world.connector.gate.set()
    await stays
    assert world.connector.calls[-1][2] == ("p0",)
    assert world.clock.slept == []
    assert sum(report.calls for report in world.reports) <= 2


async def test_who_asks_anew_in_vain_tells_the_breaker() -> None:
    world = World(config=ChannelConfig(timeout_seconds=0.3, failure_limit=1))
    world.connector.gate.clear()
    channel = Channel(world.connector, world.config)  # by the clock on the wall

    def call(seconds: float) -> CallContext:
        return replace(world.call(), deadline=time.monotonic() + seconds)

    hurried = asyncio.ensure_future(channel.find(call(0.05), PATIENT, By.ID, ["p0"]))
    await settle()
    patient = asyncio.ensure_future(channel.find(call(10), PATIENT, By.ID, ["p0"]))
    for one in (hurried, patient):
        with pytest.raises(SourceTimeout):
            await one
    assert channel.stats.breaker is BreakerState.OPEN
