"""Commits share transactions, and look-ups stay look-ups, however much there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TypeAlias

import asyncpg
import pytest

from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.references import PatientId
from portico.store.database import Database
from tests.e2e.audit_entries import RIVERBEND, entry

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def trail(store: Database) -> AsyncIterator[PostgresTrail]:
    trail = PostgresTrail(store, TrailConfig())
    yield trail
    await trail.aclose()


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Owner]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def test_who_saw_this_patient_is_an_index_look_up(trail: PostgresTrail, owner: Owner) -> None:
    patients = [PatientId(f"0a0a0a0a-0000-4000-8000-{number:012x}") for number in range(500)]
    await asyncio.gather(
        *(
            trail.commit(replace(entry(number), patients=frozenset({patient})))
            for number, patient in enumerate(patients)
        )
    )
    await owner.execute("analyze portico.audit")
    plan = "\n".join(
        row[0]
        for row in await owner.fetch(
            "explain select * from portico.audit where patients @> array[$1::uuid] and tenant = 'riverbend'",
            patients[7],
        )
    )

    assert "Bitmap Index Scan on audit_" in plan
    assert [row.entry.request_id for row in await trail.seen(RIVERBEND, patients[7])] == ["req-7"]


async def test_a_thousand_commits_share_a_few_transactions(trail: PostgresTrail, owner: Owner) -> None:
    numbers = await asyncio.gather(*(trail.commit(entry(number)) for number in range(1000)))
    transactions = await owner.fetchval("select count(distinct xmin::text) from portico.audit")

    assert sorted(numbers) == list(range(1, 1001))
    assert transactions <= 5


async def test_large_entries_are_spread_over_more_transactions(store: Database, owner: Owner) -> None:
    patients = frozenset(PatientId(f"0a0a0a0a-0000-4000-8000-{number:012x}") for number in range(100))
    trail = PostgresTrail(store, TrailConfig(group_limit_bytes=40_000))
    await asyncio.gather(*(trail.commit(replace(entry(number), patients=patients)) for number in range(40)))
    await trail.aclose()

    assert await owner.fetchval("select count(distinct xmin::text) from portico.audit") >= 4


@pytest.mark.usefixtures("store_url")
async def test_appending_never_reads_a_partition_whole_however_young_its_plans(owner: Owner) -> None:
    scans = "select coalesce(sum(seq_scan), 0) from pg_stat_user_tables where relname ~ '^audit_2'"
    for turn in range(20):
        group = [entry(100 * turn + number).encode().decode() for number in range(20)]
        await owner.fetch("select portico.audit_append($1::text[])", group)
    await owner.execute("select pg_stat_force_next_flush()")

    assert await owner.fetchval("select count(*) from portico.audit") == 400
    assert await owner.fetchval(scans) <= 20
