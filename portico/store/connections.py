"""Connections to Portico's own Postgres at hand: a pool's, without its ceremony between one statement and the next."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, NamedTuple, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

UNUSED_SECONDS: Final = 60.0
"""How long a connection stays open that nobody needs; something on the way may have forgotten one that is older."""


class _Kept(NamedTuple):
    connection: Connection
    since: float


class Connections:
    """As many connections as the pool has room for. Who takes one gives it back, whatever became of it.

    One that served well is kept for whoever comes next, the last one first. The pool hears only of those that didn't,
    and mends itself: it does so with a task and two turns of the loop, which would be half of what a look-up costs.
    """

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], size: int) -> None:
        self._pool = pool
        self._room = asyncio.Semaphore(size)
        self._kept: deque[_Kept] = deque()
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
            if not sound or self._closing:
                await self._pool.release(connection)
                return
            self._kept.append(_Kept(connection, asyncio.get_running_loop().time()))
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
        return asyncio.get_running_loop().time() - since > UNUSED_SECONDS


def _is_open(connection: Connection) -> bool:
    try:
        return not connection.is_closed()
    except asyncpg.InterfaceError:  # it broke, and the pool has taken it back already
        return False
