"""The one way into the billing database: pooled, read-only, bounded, its failures told in Portico's words."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

import asyncpg

from connectors.billing.config import BillingConfig
from connectors.billing.meter import AnswerTooLarge, MeteredConnection
from connectors.billing.queries import SQL, Statement
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable

if TYPE_CHECKING:  # generic in its stubs only
    _Pool = asyncpg.Pool[asyncpg.Record]
    _Proxy = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

RELEASE_TIMEOUT_SECONDS: Final = 1.0
"""How long a cancelled statement may take to end before its connection is given up."""

CLOSE_TIMEOUT_SECONDS: Final = 2.0

DEATHS: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
)
"""How it shows that a pooled session has died. Reading again on another one is harmless."""

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    AnswerTooLarge,
    OSError,
    ValueError,
    BufferError,
)
"""Everything that a driver, a server or something in its place can come up with."""


class Row(Protocol):
    """A row as it was read: every column a text or NULL."""

    def __getitem__(self, column: str, /) -> str | None:
        """The column's value; KeyError where the statement selected no such column."""


class _Writable(Exception):
    """A session that could write."""


class Database:
    """A pool of read-only sessions, opened when they are first needed."""

    def __init__(self, config: BillingConfig) -> None:
        self._config = config
        self._tls = config.tls()
        self._pool: _Pool | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._releases: set[asyncio.Task[None]] = set()

    async def read(self, statement: Statement, *, deadline: float) -> Sequence[Row]:
        """The rows of a statement, by `deadline` (a `time.monotonic()` reading). Cost: one statement.

        A session that turns out to be dead is replaced once. Raises the source's three errors and nothing else.
        """
        remaining_seconds = deadline - time.monotonic()
        if remaining_seconds <= 0:
            raise SourceTimeout(self._config.source)
        try:
            async with asyncio.timeout(remaining_seconds):
                return await self._fetch(statement)
        except (*FAILURES, _Writable) as error:
            failure = self._failure(error)
        # Outside of the handler, so that no text of the server travels on with it.
        raise failure

    async def aclose(self) -> None:
        """Close the sessions, whatever they are at."""
        self._closed = True
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
                await asyncio.gather(*self._releases)
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()

    async def _fetch(self, statement: Statement) -> Sequence[Row]:
        pool = await self._opened()
        try:
            return await self._fetch_on(pool, await pool.acquire(), statement)
        except DEATHS:
            died_at = time.monotonic()
        return await self._fetch_on(pool, await _acquire_opened_after(died_at, pool), statement)

    async def _fetch_on(self, pool: _Pool, connection: _Proxy, statement: Statement) -> Sequence[Row]:
        try:
            with _metered(connection).meter.weighing():
                rows = await connection.fetch(statement.sql, *statement.arguments)
        except DEATHS:
            connection.terminate()
            raise
        except BaseException:
            self._release_later(pool, connection)
            raise
        await pool.release(connection)
        return rows

    def _release_later(self, pool: _Pool, connection: _Proxy) -> None:
        """Give back a connection whose statement may still have to be cancelled; nobody waits for that."""
        release = asyncio.create_task(_release(pool, connection))
        self._releases.add(release)
        release.add_done_callback(self._releases.discard)

    async def _opened(self) -> _Pool:
        async with self._opening:
            if self._closed:
                raise ConnectionError
            if self._pool is None:
                self._pool = await self._open()
            return self._pool

    async def _open(self) -> _Pool:
        config = self._config
        return await asyncpg.create_pool(
            host=config.host,
            port=config.port,
            database=config.database,
            user=config.user,
            password=config.password,
            ssl=self._tls,
            timeout=config.connect_timeout_seconds,
            command_timeout=config.statement_timeout_seconds,
            min_size=0,
            max_size=config.pool_size,
            connection_class=MeteredConnection,
            init=self._prepare,
            reset=_keep,
            server_settings={
                "application_name": "portico",
                "default_transaction_read_only": "on",
                "statement_timeout": str(round(config.statement_timeout_seconds * 1000)),
            },
        )

    async def _prepare(self, connection: asyncpg.Connection[asyncpg.Record]) -> None:
        metered = _metered(connection)
        await metered.weigh_answers(self._config.answer_limit_bytes)
        with metered.meter.weighing():
            read_only = await connection.fetchval(SQL["session_is_read_only"])
        if read_only != "on":
            raise _Writable

    def _failure(self, error: BaseException) -> SourceError:
        source = self._config.source
        match error:
            case TimeoutError() | asyncpg.QueryCanceledError():
                return SourceTimeout(source)
            case asyncpg.InsufficientPrivilegeError():
                return SourceUnavailable(source)
            case _Writable():
                return SourceInvalid(source, "The source system's sessions can write, so they are not used.")
            case AnswerTooLarge():
                return SourceInvalid(source, "The source system's answer is too large.")
            case (
                asyncpg.SyntaxOrAccessError()
                | asyncpg.exceptions.ProtocolError()
                | asyncpg.exceptions.DataError()
                | ValueError()
                | BufferError()
            ):
                return SourceInvalid(source)
        return SourceUnavailable(source)


def _metered(connection: _Proxy | asyncpg.Connection[asyncpg.Record]) -> MeteredConnection:
    return cast("MeteredConnection", connection)


async def _acquire_opened_after(moment: float, pool: _Pool) -> _Proxy:
    """A session younger than a death: those that were open then may be as dead without having noticed."""
    while True:
        connection = await pool.acquire()
        if _metered(connection).opened_at >= moment:
            return connection
        connection.terminate()


async def _release(pool: _Pool, connection: _Proxy) -> None:
    with contextlib.suppress(*FAILURES):
        await pool.release(connection, timeout=RELEASE_TIMEOUT_SECONDS)


async def _keep(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """Sessions change no settings and hold no locks, so giving one back costs no statement."""
