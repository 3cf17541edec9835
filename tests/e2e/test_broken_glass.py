"""Broken glass on the real database: nothing of it is lost, and nothing of it outlasts its end."""

from __future__ import annotations

import asyncio
import ipaddress
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.alerts.dispatcher import Attempt, Dispatcher, DispatcherConfig
from portico.alerts.receiver import Receiver
from portico.alerts.webhook import Webhook
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.references import PatientId, Tenant
from portico.store.alerts import PostgresAlerts
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.emergency import EmergencyAccess
from portico.store.postgres import PostgresCrosswalk
from portico.store.postgres_emergency import PostgresEmergencyAccesses
from sandbox.alerts.receiver import MODES, build
from sandbox.control import Control, Mode
from tests.e2e.glass_breaker import declaration, entry
from tests.unit.connectors.fhir.serving import serving

BREAKER = Path(__file__).with_name("glass_breaker.py")
RIVERBEND = Tenant("riverbend")
KEY = bytes(range(32))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PATIENTS = [PatientId(str(uuid.UUID(int=number))) for number in range(1, 21)]
ROUNDS = int(os.environ.get("GLASS_ROUNDS", "1000"))
PATIENCE_SECONDS = 30.0


@pytest.fixture
async def people(store: Database) -> list[PatientId]:
    await store.fetch(
        "with made as (insert into portico.patient (tenant, id) select $1, unnest($2::uuid[]))"
        "insert into portico.link (tenant, source, source_id, patient, assurance, rule)"
        " select $1, 'ehr', id::text, id, 3, 'identity' from unnest($2::uuid[]) as id",
        RIVERBEND,
        PATIENTS,
    )
    return PATIENTS


@dataclass
class Clinic:
    """A receiver on a real socket, and what it got."""

    control: Control
    receiver: Receiver

    @property
    def got(self) -> list[Any]:
        return [call["parameters"] for call in self.control.calls]


@pytest.fixture
async def clinic() -> AsyncIterator[Clinic]:
    control = Control("alerts", MODES)
    async with serving(lambda _: build(control, {"riverbend": KEY})) as url:
        yield Clinic(control, Receiver(url=f"{url}/riverbend/alerts", key=KEY, allowed_networks=LOOPBACK))


@asynccontextmanager
async def breaker(url: str, *how: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(BREAKER), url, RIVERBEND, PATIENTS[0], *how, stdout=subprocess.PIPE,
        cwd=BREAKER.parents[2], env={"PYTHONPATH": str(BREAKER.parents[2])},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE_SECONDS)).decode().strip()


