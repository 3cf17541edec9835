"""Alerts that wait: one suite over both implementations."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from portico.records.references import Tenant
from portico.store.alerts import Alert, AlertId, Alerts, PostgresAlerts
from portico.store.database import Database
from portico.store.memory_emergency import MemoryAlerts

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
Put = Callable[[Tenant, str], Awaitable[AlertId]]


@dataclass
class World:
    alerts: Alerts
    put: Put

    async def take(self, *tenants: Tenant, limit: int = 9, lease_seconds: float = 60) -> list[Alert]:
        return [*await self.alerts.take(tenants or (RIVERBEND,), limit=limit, lease_seconds=lease_seconds)]


@pytest.fixture
def memory_world() -> World:
    alerts = MemoryAlerts()

    async def put(tenant: Tenant, body: str) -> AlertId:
        id_ = AlertId(str(uuid4()))
        alerts.put(tenant, id_, body)
        return id_

    return World(alerts, put)


@pytest.fixture
def postgres_world(store: Database) -> World:
    async def put(tenant: Tenant, body: str) -> AlertId:
        id_ = AlertId(str(uuid4()))
        await store.fetch("insert into portico.alert (tenant, id, body) values ($1, $2::uuid, $3)", tenant, id_, body)
        return id_

    return World(PostgresAlerts(store), put)


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


async def test_an_alert_is_taken_once_in_the_time_of_its_lease(world: World) -> None:
    id_ = await world.put(RIVERBEND, "body")
    (alert,) = await world.take()

    assert (alert.tenant, alert.id, alert.body, alert.attempts) == (RIVERBEND, id_, "body", 1)
    assert await world.take() == []
    assert await world.alerts.waiting([RIVERBEND]) == 1


async def test_it_comes_back_when_the_lease_is_over(world: World) -> None:
    await world.put(RIVERBEND, "body")
    await world.take(lease_seconds=0)
    (again,) = await world.take()

    assert again.attempts == 2


async def test_it_comes_back_after_a_pause_and_not_before(world: World) -> None:
    await world.put(RIVERBEND, "body")
    (alert,) = await world.take()
    await world.alerts.postpone(alert, seconds=60)
    assert await world.take() == []
    await world.alerts.postpone(alert, seconds=0)

    assert [one.attempts for one in await world.take()] == [2]


async def test_an_acknowledged_alert_is_done_with(world: World) -> None:
    await world.put(RIVERBEND, "body")
    (alert,) = await world.take(lease_seconds=0)
    await world.alerts.acknowledge(alert)
    await world.alerts.acknowledge(alert)
    await world.alerts.postpone(alert, seconds=0)

    assert await world.take() == []
    assert await world.alerts.waiting([RIVERBEND]) == 0


async def test_only_the_named_tenants_alerts_are_taken(world: World) -> None:
    await world.put(HARBOR, "body")

    assert await world.take(RIVERBEND) == []
    assert len(await world.take(RIVERBEND, HARBOR)) == 1
    assert await world.alerts.waiting([RIVERBEND]) == 0


async def test_no_more_than_asked_for_are_taken(world: World) -> None:
    for number in range(5):
        await world.put(RIVERBEND, str(number))

    assert [len(await world.take(limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_whoever_takes_at_the_same_time_takes_others(store: Database, postgres_world: World) -> None:
    for number in range(30):
        await postgres_world.put(RIVERBEND, str(number))
    others = [PostgresAlerts(store) for _ in range(6)]
    taken = await asyncio.gather(*(one.take([RIVERBEND], limit=5, lease_seconds=60) for one in others))

    bodies = [alert.body for of_one in taken for alert in of_one]
    assert len(bodies) == len(set(bodies))
    rest = await postgres_world.take(limit=30)
    assert len(bodies) + len(rest) == 30
