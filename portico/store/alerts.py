"""Alerts that wait to be delivered: written with what they tell of, taken by whichever process is free."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType, Protocol

from portico.records.references import Tenant
from portico.store.database import Database
from portico.store.queries import load_queries

AlertId = NewType("AlertId", str)
"""A UUID: the same at every attempt, so that a receiver can tell a repetition."""

_SQL = load_queries("portico.store", "alerts.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One alert, taken to be delivered."""

    tenant: Tenant
    id: AlertId
    body: str = field(repr=False)
    """What the receiver gets: JSON without clinical data."""
    created_at: datetime
    attempts: int
    """How often it was taken, this time included."""


class Alerts(Protocol):
    """The alerts of all tenants that no receiver has acknowledged. Safe for many processes at once.

    Every method raises `StoreUnavailable` where the database gives no answer in time.
    """

    async def take(self, tenants: Collection[Tenant], *, limit: int, lease_seconds: float) -> Sequence[Alert]:
        """The alerts of these tenants that are due, the longest first. Nobody else gets them for the lease's time.

        Whoever dies with an alert in hand loses it to another when the lease is over. Cost: one statement.
        """

    async def acknowledge(self, alert: Alert) -> None:
        """It was delivered; nobody takes it any more."""

    async def postpone(self, alert: Alert, *, seconds: float) -> None:
        """It was not delivered; it is due again in so long."""

    async def waiting(self, tenants: Collection[Tenant]) -> int:
        """How many of these tenants' alerts no receiver has acknowledged."""


class PostgresAlerts:
    """The `Alerts` that count."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, tenants: Collection[Tenant], *, limit: int, lease_seconds: float) -> Sequence[Alert]:
        """See `Alerts.take`."""
        rows = await self._database.fetch(_SQL["take"], list(tenants), limit, lease_seconds)
        return [
            Alert(
                tenant=Tenant(row["tenant"]),
                id=AlertId(row["alert"]),
                body=row["body"],
                created_at=row["created_at"],
                attempts=row["attempts"],
            )
            for row in rows
        ]

    async def acknowledge(self, alert: Alert) -> None:
        """See `Alerts.acknowledge`."""
        await self._database.fetch(_SQL["acknowledge"], alert.tenant, alert.id)

    async def postpone(self, alert: Alert, *, seconds: float) -> None:
        """See `Alerts.postpone`."""
        await self._database.fetch(_SQL["postpone"], alert.tenant, alert.id, seconds)

    async def waiting(self, tenants: Collection[Tenant]) -> int:
        """See `Alerts.waiting`."""
        rows = await self._database.fetch(_SQL["waiting"], list(tenants))
        return int(rows[0]["waiting"])