async def until(fact: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not await fact():  # noqa: ASYNC110  another process or a database brings it about
            await asyncio.sleep(0.02)


async def until_delivered(store: Database, clinic: Clinic, number: int) -> None:
    async def delivered() -> bool:
        return len(clinic.got) >= number and await PostgresAlerts(store).waiting([RIVERBEND]) == 0

    await until(delivered)


@asynccontextmanager
async def dispatching(store: Database, clinic: Clinic, attempts: list[Attempt] | None = None) -> AsyncIterator[None]:
    heard = (attempts if attempts is not None else []).append
    config = DispatcherConfig(poll_seconds=0.05, first_pause_seconds=0.05, longest_pause_seconds=0.2)
    dispatcher = Dispatcher(
        PostgresAlerts(store), {RIVERBEND: clinic.receiver}, Webhook(), config=config, on_attempt=heard
    )
    running = asyncio.create_task(dispatcher.run())
    try:
        yield
    finally:
        running.cancel()
        await asyncio.wait([running])


@pytest.mark.usefixtures("people")
async def test_an_alert_survives_the_death_of_the_process_that_declared_it(
    store: Database, store_url: str, clinic: Clinic
) -> None:
    async with breaker(store_url) as process:
        declared = await said(process)
        process.kill()
        await process.wait()
    assert clinic.got == []

    async with dispatching(store, clinic):
        await until_delivered(store, clinic, 1)
    assert clinic.got == [{"id": declared}]
    assert await PostgresAlerts(store).waiting([RIVERBEND]) == 0


@pytest.mark.usefixtures("people")
async def test_an_alert_survives_the_death_of_the_process_that_has_it_in_hand(
    store: Database, store_url: str, clinic: Clinic
) -> None:
    async with breaker(store_url, "in-hand") as process:
        declared = await said(process)
        assert await said(process) == f"taken {declared}"
        process.kill()
        await process.wait()

    async with dispatching(store, clinic):
        await until_delivered(store, clinic, 1)
    assert clinic.got == [{"id": declared}]
    (row,) = await store.fetch("select attempts from portico.alert")
    assert row["attempts"] == 2


async def test_an_alert_is_sent_again_until_it_is_acknowledged_and_arrives_once(
    store: Database, people: list[PatientId], clinic: Clinic
) -> None:
    clinic.control.mode = Mode.ERROR
    attempts: list[Attempt] = []

    async def tried_thrice() -> bool:
        return len(attempts) >= 3

    async with dispatching(store, clinic, attempts):
        declared = declaration(RIVERBEND, people[0])
        await PostgresEmergencyAccesses(store).declare(declared, entry=entry(declared), alert='{"well": true}')
        await until(tried_thrice)
        clinic.control.mode = Mode.WELL
        await until_delivered(store, clinic, 1)

    assert clinic.got == [{"well": True}]
    assert attempts[0].reason == "status_500"
    assert [attempt.attempts for attempt in attempts] == list(range(1, len(attempts) + 1))


async def test_several_processes_share_the_work_and_send_each_alert_once(
    store: Database, people: list[PatientId], clinic: Clinic
) -> None:
    accesses = PostgresEmergencyAccesses(store)
    made = [declaration(RIVERBEND, patient) for patient in people]
    async with dispatching(store, clinic), dispatching(store, clinic):
        await asyncio.gather(
            *(accesses.declare(each, entry=entry(each), alert=f'{{"id":"{each.id}"}}') for each in made)
        )
        await until_delivered(store, clinic, len(made))

    assert sorted(got["id"] for got in clinic.got) == sorted(each.id for each in made)
    rows = await store.fetch("select attempts from portico.alert")
    assert [row["attempts"] for row in rows] == [1] * len(made)


async def test_no_read_that_begins_after_an_end_sees_anything(store_url: str, people: list[PatientId]) -> None:
    """Ends on one pool, reads on another: two processes, as far as the database can tell."""
    ending = await Database.open(DatabaseConfig(url=store_url, pool_size=5))
    reading = await Database.open(DatabaseConfig(url=store_url, pool_size=5))
    accesses, crosswalk = PostgresEmergencyAccesses(ending), PostgresCrosswalk(reading, CrosswalkConfig())
    principal = Principal(
        subject="usr-physician", kind=PrincipalKind.PERSON, tenant=RIVERBEND, roles=frozenset({"physician"}),
        purposes=frozenset({Purpose.EMERGENCY}), client="workstation", expires_at=2**40,
    )  # fmt: skip

    async def related(patient: PatientId) -> bool:
        standings = await crosswalk.standings_of(principal, [patient], at=datetime.now(UTC))
        return "emergency" in standings[patient].facts.relationships

    async def rounds(patient: PatientId, number: int) -> tuple[int, int]:
        before = after = 0
        for _ in range(number):
            declared = declaration(RIVERBEND, patient)
            await accesses.declare(declared, entry=entry(declared), alert="{}")
            before += await related(patient)
            meanwhile = asyncio.create_task(related(patient))
            ended = await accesses.end(
                RIVERBEND,
                declared.id,
                by="usr-physician",
                at=datetime.now(UTC),
                entry=entry(declared, "endBreakTheGlass"),
            )
            assert isinstance(ended, EmergencyAccess)
            after += await related(patient)
            await meanwhile
        return before, after

    each = -(-ROUNDS // len(people))
    try:
        counts = await asyncio.gather(*(rounds(patient, each) for patient in people))
        trail = PostgresTrail(reading, TrailConfig())
        (report,) = await trail.verify(RIVERBEND)
        await trail.aclose()
    finally:
        await ending.aclose()
        await reading.aclose()

    total = each * len(people)
    assert sum(before for before, _ in counts) == total
    assert sum(after for _, after in counts) == 0
    assert (report.flaw, report.head.number) == (None, 2 * total)
