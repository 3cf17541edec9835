"""The dispatcher takes what is due, comes back for what was not acknowledged, and loses nothing to a bad day."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from portico.alerts.dispatcher import Attempt, Dispatcher, DispatcherConfig
from portico.alerts.receiver import Receiver
from portico.alerts.webhook import NotDelivered
from portico.records.errors import StoreUnavailable
from portico.records.references import Tenant
from portico.store.alerts import Alert, AlertId
from portico.store.memory_emergency import MemoryAlerts

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
RECEIVER = Receiver(url="https://alerts.example.org", key=bytes(32))
CONFIG = DispatcherConfig(poll_seconds=0.001, lease_seconds=10, first_pause_seconds=1, longest_pause_seconds=60)


@dataclass
class Post:
    """A delivery that notes what it delivers, and fails as often as it is told to."""

    fails: int = 0
    delivered: list[str] = field(default_factory=list)

    async def deliver(self, alert: Alert, receiver: Receiver) -> None:
        assert receiver is RECEIVER
        if self.fails:
            self.fails -= 1
            raise NotDelivered("status_500")
        self.delivered.append(alert.body)

    async def aclose(self) -> None:
        """Nothing is open."""


class World:
    """Alerts on a clock of the test's own."""

    def __init__(self, *, fails: int = 0) -> None:
        self.now = datetime(2026, 3, 1, tzinfo=UTC)
        self.alerts = MemoryAlerts(lambda: self.now)
        self.post = Post(fails)
        self.attempts: list[Attempt] = []
        self.faults: list[Exception] = []
        self.dispatcher = Dispatcher(
            self.alerts,
            {RIVERBEND: RECEIVER},
            self.post,
            config=CONFIG,
            on_attempt=self.attempts.append,
            on_fault=self.faults.append,
        )

    def put(self, name: str, tenant: Tenant = RIVERBEND) -> None:
        self.alerts.put(tenant, AlertId(name), f"body of {name}")

    async def rounds(self, seconds: float, step: float = 0.5) -> None:
        for _ in range(int(seconds / step)):
            await self.dispatcher.round()
            self.now += timedelta(seconds=step)


async def test_an_alert_is_delivered_in_the_first_round_and_never_again() -> None:
    world = World()
    world.put("a")
    await world.rounds(60)

    assert world.post.delivered == ["body of a"]
    assert world.attempts == [Attempt(tenant=RIVERBEND, alert="a", attempts=1, reason=None)]
    assert await world.alerts.waiting([RIVERBEND]) == 0


async def test_pauses_double_up_to_a_bound_and_never_end() -> None:
    world = World(fails=10**6)
    world.put("a")
    moments: list[datetime] = []
    for _ in range(2 * 600):
        before = len(world.attempts)
        await world.dispatcher.round()
        moments += [world.now] * (len(world.attempts) - before)
        world.now += timedelta(seconds=0.5)

    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(moments)]
    assert pauses[:7] == [1, 2, 4, 8, 16, 32, 60]
    assert set(pauses[7:]) == {60}
    assert {attempt.reason for attempt in world.attempts} == {"status_500"}


async def test_what_was_not_acknowledged_is_delivered_later() -> None:
    world = World(fails=3)
    world.put("a")
    await world.rounds(10)

    assert world.post.delivered == ["body of a"]
    assert [attempt.reason for attempt in world.attempts] == ["status_500"] * 3 + [None]


async def test_a_tenant_without_a_receiver_keeps_its_alerts() -> None:
    world = World()
    world.put("a", HARBOR)
    await world.rounds(5)

    assert world.post.delivered == []
    assert await world.alerts.waiting([HARBOR]) == 1


async def test_one_receivers_trouble_is_not_anothers() -> None:
    world = World(fails=1)
    world.put("a")
    world.put("b")
    await world.dispatcher.round()

    assert len(world.post.delivered) == 1
    assert await world.alerts.waiting([RIVERBEND]) == 1


class Broken(MemoryAlerts):
    """Alerts that can't be reached a few times."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures = [*failures]

    async def take(self, tenants: Collection[Tenant], *, limit: int, lease_seconds: float) -> Sequence[Alert]:
        if self.failures:
            raise self.failures.pop(0)
        return await super().take(tenants, limit=limit, lease_seconds=lease_seconds)


@pytest.mark.parametrize("failure", [StoreUnavailable(), RuntimeError("a bug")])
async def test_neither_an_absent_database_nor_a_bug_ends_the_work(failure: Exception) -> None:
    alerts, post, faults = Broken(failure, failure), Post(), list[Exception]()
    alerts.put(RIVERBEND, AlertId("a"), "body of a")
    done = asyncio.Event()
    dispatcher = Dispatcher(
        alerts, {RIVERBEND: RECEIVER}, post, config=CONFIG,
        on_attempt=lambda _: done.set(), on_fault=faults.append,
    )  # fmt: skip
    running = asyncio.create_task(dispatcher.run())
    await asyncio.wait_for(done.wait(), 5)
    running.cancel()
    await asyncio.wait([running])

    assert post.delivered == ["body of a"]
    assert faults == ([] if isinstance(failure, StoreUnavailable) else [failure, failure])
