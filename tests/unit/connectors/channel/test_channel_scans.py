"""Scans, of people and relations, consents and sensitive visits, go through the channel as they are."""

from __future__ import annotations

import time

import pytest

from connectors.channel import CallReport, CallStatus, Channel, ChannelConfig
from connectors.memory import MemoryConnector, UnrulyConnector
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.context import CallContext
from portico.records.errors import SourceUnavailable
from portico.records.people import SensitiveVisit
from portico.records.references import SourceName, Tenant
from tests.unit.connectors.channel.world import SOURCE, World

EHR = SourceName("ehr")
CONSENT = Consent(source=EHR, source_id="e1", consent_id="c1", provision=Provision(kind=ConsentKind.DENY))
VISIT = SensitiveVisit(source=EHR, source_id="e1", visit="v-1", labels=frozenset({"PSY"}))


def call() -> CallContext:
    return CallContext(tenant=Tenant("riverbend"), trace_id="t", deadline=time.monotonic() + 5, attributes=frozenset())


async def test_consents_and_sensitive_visits_stream_through_with_one_report_each() -> None:
    reports: list[CallReport] = []
    memory = MemoryConnector(EHR, consents=[CONSENT], sensitive_visits=[VISIT])
    channel = Channel(memory, ChannelConfig(), on_call=reports.append)

    assert [one async for one in channel.consents(call())] == [CONSENT]
    assert [one async for one in channel.sensitive_visits(call())] == [VISIT]
    assert [(report.calls, report.status) for report in reports] == [(1, CallStatus.OK)] * 2


async def test_a_source_without_consents_tells_none() -> None:
    channel = Channel(MemoryConnector(EHR), ChannelConfig())

    assert [one async for one in channel.consents(call())] == []
    assert [one async for one in channel.sensitive_visits(call())] == []


@pytest.mark.parametrize("scan", ["consents", "sensitive_visits"])
async def test_a_scan_that_fails_half_way_raises(scan: str) -> None:
    unruly = UnrulyConnector(MemoryConnector(EHR, consents=[CONSENT] * 2, sensitive_visits=[VISIT] * 2))
    channel = Channel(unruly, ChannelConfig())
    items = aiter(getattr(channel, scan)(call()))

    assert await anext(items) in (CONSENT, VISIT)
    unruly.fault = SourceUnavailable(EHR)
    with pytest.raises(SourceUnavailable):
        await anext(items)


async def test_people_and_relations_stream_through_with_one_report_each() -> None:
    world = World(ChannelConfig(timeout_seconds=0.001))
    people = [person.source_id async for person in world.channel.people(world.call())]
    relations = [relation.party async for relation in world.channel.relations(world.call())]
    assert people == ["p0", "p1", "p2", "p3", "p4"]
    assert relations == ["1000000012"]
    assert [(report.calls, report.status) for report in world.reports] == [(1, CallStatus.OK)] * 2


async def test_a_scan_that_breaks_off_says_so() -> None:
    world = World()
    people = world.channel.people(world.call())
    await anext(people)
    world.connector.fault = SourceUnavailable(SOURCE)
    with pytest.raises(SourceUnavailable):
        await anext(people)
    assert world.reports[0].status is CallStatus.UNAVAILABLE
    assert world.channel.stats.under_way == 0


async def test_a_scan_may_pause_between_items_without_holding_a_place_in_line() -> None:
    world = World(ChannelConfig(concurrency_limit=1))
    people = world.channel.people(world.call())
    await anext(people)
    await world.channel.ping(world.call())
    assert len([person async for person in people]) == 4
