"""The channel: chunks, grouping, scrutiny, limits and reports."""

from __future__ import annotations

import asyncio

import pytest

from connectors.breaker import BreakerState
from connectors.channel import CallStatus, ChannelConfig
from portico.records.errors import SourceInvalid, SourceTimeout, SourceUnavailable, UnsupportedPredicate
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Condition, Hit, Op, Page, Search
from tests.changed import replace
from tests.unit.connectors.channel.world import SOURCE, World, appointment, patient

PATIENT, APPOINTMENT = RecordType.PATIENT, RecordType.APPOINTMENT
STARTS = Search(type=APPOINTMENT, order="start", limit=5)


# -- find: chunks and groups


async def test_records_come_grouped_by_key_with_unknown_keys_empty() -> None:
    world = World()
    found = await world.channel.find(world.call(), APPOINTMENT, By.PATIENT, ["p0", "nobody", "p1"])
    assert {key: [record.id.value for record in records] for key, records in found.items()} == {
        "p0": ["a0", "a5", "a10"],
        "nobody": [],
        "p1": ["a1", "a6", "a11"],
    }


async def test_keys_are_asked_once_each_in_chunks_of_the_batch_limit() -> None:
    world = World()
    await world.channel.find(world.call(), PATIENT, By.ID, ["p0", "p1", "p0", "p2", "p1", "p3", "p4"])
    assert sorted(keys for _, _, keys in world.connector.calls) == [("p0", "p1"), ("p2", "p3"), ("p4",)]


async def test_no_keys_are_no_call_and_no_report() -> None:
    world = World()
    assert await world.channel.find(world.call(), PATIENT, By.ID, []) == {}
    assert not world.connector.calls
    assert not world.reports


@pytest.mark.parametrize(
    ("type_", "by", "key", "attribute"),
    [
        (APPOINTMENT, By.VISIT, "V-3", "visit"),
        (RecordType.PRACTITIONER, By.NPI, "1000000012", "npi"),
        (RecordType.LOCATION, By.SITE, "ALD-1", "site"),
    ],
)
async def test_the_attribute_behind_a_key_is_fetched_unasked(
    type_: RecordType, by: By, key: str, attribute: str
) -> None:
    world = World()
    found = await world.channel.find(world.call("start"), type_, by, [key])
    assert len(found[key]) == 1
    assert world.connector.calls[0][0].attributes == {"start", attribute}


async def test_a_key_on_every_record_adds_nothing_to_what_is_asked() -> None:
    world = World()
    await world.channel.find(world.call("start"), APPOINTMENT, By.PATIENT, ["p0"])
    assert world.connector.calls[0][0].attributes == {"start"}


async def test_an_undeclared_key_is_the_callers_bug_and_no_failure_of_the_source() -> None:
    world = World(ChannelConfig(failure_limit=1))
    with pytest.raises(UnsupportedPredicate):
        await world.channel.find(world.call(), PATIENT, By.MEMBER, ["m"])
    assert world.channel.stats.breaker is BreakerState.CLOSED


# -- scrutiny


@pytest.mark.parametrize(
    "lie",
    [
        [patient("p2")],
        [patient("p1"), patient("p2")],
        [patient("p1"), patient("p1")],
        [appointment("p1", "p1")],
        [replace(patient("p1"), id=replace(patient("p1").id, source=SourceName("elsewhere")))],
        [replace(patient("p1"), id=replace(patient("p1").id, type=APPOINTMENT))],
    ],
    ids=["someone else", "someone more", "twice", "another type", "another source", "another type's id"],
)
async def test_an_answer_about_something_else_is_invalid_as_a_whole(lie: list[object]) -> None:
    world = World()
    world.connector.twist = lambda _records: lie  # type: ignore[assignment,return-value]
    with pytest.raises(SourceInvalid) as caught:
        await world.channel.find(world.call(), PATIENT, By.ID, ["p1"])
    assert caught.value.source == SOURCE
    assert "p1" not in str(caught.value)
    assert "p2" not in str(caught.value)


