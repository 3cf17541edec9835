"""Switches in Portico's own Postgres. Their SQL stands in `switches.sql` and in migration 0008."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import asyncpg

from portico.records.errors import AuditUnavailable, StoreUnavailable
from portico.records.references import Tenant
from portico.records.switches import Off, Switchable, SwitchKind
from portico.store.database import Database, unsafe_message
from portico.store.queries import load_queries
from portico.store.switches import Recordable, Switch, by_tenant

READ_SECONDS: Final = 2.0
"""The most that the read of what is off takes. Who comes while it runs waits for the next, so twice that at worst."""

_SQL = load_queries("portico.store", "switches.sql")
_UNSAFE = "PA001"


class PostgresSwitches:
    """The `Switches` that count."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def off(self) -> Mapping[Tenant, Off]:
        """See `Switches.off`. A kind that this version doesn't know is no usable answer: it would stop too little."""
        try:
            rows = await self._database.fetch(_SQL["off"], seconds=READ_SECONDS)
            return by_tenant(
                (_thing(row) for row in rows if row["kind"] is not None),
                ((Tenant(row["tenant"]), row["name"]) for row in rows if row["kind"] is None),
            )
        except (asyncpg.PostgresError, ValueError) as error:
            raise StoreUnavailable from error

    async def admit(self, tenant: Tenant, subject: str) -> float:
        """See `Switches.admit`."""
        if await self._database.fetch(_SQL["admit"], tenant, subject, seconds=READ_SECONDS):
            return 0.0
        rows = await self._database.fetch(_SQL["wait"], tenant, subject, seconds=READ_SECONDS)
        return max((row["seconds"] for row in rows), default=0.0)

    async def turn_off(self, thing: Switchable, *, by: str, reason: str, at: datetime, entry: Recordable) -> bool:
        """See `Switches.turn_off`."""
        if await self._change(_SQL["turn_off"], *thing, at, by, reason, entry.encode().decode()):
            return True
        latest = await self._database.fetch(_SQL["latest"], *thing)
        # The answer to an earlier attempt was lost, if it is this one's row that is there.
        return any((row["off_at"], row["off_by"]) == (at, by) for row in latest)

    async def turn_on(self, thing: Switchable, *, by: str, at: datetime, entry: Recordable) -> bool:
        """See `Switches.turn_on`."""
        if await self._change(_SQL["turn_on"], *thing, at, by, entry.encode().decode()):
            return True
        latest = await self._database.fetch(_SQL["latest"], *thing)
        return any((row["on_at"], row["on_by"]) == (at, by) for row in latest)

    async def history(self) -> Sequence[Switch]:
        """See `Switches.history`."""
        return [
            Switch(
                thing=_thing(row),
                off_at=row["off_at"],
                off_by=row["off_by"],
                reason=row["reason"],
                on_at=row["on_at"],
                on_by=row["on_by"],
            )
            for row in await self._database.fetch(_SQL["history"])
        ]

    async def _change(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await self._database.fetch(query, *arguments)
        except asyncpg.PostgresError as error:
            if error.sqlstate == _UNSAFE:
                raise AuditUnavailable(unsafe_message(str(error))) from error
            raise


def _thing(row: asyncpg.Record) -> Switchable:
    return Switchable(Tenant(row["tenant"]), SwitchKind(row["kind"]), row["name"])
