"""Connections to Portico's own Postgres at hand: a pool's, without its ceremony between one statement and the next."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

UNUSED_SECONDS: Final = 60.0
"""How long a connection stays open that nobody needs; something on the way may have forgotten one that is older."""

LOOKED_AT_EVERY: Final = 500
"""How often a connection goes back to the pool even so, which replaces those that have served for very long."""


class _Kept(NamedTuple):
    connection: Connection
    since: float


class Connections:
    """As many connections as the pool has room for. Who takes one gives it back, whatever became of it.

    One that served well is kept for whoever comes next, the last one first: to take it back and give it out again
    takes the pool a task and two turns of the loop, half of what a look-up costs. The pool hears of those that didn't
    serve well, and mends itself. `clock` counts seconds.
    """

    def __init__(
        self, pool: asyncpg.Pool[asyncpg.Record], size: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._room = asyncio.Semaphore(size)
        self._kept: deque[_Kept] = deque()
        self._served = 0
        self._closing = False

    async def take(self) -> Connection:
        """A connection, once there is one. Raises what connecting raises."""
        await self._room.acquire()
        try:
            while self._kept:
                connection, since = self._kept.pop()
                if _is_open(connection) and not self._is_old(since):
                    return connection
                await self._drop(connection)
            return await self._pool.acquire()
        except BaseException:
            self._room.release()
            raise

    async def give_back(self, connection: Connection, *, sound: bool) -> None:
        """Return a connection, `sound` if its last statement ended well and left nothing open."""
        try:
            self._served += 1
            if not sound or self._closing or self._served % LOOKED_AT_EVERY == 0:
                await self._pool.release(connection)
                return
            self._kept.append(_Kept(connection, self._clock()))
            if self._is_old(self._kept[0].since):
                await self._drop(self._kept.popleft().connection)
        finally:
            self._room.release()

    async def aclose(self) -> None:
        """Close every connection, once those who have one have given it back. May be called more than once."""
        self._closing = True
        while self._kept:
            await self._pool.release(self._kept.pop().connection)
        await self._pool.close()

    def terminate(self) -> None:
        """Cut every connection."""
        self._pool.terminate()

    async def _drop(self, connection: Connection) -> None:
        if _is_open(connection):
            connection.terminate()
        await self._pool.release(connection)

    def _is_old(self, since: float) -> bool:
        return self._clock() - since > UNUSED_SECONDS


def _is_open(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it broke, and the pool has taken it back already
        return False