async def test_appointments_of_another_patient_are_invalid() -> None:
    world = World()
    world.connector.twist = lambda records: [replace(record, subject="p2") for record in records]
    with pytest.raises(SourceInvalid):
        await world.channel.find(world.call(), APPOINTMENT, By.PATIENT, ["p1"])


async def test_a_record_of_another_chunk_is_invalid() -> None:
    world = World()
    world.connector.twist = lambda _records: [patient("p0")]
    with pytest.raises(SourceInvalid):
        await world.channel.find(world.call(), PATIENT, By.ID, ["p0", "p1", "p2", "p3"])


async def test_a_record_without_the_key_is_invalid_even_for_the_empty_key() -> None:
    world = World()
    world.connector.twist = lambda _records: [appointment("a0", "p0", visit=None)]
    with pytest.raises(SourceInvalid):
        await world.channel.find(world.call(), APPOINTMENT, By.VISIT, ["", "V-1"])


async def test_a_found_page_is_passed_on() -> None:
    world = World()
    page = await world.channel.search(world.call(), STARTS)
    assert len(page.hits) == 5
    assert page.more


@pytest.mark.parametrize(
    "lie",
    [
        Page((Hit(appointment("a9", "p4"), "1"),), more=False),
        Page((Hit(appointment("a1", "p1"), "1"), Hit(appointment("a1", "p1"), "2")), more=False),
        Page((Hit(patient("p1"), "1"),), more=False),
        Page(tuple(Hit(appointment(f"a{n}", "p1"), str(n)) for n in range(6)), more=False),
        Page((), more=True),
    ],
    ids=["someone else", "twice", "another type", "too many", "empty but more"],
)
async def test_a_page_that_does_not_fit_its_search_is_invalid(lie: Page) -> None:
    world = World()
    world.connector.twist_page = lambda _page: lie
    search = replace(STARTS, where=(Condition("patient", Op.IN, ("p1", "p4")), Condition("patient", Op.IN, ("p1",))))
    with pytest.raises(SourceInvalid):
        await world.channel.search(world.call(), search)


# -- time and line


async def test_a_source_gets_its_own_time_or_what_is_left_of_the_callers() -> None:
    world = World(ChannelConfig(timeout_seconds=5))
    await world.channel.find(world.call(seconds=60), PATIENT, By.ID, ["p1"])
    await world.channel.find(world.call(seconds=2), PATIENT, By.ID, ["p1"])
    await world.channel.search(world.call(seconds=60), STARTS)
    await world.channel.ping(world.call(seconds=2))
    given = [call.deadline - world.clock() for call, _, _ in world.connector.calls]
    assert given == [5, 2, 5, 2]


async def test_a_connector_that_hangs_is_timed_out_and_cancelled() -> None:
    world = World(ChannelConfig(timeout_seconds=0.02))
    world.connector.gate.clear()
    with pytest.raises(SourceTimeout) as caught:
        await world.channel.find(world.call(), PATIENT, By.ID, ["p1"])
    assert caught.value.source == SOURCE
    assert world.connector.under_way == 0


async def test_a_passed_deadline_asks_nothing() -> None:
    world = World()
    with pytest.raises(SourceTimeout):
        await world.channel.find(world.call(seconds=0), PATIENT, By.ID, ["p1"])
    assert not world.connector.calls
    assert world.reports[0].calls == 0


async def test_no_more_requests_are_under_way_than_the_limit() -> None:
    world = World(ChannelConfig(concurrency_limit=3), batch_limit=1)
    world.connector.gate.clear()
    asking = asyncio.create_task(world.channel.find(world.call(), PATIENT, By.ID, [f"p{n}" for n in range(20)]))
    for _ in range(10):
        await asyncio.sleep(0)
    assert world.connector.under_way == 3
    world.connector.gate.set()
    await asking
    assert len(world.connector.calls) == 20
    assert world.connector.most_under_way == 3


