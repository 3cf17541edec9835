"""What the watcher finds in a real audit chain, whom it slows, and that nothing is told twice or missed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest

from portico.alerts.watcher import Watcher
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.errors import StoreUnavailable
from portico.records.references import PatientId, Tenant
from portico.store.database import Database
from portico.store.postgres_switches import PostgresSwitches
from portico.store.watching import PostgresWatching, Tell, Volume

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA = PatientId(str(UUID(int=1)))
SCRAPER = "usr-scraper"
FEW = Volume(patients=5, window_seconds=600, brake_seconds=600, pace_seconds=60)


def _patients(first: int, count: int) -> frozenset[PatientId]:
    return frozenset(PatientId(str(UUID(int=number))) for number in range(first, first + count))


def _entry(subject: str = SCRAPER, **changes: object) -> AuditEntry:
    plain = AuditEntry(
        tenant=RIVERBEND, request_id=str(uuid4()), subject=subject, kind="person", roles=frozenset({"front-desk"}),
        purpose="HOPERAT", client="workstation", operation="0f" * 32, policy_revision="r",
        outcome=Outcome.RELEASED, at=datetime.now(UTC),
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # whichever field a test names


@dataclass
class World:
    """A chain, who watches it, and what came of it."""

    store: Database
    trail: PostgresTrail
    owner: asyncpg.Connection[asyncpg.Record]

    @property
    def watcher(self) -> Watcher:
        """One of a process of its own, with limits small enough for a test."""
        volumes = {RIVERBEND: FEW, HARBOR: FEW}
        return Watcher(PostgresWatching(self.store), volumes, lambda tenant, patient: f"{tenant}/{patient}")

    async def told(self, *, event: str | None = None) -> list[dict[str, object]]:
        rows = await self.store.fetch("select body from portico.alert order by created_at, id")
        bodies = [json.loads(row["body"]) for row in rows]
        return [body for body in bodies if event in (None, body["event"])]

    async def commit(self, *entries: AuditEntry) -> None:
        for entry in entries:
            await self.trail.commit(entry)

    async def slowed(self) -> set[str]:
        off = await PostgresSwitches(self.store).off()
        return set(off[RIVERBEND].slowed) if RIVERBEND in off else set()


@pytest.fixture
async def world(store: Database, database: str) -> AsyncIterator[World]:
    """The watcher has looked once, so that it begins before what a test writes."""
    trail, owner = PostgresTrail(store, TrailConfig()), await asyncpg.connect(database)
    found = World(store, trail, owner)
    await found.watcher.round()
    yield found
    await trail.aclose()
    await owner.close()


async def test_an_attempt_is_an_alert_of_ids_and_codes(world: World) -> None:
    tried = _entry(attempts=frozenset({ADA}))
    await world.commit(_entry(), tried)
    await world.watcher.round()

    (told,) = await world.told()
    assert told.pop("id")
    assert told.pop("at")
    assert told == {
        "event": "watched_patient.attempted",
        "tenant": "riverbend",
        "patient": f"riverbend/{ADA}",
        "subject": SCRAPER,
        "roles": ["front-desk"],
        "client": "workstation",
        "purpose": "HOPERAT",
        "request": tried.request_id,
    }
    assert await world.slowed() == set()


async def test_the_same_attempt_again_is_told_once_and_others_are_told_too(world: World) -> None:
    for _ in range(3):
        await world.commit(_entry(attempts=frozenset({ADA})))
        await world.watcher.round()
    await world.commit(_entry("usr-other", attempts=frozenset({ADA})), _entry(attempts=_patients(2, 2)))
    await world.watcher.round()

    about = {(one["subject"], one["patient"]) for one in await world.told()}
    assert len(about) == len(await world.told()) == 4


async def test_more_patients_than_usual_are_an_alert_and_a_brake(world: World) -> None:
    for first in (1, 3, 5):
        await world.commit(_entry(patients=_patients(first, 2)))
    await world.watcher.round()

    (told,) = await world.told()
    assert (told["event"], told["subject"], told["patients"]) == ("volume.exceeded", SCRAPER, 6)
    assert told["until"]
    assert not {"patient", "released"} & told.keys()
    assert await world.slowed() == {SCRAPER}


@pytest.mark.parametrize(
    "entries",
    [
        [_entry(patients=_patients(1, 5))],
        [_entry(patients=_patients(1, 5)) for _ in range(9)],
        [_entry(patients=_patients(1, 3)), _entry("usr-other", patients=_patients(4, 3))],
        [_entry(patients=_patients(1, 5)), _entry(patients=_patients(6, 1), outcome=Outcome.REFUSED)],
        [_entry(patients=_patients(1, 5)), _entry(attempts=_patients(6, 1))],
        [_entry(patients=_patients(1, 5)), _entry(patients=_patients(6, 1), tenant=HARBOR)],
    ],
    ids=["as many", "the same again", "two subjects", "what was refused", "an attempt", "two tenants"],
)
async def test_what_is_usual_is_no_excess(world: World, entries: Sequence[AuditEntry]) -> None:
    await world.commit(*entries)
    await world.watcher.round()

    assert await world.told(event="volume.exceeded") == []
    assert await world.slowed() == set()


async def test_only_what_was_told_within_the_window_counts(world: World) -> None:
    await world.commit(_entry(patients=_patients(1, 5)))
    await world.watcher.round()
    short = Volume(patients=5, window_seconds=0.000001)
    await world.commit(_entry(patients=_patients(6, 5)))
    tell: Tell = world.watcher.tell

    assert await PostgresWatching(world.store).look(RIVERBEND, short, tell=tell) == 1
    assert await world.told() == []


async def test_without_a_brake_an_excess_is_told_and_nobody_is_slowed(world: World) -> None:
    mild = replace(FEW, brake_seconds=0)
    for first in (1, 20):
        await world.commit(_entry(patients=_patients(first, 6)))
        await PostgresWatching(world.store).look(RIVERBEND, mild, tell=world.watcher.tell)

    (told,) = await world.told()
    assert told["until"] is None
    assert await world.slowed() == set()


async def test_what_was_written_before_anybody_watched_is_not_told(store: Database, database: str) -> None:
    trail = PostgresTrail(store, TrailConfig())
    owner = await asyncpg.connect(database)
    world = World(store, trail, owner)
    await world.commit(_entry(attempts=frozenset({ADA})))
    await world.watcher.round()
    await world.commit(_entry(attempts=_patients(2, 1)))
    await world.watcher.round()

    assert len(await world.told()) == 1
    await trail.aclose()
    await owner.close()


async def test_many_watchers_at_once_tell_everything_once(world: World) -> None:
    await world.commit(*(_entry(f"usr-{number}", attempts=frozenset({ADA})) for number in range(20)))
    await asyncio.gather(*(world.watcher.round() for _ in range(6)))

    assert len(await world.told()) == 20


async def test_a_watcher_that_dies_in_between_leaves_it_all_to_the_next(world: World) -> None:
    await world.commit(_entry(attempts=frozenset({ADA})), _entry(patients=_patients(1, 6)))

    def fall(_: object) -> tuple[object, str]:
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        await PostgresWatching(world.store).look(RIVERBEND, FEW, tell=fall)  # type: ignore[arg-type]  # it gives nothing
    assert (await world.told(), await world.slowed()) == ([], set())
    await world.watcher.round()
    assert {one["event"] for one in await world.told()} == {"watched_patient.attempted", "volume.exceeded"}


# -- brakes


async def _brake(world: World, *, until: str, pace_seconds: float, admitted: str = "now()") -> None:
    await world.owner.execute(
        "insert into portico.brake (tenant, subject, until, pace_seconds, admitted_at)"  # noqa: S608  the test's words
        f" values ('riverbend', '{SCRAPER}', {until}, {pace_seconds}, {admitted})"
    )


async def test_a_slowed_subject_is_admitted_once_in_the_pace_whatever_process_it_comes_to(world: World) -> None:
    await _brake(world, until="now() + interval '10 minutes'", pace_seconds=60, admitted="now() - interval '1 minute'")
    waits = await asyncio.gather(*(PostgresSwitches(world.store).admit(RIVERBEND, SCRAPER) for _ in range(6)))

    first, *others = sorted(waits)
    assert first == 0.0
    assert all(50 < wait <= 60 for wait in others)
    assert await PostgresSwitches(world.store).admit(HARBOR, SCRAPER) == 0.0


async def test_a_brake_ends(world: World) -> None:
    await _brake(world, until="now() + interval '3 seconds'", pace_seconds=60)
    assert 0 < await PostgresSwitches(world.store).admit(RIVERBEND, SCRAPER) <= 3
    await world.owner.execute("update portico.brake set until = now() - interval '1 second'")

    assert await PostgresSwitches(world.store).admit(RIVERBEND, SCRAPER) == 0.0
    assert await world.slowed() == set()


@pytest.mark.parametrize("change", ["update portico.brake set until = now()", "delete from portico.brake"])
async def test_the_application_takes_no_brake_off(world: World, change: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await world.store.fetch(change)


# -- the task


class Moody:
    """Fails as it is told to, and notes who was looked at."""

    def __init__(self, *failures: Exception | None) -> None:
        self.failures = list(failures)
        self.looked: list[Tenant] = []

    async def look(self, tenant: Tenant, volume: Volume, *, tell: Tell) -> int:
        assert (volume, callable(tell)) == (FEW, True)
        self.looked.append(tenant)
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure
        return 0


async def test_a_bad_round_for_one_tenant_is_none_for_the_next_and_a_bug_is_told() -> None:
    faults: list[Exception] = []
    moody = Moody(StoreUnavailable(), ValueError("a bug"))
    watcher = Watcher(moody, {RIVERBEND: FEW, HARBOR: FEW}, lambda *_: "", on_fault=faults.append)
    for _ in range(2):
        await watcher.round()

    assert moody.looked == [RIVERBEND, HARBOR, RIVERBEND, HARBOR]
    assert [type(fault) for fault in faults] == [ValueError]
