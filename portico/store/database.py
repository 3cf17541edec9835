"""The pool of connections to Portico's own Postgres: bounded, healing, and never unsafely configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Self, TypeAlias, TypeVar

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from portico.records.errors import StoreUnavailable

T = TypeVar("T")
Connection: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"

_CONNECTION_GONE = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.TooManyConnectionsError,
    asyncpg.TransactionRollbackError,
    asyncpg.InternalClientError,  # a backend's last word has come, and asyncpg has not yet closed the connection
    asyncpg.InternalServerError,  # a function was amid its work when a newer version changed the table that it works on
)
# Every query is a look-up. A plan that was made while its tables were small must not go on reading them whole.
_SETTINGS: Final = {"application_name": "portico", "timezone": "UTC", "enable_seqscan": "off"}
_OWN_DOING = (TimeoutError, asyncpg.QueryCanceledError)
_FIRST_PAUSE_SECONDS: Final = 0.01
_LONGEST_PAUSE_SECONDS: Final = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseConfig:
    """How to reach the database. The URL's user is the application's role, which owns nothing."""

    url: str = field(repr=False)
    pool_size: int = 10
    connect_timeout_seconds: float = 3.0
    query_timeout_seconds: float = 5.0
    """The most that one read takes, waiting for a connection and reconnecting included."""


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed again: backends die, servers restart, deadlocks are broken, tables migrate."""
    if isinstance(error, _OWN_DOING):
        return False
    closed = isinstance(error, asyncpg.InterfaceError) and "connection is closed" in str(error)
    return closed or isinstance(error, _CONNECTION_GONE)


class Database:
    """A pool of connections, each checked for durable settings when it is made.

    Starts without a database and recovers with it. Raises `StoreUnavailable` where there is no connection, or none
    with safe settings, in time.
    """

    def __init__(self, config: DatabaseConfig, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self._config = config
        self._pool = pool

    @classmethod
    async def open(cls, config: DatabaseConfig) -> Self:
        """A database whose first connection is made when it is first needed."""
        pool = await asyncpg.create_pool(
            config.url,
            min_size=0,
            max_size=config.pool_size,
            timeout=config.connect_timeout_seconds,
            command_timeout=config.query_timeout_seconds,
            init=_require_safety,
            reset=_leave_as_it_is,
            server_settings=_SETTINGS,
        )
        return cls(config, pool)

    async def fetch(self, query: str, *arguments: object, seconds: float | None = None) -> list[asyncpg.Record]:
        """A statement's rows, in its own transaction, within `seconds` or the configured time.

        Tried again when the connection is lost, even if it was lost while committing: it must bear repetition.
        """
        async with _in_time(seconds or self._config.query_timeout_seconds):
            return await _persist(lambda: self._fetch(query, arguments))

    async def _fetch(self, query: str, arguments: tuple[object, ...]) -> list[asyncpg.Record]:
        async with self._pool.acquire() as connection:
            return await connection.fetch(query, *arguments)

    @asynccontextmanager
    async def transaction(self, *, seconds: float, snapshot: bool = False) -> AsyncIterator[Connection]:
        """A transaction of at most so many seconds; `snapshot` reads everything as of its beginning and writes nothing.

        A connection that died while it was idle is replaced; one that dies later fails the transaction.
        """
        async with _in_time(seconds), AsyncExitStack() as stack:
            yield await _persist(lambda: self._begin(stack, snapshot=snapshot))

    async def _begin(self, stack: AsyncExitStack, *, snapshot: bool) -> Connection:
        async with AsyncExitStack() as trial:
            connection = await trial.enter_async_context(self._pool.acquire())
            begun = connection.transaction(
                isolation="repeatable_read" if snapshot else "read_committed", readonly=snapshot
            )
            await trial.enter_async_context(begun)
            stack.push_async_exit(trial.pop_all())
        return connection

    async def aclose(self) -> None:
        """Close every connection; one that is stuck is cut. May be called more than once."""
        try:
            async with asyncio.timeout(self._config.connect_timeout_seconds):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()


async def _persist(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try until it succeeds, fails for good, or is cancelled. (stamina would log what the errors say.)"""
    pause_seconds = _FIRST_PAUSE_SECONDS
    while True:
        try:
            return await attempt()
        except Exception as error:
            if not is_transient(error):
                raise
        await asyncio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


@asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except (TimeoutError, asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise StoreUnavailable from error
    except (*_CONNECTION_GONE, asyncpg.InterfaceError) as error:
        raise StoreUnavailable from error


async def _leave_as_it_is(_: asyncpg.Connection[asyncpg.Record]) -> None:
    """Forget nothing: Portico's statements leave nothing behind in a session, and asking would be a round trip."""


async def _require_safety(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    try:
        unsafe = await connection.fetchval("select portico.unsafe_settings()")
    except (asyncpg.InvalidSchemaNameError, asyncpg.UndefinedFunctionError) as error:
        raise StoreUnavailable("Portico's own database has not been migrated, so nothing is released.") from error
    if unsafe:
        raise StoreUnavailable(unsafe_message(", ".join(unsafe)))


def unsafe_message(settings: str) -> str:
    """The sentence for a database that may lose what it acknowledged."""
    return f"The database could lose what it acknowledges ({settings}), so nothing is released."