async def test_waiting_in_line_ends_at_the_deadline_and_says_nothing_about_the_source() -> None:
    world = World(ChannelConfig(concurrency_limit=1, failure_limit=1))
    world.connector.gate.clear()
    first = asyncio.create_task(world.channel.find(world.call(), PATIENT, By.ID, ["p1"]))
    await asyncio.sleep(0)
    with pytest.raises(SourceTimeout):
        await world.channel.find(world.call(seconds=0.02), PATIENT, By.ID, ["p2"])
    world.connector.gate.set()
    assert len((await first)["p1"]) == 1
    assert world.channel.stats.breaker is BreakerState.CLOSED
    assert [keys for _, _, keys in world.connector.calls] == [("p1",)]


async def test_one_failing_chunk_ends_the_others_and_is_raised_as_it_is() -> None:
    world = World(batch_limit=1)
    world.connector.fault = SourceUnavailable(SOURCE)
    with pytest.raises(SourceUnavailable):
        await world.channel.find(world.call(), PATIENT, By.ID, ["p1", "p2", "p3"])
    assert world.channel.stats.under_way == world.connector.under_way == 0


async def test_a_cancelled_caller_leaves_nothing_under_way() -> None:
    world = World(ChannelConfig(concurrency_limit=1), batch_limit=1)
    world.connector.gate.clear()
    asking = asyncio.create_task(world.channel.find(world.call(), PATIENT, By.ID, ["p1", "p2"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert world.channel.stats.under_way == world.connector.under_way == 0
    world.connector.gate.set()
    assert len((await world.channel.find(world.call(), PATIENT, By.ID, ["p3"]))["p3"]) == 1


# -- the token bucket


async def test_requests_beyond_the_burst_wait_for_their_token() -> None:
    world = World(ChannelConfig(requests_per_second=10, burst=2), batch_limit=1)
    for number in range(4):
        await world.channel.find(world.call(), PATIENT, By.ID, [f"p{number}"])
    assert world.clock.slept == pytest.approx([0.1, 0.1])


async def test_a_wait_beyond_the_deadline_is_refused_at_once_and_asks_nothing() -> None:
    world = World(ChannelConfig(requests_per_second=0.1, burst=1))
    await world.channel.ping(world.call())
    with pytest.raises(SourceUnavailable):
        await world.channel.ping(world.call())
    assert len(world.connector.calls) == 1
    assert not world.clock.slept
    assert world.channel.stats.breaker is BreakerState.CLOSED


# -- the circuit breaker


async def _fail(world: World, fault: Exception, times: int) -> None:
    world.connector.fault = fault
    for _ in range(times):
        with pytest.raises((SourceUnavailable, SourceTimeout, SourceInvalid)):
            await world.channel.ping(world.call())
    world.connector.fault = None


@pytest.mark.parametrize("fault", [SourceUnavailable(SOURCE), SourceTimeout(SOURCE)])
async def test_a_source_that_keeps_failing_is_left_alone_and_then_tried_once(fault: Exception) -> None:
    world = World(ChannelConfig(failure_limit=3, cool_down_seconds=10))
    await _fail(world, fault, times=3)
    with pytest.raises(SourceUnavailable):
        await world.channel.ping(world.call())
    assert len(world.connector.calls) == 3
    assert world.channel.stats.breaker == "open"
    world.clock.seconds += 10
    await world.channel.ping(world.call())
    assert world.channel.stats.breaker == "closed"


async def test_invalid_answers_and_bugs_do_not_open_the_breaker() -> None:
    world = World(ChannelConfig(failure_limit=2))
    await _fail(world, SourceInvalid(SOURCE), times=5)
    await _fail(world, KeyError("a connector's bug"), times=5)
    await world.channel.ping(world.call())
    assert world.channel.stats.breaker is BreakerState.CLOSED


async def test_a_caller_in_a_hurry_proves_nothing_about_the_source() -> None:
    world = World(ChannelConfig(failure_limit=1, timeout_seconds=5))
    world.connector.gate.clear()
    with pytest.raises(SourceTimeout):
        await world.channel.ping(world.call(seconds=0.02))
    assert world.channel.stats.breaker is BreakerState.CLOSED


async def test_only_one_probe_goes_to_a_source_that_may_have_recovered() -> None:
    world = World(ChannelConfig(failure_limit=1, cool_down_seconds=10))
    await _fail(world, SourceUnavailable(SOURCE), times=1)
    world.clock.seconds += 10
    world.connector.gate.clear()
    probe = asyncio.create_task(world.channel.ping(world.call()))
    await asyncio.sleep(0)
    with pytest.raises(SourceUnavailable):
        await world.channel.ping(world.call())
    world.connector.gate.set()
    await probe
    assert len(world.connector.calls) == 2


async def test_a_cancelled_probe_lets_the_next_one_try() -> None:
    world = World(ChannelConfig(failure_limit=1, cool_down_seconds=10))
    await _fail(world, SourceUnavailable(SOURCE), times=1)
    world.clock.seconds += 10
    world.connector.gate.clear()
    probe = asyncio.create_task(world.channel.ping(world.call()))
    await asyncio.sleep(0)
    probe.cancel()
    with pytest.raises(asyncio.CancelledError):
        await probe
    world.connector.gate.set()
    await world.channel.ping(world.call())
    assert world.channel.stats.breaker is BreakerState.CLOSED


async def test_an_error_that_a_connector_let_through_is_invalid_and_keeps_its_cause() -> None:
    world = World()
    world.connector.fault = KeyError("birthDate")
    with pytest.raises(SourceInvalid) as caught:
        await world.channel.find(world.call(), PATIENT, By.ID, ["p1"])
    assert isinstance(caught.value.__cause__, KeyError)
    assert "birthDate" not in str(caught.value)


# -- reports, the end


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (None, CallStatus.OK),
        (SourceUnavailable(SOURCE), CallStatus.UNAVAILABLE),
        (SourceTimeout(SOURCE), CallStatus.TIMEOUT),
        (SourceInvalid(SOURCE), CallStatus.INVALID),
    ],
)
async def test_each_operation_is_reported_with_its_requests_and_its_end(
    fault: Exception | None, status: CallStatus
) -> None:
    world = World(batch_limit=5)
    world.connector.fault = fault
    asking = world.channel.find(world.call(), PATIENT, By.ID, ["p1", "p2"])
    if fault is None:
        await asking
    else:
        with pytest.raises(type(fault)):
            await asking
    (report,) = world.reports
    assert (report.source, report.trace_id, report.calls, report.status) == (SOURCE, "trace-1", 1, status)


async def test_a_find_in_chunks_is_one_report_with_all_its_requests() -> None:
    world = World()
    await world.channel.find(world.call(), PATIENT, By.ID, [f"p{n}" for n in range(5)])
    assert [report.calls for report in world.reports] == [3]


async def test_time_in_line_and_for_tokens_counts_in_the_report() -> None:
    world = World(ChannelConfig(requests_per_second=2, burst=1))
    await world.channel.ping(world.call())
    await world.channel.ping(world.call())
    assert [report.milliseconds for report in world.reports] == pytest.approx([0, 500])


async def test_stats_count_calls_and_failures() -> None:
    world = World()
    await world.channel.find(world.call(), PATIENT, By.ID, [f"p{n}" for n in range(5)])
    await _fail(world, SourceUnavailable(SOURCE), times=2)
    stats = world.channel.stats
    assert (stats.calls, stats.failures, stats.under_way, stats.breaker) == (5, 2, 0, BreakerState.CLOSED)


async def test_the_channel_speaks_for_its_connector_and_closes_it() -> None:
    world = World()
    assert world.channel.source == SOURCE
    assert world.channel.keys == world.connector.keys
    assert world.channel.searches == world.connector.searches
    await world.channel.aclose()
    assert world.connector.closed == 1
