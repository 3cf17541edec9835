"""A process that commits audit entries as fast as it can and prints the request id of each one acknowledged.

    python audit_writer.py URL NAME TENANT [COUNT]

A test starts it, and kills it or its database while it writes.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
from datetime import UTC, datetime

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.errors import AuditUnavailable
from portico.records.references import Tenant
from portico.store.database import Database, DatabaseConfig

TASKS = 20


def entry(tenant: str, request_id: str) -> AuditEntry:
    return AuditEntry(
        tenant=Tenant(tenant),
        request_id=request_id,
        subject="usr-writer",
        kind="service",
        roles=frozenset(),
        purpose="HOPERAT",
        client="writer",
        operation="00" * 32,
        policy_revision="rev-1",
        outcome=Outcome.RELEASED,
        at=datetime.now(UTC),
    )


async def write(trail: PostgresTrail, tenant: str, names: itertools.islice[str]) -> None:
    for name in names:
        try:
            await trail.commit(entry(tenant, name))
        except AuditUnavailable:
            continue
        os.write(sys.stdout.fileno(), f"{name}\n".encode())


async def main(url: str, name: str, tenant: str, count: str = "1000000") -> None:
    database = await Database.open(DatabaseConfig(url=url))
    trail = PostgresTrail(database, TrailConfig(commit_timeout_seconds=10))
    names = itertools.islice((f"{name}-{number}" for number in itertools.count()), int(count))
    await asyncio.gather(*(write(trail, tenant, names) for _ in range(TASKS)))
    await trail.aclose()
    await database.aclose()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
