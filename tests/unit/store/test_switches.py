"""Switches: one suite over both implementations. A turn and its audit row are one."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.memory import MemoryTrail
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import AuditTrail
from portico.records.errors import StoreUnavailable
from portico.records.references import Tenant
from portico.records.switches import NOTHING_OFF, Off, Switchable, SwitchKind
from portico.store.database import Database, DatabaseConfig
from portico.store.memory_switches import MemorySwitches
from portico.store.postgres_switches import PostgresSwitches
from portico.store.switches import Switch, Switches

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=5)
BILLING = Switchable(RIVERBEND, SwitchKind.SOURCE, "billing")
EVERYTHING = (
    BILLING,
    Switchable(RIVERBEND, SwitchKind.FIELD, "Patient.ssn"),
    Switchable(RIVERBEND, SwitchKind.SUBJECT, "usr-1"),
    Switchable(RIVERBEND, SwitchKind.CLIENT, "portal"),
    Switchable(HARBOR, SwitchKind.TENANT, "harbor"),
)


@dataclass
class World:
    """The store under test, and the trail that it writes into."""

    switches: Switches[AuditEntry]
    trail: AuditTrail
    break_trail: Callable[[], Awaitable[None]]

    async def off(self, thing: Switchable = BILLING, at: datetime = NOON) -> bool:
        entry = _entry(thing, "switchOff", at)
        return await self.switches.turn_off(thing, by="ops", reason="wrong amounts", at=at, entry=entry)

    async def on(self, thing: Switchable = BILLING, at: datetime = LATER) -> bool:
        return await self.switches.turn_on(thing, by="ops-2", at=at, entry=_entry(thing, "switchOn", at))

    async def rows(self, tenant: Tenant = RIVERBEND) -> int:
        return {head.tenant: head.number for head in await self.trail.heads()}.get(tenant, 0)


def _entry(thing: Switchable, command: str, at: datetime) -> AuditEntry:
    return AuditEntry(
        tenant=thing.tenant,
        request_id=str(uuid.uuid4()),
        subject="ops",
        kind="person",
        roles=frozenset(),
        purpose="HOPERAT",
        client="portico switch",
        operation="0f" * 32,
        policy_revision="none",
        outcome=Outcome.DONE,
        at=at,
        command=command,
        target=str(thing),
    )


@pytest.fixture
def memory_world() -> World:
    trail = MemoryTrail()

    async def break_trail() -> None:
        trail.available = False

    return World(MemorySwitches(commit=trail.commit), trail, break_trail)


@pytest.fixture
async def postgres_world(store: Database, database: str) -> AsyncIterator[World]:
    async def break_trail() -> None:
        owner = await asyncpg.connect(database)
        await owner.execute("revoke execute on function portico.audit_append(text[]) from portico_app")
        await owner.close()

    trail = PostgresTrail(store, TrailConfig())
    yield World(PostgresSwitches(store), trail, break_trail)
    await trail.aclose()


@pytest.fixture(params=["memory", "postgres"])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(f"{request.param}_world")
    return found


async def test_nothing_is_off_before_something_is_turned_off(world: World) -> None:
    assert await world.switches.off() == {}


async def test_everything_that_is_off_is_told_by_its_tenant(world: World) -> None:
    for thing in EVERYTHING:
        assert await world.off(thing)

    assert await world.switches.off() == {
        RIVERBEND: Off(
            sources=frozenset({"billing"}),
            fields=frozenset({"Patient.ssn"}),
            subjects=frozenset({"usr-1"}),
            clients=frozenset({"portal"}),
        ),
        HARBOR: Off(tenant=True),
    }


async def test_what_is_turned_on_again_is_off_no_more_and_the_rest_still_is(world: World) -> None:
    for thing in EVERYTHING:
        await world.off(thing)
    assert await world.on(BILLING)

    off = await world.switches.off()
    assert off[RIVERBEND].sources == frozenset()
    assert off[RIVERBEND].fields == {"Patient.ssn"}
    assert off[HARBOR].tenant


async def test_a_turn_is_one_row_of_the_tenants_chain_and_no_turn_is_none(world: World) -> None:
    assert not await world.on()
    assert await world.off()
    assert not await world.off(at=LATER)
    assert await world.on()
    assert not await world.on(at=LATER + timedelta(minutes=1))

    assert (await world.rows(RIVERBEND), await world.rows(HARBOR)) == (2, 0)
    assert {report.flaw for report in await world.trail.verify()} == {None}


async def test_a_turn_that_cannot_be_recorded_is_none(world: World) -> None:
    await world.off(at=NOON)
    await world.break_trail()
    other = Switchable(RIVERBEND, SwitchKind.CLIENT, "portal")
    for attempt in (world.off(other), world.on()):
        with pytest.raises(Exception, match=r"recorded durably|permission denied"):
            await attempt

    assert await world.switches.off() == {RIVERBEND: Off(sources=frozenset({"billing"}))}


async def test_every_time_that_something_was_off_stays_on_the_record(world: World) -> None:
    await world.off(at=NOON)
    await world.on(at=LATER)
    await world.off(at=LATER + timedelta(minutes=1))

    first = Switch(thing=BILLING, off_at=NOON, off_by="ops", reason="wrong amounts", on_at=LATER, on_by="ops-2")
    again = Switch(thing=BILLING, off_at=LATER + timedelta(minutes=1), off_by="ops", reason="wrong amounts")
    assert await world.switches.history() == [again, first]


async def test_a_clock_that_is_behind_ends_it_all_the_same(world: World) -> None:
    await world.off(at=LATER)

    assert await world.on(at=NOON)
    assert await world.switches.off() == {}


async def test_of_many_who_turn_it_off_at_once_one_does(world: World) -> None:
    turns = await asyncio.gather(*(world.off(at=NOON + timedelta(seconds=number)) for number in range(8)))

    assert sum(turns) == 1
    assert await world.rows() == 1


@pytest.mark.parametrize(
    ("off", "stopped"),
    [
        (NOTHING_OFF, False),
        (Off(sources=frozenset({"usr-1"}), fields=frozenset({"portal"})), False),
        (Off(subjects=frozenset({"portal"}), clients=frozenset({"usr-1"})), False),
        (Off(tenant=True), True),
        (Off(subjects=frozenset({"usr-1"})), True),
        (Off(clients=frozenset({"portal"})), True),
    ],
)
def test_a_tenant_a_subject_and_a_client_stop_the_caller_and_nothing_else_does(off: Off, stopped: bool) -> None:
    assert off.stops(subject="usr-1", client="portal") is stopped


# -- Postgres


async def test_a_turn_made_again_because_its_answer_was_lost_is_the_same_turn(
    store: Database, postgres_world: World
) -> None:
    entries = [_entry(BILLING, "switchOff", NOON), _entry(BILLING, "switchOn", LATER)]
    switches = PostgresSwitches(store)
    for _ in range(2):
        assert await switches.turn_off(BILLING, by="ops", reason="why", at=NOON, entry=entries[0])
    for _ in range(2):
        assert await switches.turn_on(BILLING, by="ops", at=LATER, entry=entries[1])

    assert await postgres_world.rows() == 2
    assert len(await switches.history()) == 1


@pytest.mark.parametrize(
    "change",
    [
        "update portico.switch set on_at = null, on_by = null",
        "update portico.switch set on_by = 'nobody'",
        "update portico.switch set reason = 'none'",
        "delete from portico.switch",
        "truncate portico.switch",
    ],
)
async def test_the_application_changes_nothing_of_what_was_turned(
    store: Database, postgres_world: World, change: str
) -> None:
    await postgres_world.off()
    await postgres_world.on()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await store.fetch(change)


async def test_a_kind_that_this_version_does_not_know_is_no_usable_answer(postgres_world: World, database: str) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("alter table portico.switch drop constraint switch_kind_check")
    await owner.execute(
        "insert into portico.switch (tenant, kind, name, off_at, off_by, reason)"
        " values ('riverbend', 'moon', 'full', now(), 'ops', 'later')"
    )
    await owner.close()
    with pytest.raises(StoreUnavailable):
        await postgres_world.switches.off()


async def test_switches_that_may_not_be_read_are_no_usable_answer(postgres_world: World, database: str) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("revoke select on portico.switch from portico_app")
    await owner.close()
    with pytest.raises(StoreUnavailable):
        await postgres_world.switches.off()


async def test_a_database_that_is_away_is_no_usable_answer_in_time() -> None:
    away = await Database.open(DatabaseConfig(url="postgresql://portico_app@127.0.0.1:1/nowhere"))
    try:
        async with asyncio.timeout(4):
            with pytest.raises(StoreUnavailable):
                await PostgresSwitches(away).off()
    finally:
        await away.aclose()
