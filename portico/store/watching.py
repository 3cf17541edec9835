"""What is watched in the audit trail: attempts at watched patients, and subjects who are told about very many.

What is found becomes an alert, and a brake where it is a matter of volume, in the transaction that notes how far was
looked: so nothing is missed, and nothing told twice, whoever dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeAlias

import asyncpg

from portico.records.references import PatientId, Tenant
from portico.store.alerts import AlertId
from portico.store.database import Connection, Database
from portico.store.queries import load_queries

ROWS_LIMIT: Final = 1_000
"""Rows of a chain that are looked at at once."""

_SQL = load_queries("portico.store", "watching.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """About how many patients a subject may be told before somebody hears of it, and how they are slowed then."""

    patients: int = 300
    """More distinct ones than these within the window are too many."""
    window_seconds: float = 600.0
    brake_seconds: float = 600.0
    """For how long the subject is slowed; 0: not at all."""
    pace_seconds: float = 60.0
    """How long a slowed subject waits from one admitted request to the next."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Somebody asked by name for a watched patient whom they may not see."""

    tenant: Tenant
    patient: PatientId
    subject: str
    roles: Sequence[str]
    client: str
    purpose: str
    request_id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Excess:
    """Somebody was told about more patients than is usual."""

    tenant: Tenant
    subject: str
    patients: int
    at: datetime
    until: datetime | None
    """The end of the brake that was put on them; None: none was."""


Finding: TypeAlias = Attempt | Excess
Tell: TypeAlias = Callable[[Finding], tuple[AlertId, str]]
"""The alert of a finding: its id and its body. Findings of one id are told once."""


class Watching(Protocol):
    """Looks along the tenants' chains. Safe for many processes at once: one looks at a chain at a time."""

    async def look(self, tenant: Tenant, volume: Volume, *, tell: Tell) -> int:
        """Look at the rows that nobody has looked at, put the alerts out, and say how many rows that were.

        None where another process is just looking. Raises `StoreUnavailable`: then nothing was done, or volumes alone
        were not counted, which the subjects' next rows make up for. Cost: two transactions of a few statements; with
        rows that told something, an index look-up for each of their subjects.
        """


class PostgresWatching:
    """The `Watching` that counts."""

    def __init__(self, database: Database, *, timeout_seconds: float = 10.0) -> None:
        self._database = database
        self._timeout_seconds = timeout_seconds

    async def look(self, tenant: Tenant, volume: Volume, *, tell: Tell) -> int:
        """See `Watching.look`."""
        async with self._database.transaction(seconds=self._timeout_seconds) as connection:
            if not await connection.fetchval(_SQL["claim"], tenant):
                return 0
            await connection.execute(_SQL["begin"], tenant)
            rows = await connection.fetch(_SQL["rows"], tenant, ROWS_LIMIT)
            if not rows:
                return 0
            await _put_out(connection, tenant, tell, [attempt for row in rows for attempt in _attempts(tenant, row)])
            await connection.execute(_SQL["advance"], tenant, rows[-1]["number"])
        # By itself: were it to take too long, no attempt waits for it, and the subject's next row is counted again.
        async with self._database.transaction(seconds=self._timeout_seconds) as connection:
            await _put_out(connection, tenant, tell, await _excesses(connection, tenant, volume, rows))
        return len(rows)


async def _put_out(connection: Connection, tenant: Tenant, tell: Tell, findings: Sequence[Finding]) -> None:
    for id_, body in map(tell, findings):
        await connection.execute(_SQL["alert"], tenant, id_, body)


def _attempts(tenant: Tenant, row: asyncpg.Record) -> list[Attempt]:
    return [
        Attempt(
            tenant=tenant,
            patient=PatientId(patient),
            subject=row["subject"],
            roles=row["roles"],
            client=row["client"],
            purpose=row["purpose"],
            request_id=row["request_id"],
            at=row["recorded_at"],
        )
        for patient in row["attempts"] or ()
    ]


async def _excesses(
    connection: Connection, tenant: Tenant, volume: Volume, rows: Sequence[asyncpg.Record]
) -> list[Excess]:
    """Who was told about too many, each with a brake."""
    last = {row["subject"]: row["recorded_at"] for row in rows if row["tells"]}
    if not last:
        return []
    exceeding = await connection.fetch(
        _SQL["exceeding"], tenant, [*last], [*last.values()], volume.window_seconds, volume.patients
    )
    found: list[Excess] = []
    for row in exceeding:
        subject, until = row["subject"], None
        if volume.brake_seconds:
            until = await connection.fetchval(_SQL["brake"], tenant, subject, volume.brake_seconds, volume.pace_seconds)
        found.append(Excess(tenant=tenant, subject=subject, patients=row["patients"], at=last[subject], until=until))
    return found
