"""A revocation counts for every read that begins after it was committed, in every process. Hole 15."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from portico.records.consent import ConsentKind
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.postgres import PostgresCrosswalk
from tests.unit.store.world import ADA, EVERYONE, NOBODY, RIVERBEND, planning, provision, wishes

ROUNDS = 1_000
PERMIT, DENIAL = provision(ConsentKind.PERMIT), provision()


@pytest.fixture
async def workers(store_url: str) -> AsyncIterator[tuple[PostgresCrosswalk, PostgresCrosswalk]]:
    """Two of them, with nothing in common but the database."""
    pools = [await Database.open(DatabaseConfig(url=store_url, pool_size=3)) for _ in range(2)]
    one, other = (PostgresCrosswalk(pool, CrosswalkConfig()) for pool in pools)
    await one.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={})
    try:
        yield one, other
    finally:
        for pool in pools:
            await pool.aclose()


async def test_hole_15_a_revocation_counts_for_every_read_that_starts_after_it(
    workers: tuple[PostgresCrosswalk, PostgresCrosswalk],
) -> None:
    """Stale consent caches, expiry never checked (b.well, up to 600 s): consent is read fresh, 1,000 rounds."""
    seen: set[bool] = set()
    for number in range(ROUNDS):
        writer, reader = workers[number % 2], workers[1 - number % 2]
        made = await writer.record_consent(RIVERBEND, ADA, PERMIT, by="usr-ada")
        assert made
        assert PERMIT in await wishes(reader, NOBODY, ADA, datetime.now(UTC))
        early = asyncio.create_task(wishes(reader, NOBODY, ADA, datetime.now(UTC)))
        assert await writer.revoke_consent(RIVERBEND, made, patient=ADA, by="usr-ada")
        for worker in workers:
            assert await wishes(worker, NOBODY, ADA, datetime.now(UTC)) == set()
        seen.add(bool(await early))

    assert len(await workers[0].consents_of(RIVERBEND, ADA)) == ROUNDS
    assert seen


async def test_a_denial_counts_for_every_read_that_starts_after_it(
    workers: tuple[PostgresCrosswalk, PostgresCrosswalk],
) -> None:
    writer, reader = workers
    for _ in range(100):
        made = await writer.record_consent(RIVERBEND, ADA, DENIAL, by="usr-ada")
        assert made
        assert await wishes(reader, NOBODY, ADA, datetime.now(UTC)) == {DENIAL}
        await writer.revoke_consent(RIVERBEND, made, patient=ADA, by="usr-ada")


async def test_two_revocations_at_once_are_one(workers: tuple[PostgresCrosswalk, PostgresCrosswalk]) -> None:
    writer, reader = workers
    for _ in range(50):
        made = await writer.record_consent(RIVERBEND, ADA, PERMIT, by="usr-ada")
        assert made
        both = await asyncio.gather(
            *(
                worker.revoke_consent(RIVERBEND, made, patient=ADA, by=f"usr-{number}")
                for number, worker in enumerate((writer, reader, writer, reader))
            )
        )
        assert both == [True] * 4
        kept = (await reader.consents_of(RIVERBEND, ADA))[-1]
        assert kept.revoked_at
        assert kept.revoked_by in {"usr-0", "usr-1", "usr-2", "usr-3"}
