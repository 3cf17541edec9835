"""The pool: safe settings only, healing by itself, bounded in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import pytest

from portico.records.errors import StoreUnavailable
from portico.store.database import Database, DatabaseConfig

ONE = "select 1 as one"
INSERT = "insert into portico.patient values ('t', gen_random_uuid())"


async def ones(store: Database) -> list[int]:
    return [row["one"] for row in await store.fetch(ONE)]


@pytest.fixture
async def owner(database: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """The superuser beside the application."""
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


async def kill_backends(owner: asyncpg.Connection[asyncpg.Record]) -> int:
    killed = await owner.fetch(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
    return len(killed)


async def test_the_application_logs_in_as_its_own_role_without_rights_of_definition(store: Database) -> None:
    assert (await store.fetch("select current_user::text as name"))[0]["name"] == "portico_app"
    for statement in (
        "create table portico.own (id int)",
        "create table public.own (id int)",
        "alter table portico.link disable trigger all",
        "drop view portico.bond",
        "truncate portico.link",
        "insert into portico.migration values (9, 'x', 'x')",
        "delete from portico.patient",
    ):
        with pytest.raises(asyncpg.PostgresError, match=r"must be owner|permission denied"):
            await store.fetch(statement)


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
@pytest.mark.parametrize("where", ["role portico_app in database {database}", "database {database}"])
async def test_a_connection_with_unsafe_settings_is_refused_and_a_safe_one_taken_again(
    store: Database, owner: asyncpg.Connection[asyncpg.Record], where: str, value: str
) -> None:
    place = where.format(database=await owner.fetchval("select current_database()"))
    await owner.execute(f"alter {place} set synchronous_commit = {value}")
    with pytest.raises(StoreUnavailable, match="synchronous_commit"):
        await store.fetch(ONE)

    await owner.execute(f"alter {place} reset synchronous_commit")
    assert await ones(store) == [1]


async def test_a_stronger_setting_is_accepted(store: Database, owner: asyncpg.Connection[asyncpg.Record]) -> None:
    name = await owner.fetchval("select current_database()")
    await owner.execute(f"alter database {name} set synchronous_commit = remote_apply")

    assert await ones(store) == [1]


async def test_killed_backends_are_replaced_without_an_error(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await asyncio.gather(*(ones(store) for _ in range(8)))
    for _ in range(5):
        assert await kill_backends(owner)
        assert await asyncio.gather(*(ones(store) for _ in range(8))) == [[1]] * 8


async def test_a_backend_that_is_asked_while_it_takes_its_leave_is_replaced_too(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    """Its last word has arrived and its connection is not closed yet: asyncpg then speaks of a state of its own."""
    for _ in range(40):
        await asyncio.gather(*(ones(store) for _ in range(3)))
        await owner.fetch(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where datname = current_database() and pid <> pg_backend_pid()"
        )
        assert await asyncio.gather(*(ones(store) for _ in range(3))) == [[1]] * 3


async def test_a_read_that_loses_its_connection_midway_is_made_again(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    reading = asyncio.create_task(store.fetch("select 1 as one from pg_sleep(0.3)"))
    while not await owner.fetchval("select count(*) from pg_stat_activity where wait_event = 'PgSleep'"):  # noqa: ASYNC110  # another process is awaited
        await asyncio.sleep(0.01)
    await kill_backends(owner)

    assert [row["one"] for row in await reading] == [1]


async def test_a_transaction_on_a_killed_connection_begins_anew(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    await ones(store)
    await kill_backends(owner)
    async with store.transaction(seconds=5) as connection:
        assert await connection.fetchval(ONE) == 1


async def interrupted(store: Database, between: Callable[[], Awaitable[object]]) -> None:
    """Two inserts in one transaction, with something in between."""
    async with store.transaction(seconds=5) as connection:
        await connection.execute(INSERT)
        await between()
        await connection.execute(INSERT)


async def test_a_transaction_that_loses_its_connection_fails_and_leaves_nothing(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    with pytest.raises(StoreUnavailable):
        await interrupted(store, lambda: kill_backends(owner))

    assert await owner.fetchval("select count(*) from portico.patient") == 0
    assert await ones(store) == [1]


async def test_a_failed_transaction_leaves_nothing_and_gives_its_connection_back(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    async def fail() -> None:
        raise LookupError

    for _ in range(10):
        with pytest.raises(LookupError):
            await interrupted(store, fail)

    assert await owner.fetchval("select count(*) from portico.patient") == 0
    assert await ones(store) == [1]


async def test_a_snapshot_writes_nothing_and_sees_one_moment(
    store: Database, owner: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with store.transaction(seconds=5, snapshot=True) as connection:
        assert await connection.fetchval("select count(*) from portico.patient") == 0
        await owner.execute(INSERT)
        assert await connection.fetchval("select count(*) from portico.patient") == 0

    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        async with store.transaction(seconds=5, snapshot=True) as connection:
            await connection.execute(INSERT)


async def test_an_exhausted_pool_is_waited_for_only_so_long(store_url: str) -> None:
    small = await Database.open(DatabaseConfig(url=store_url, pool_size=1, query_timeout_seconds=0.2))
    try:
        async with small.transaction(seconds=5):
            began = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await small.fetch(ONE)
            assert time.monotonic() - began < 1
        assert await ones(small) == [1]
    finally:
        await small.aclose()


async def test_a_slow_query_is_cut_and_its_connection_serves_again(store_url: str) -> None:
    hasty = await Database.open(DatabaseConfig(url=store_url, pool_size=1, query_timeout_seconds=0.2))
    try:
        with pytest.raises(StoreUnavailable):
            await hasty.fetch("select pg_sleep(30)")
        assert await ones(hasty) == [1]
    finally:
        await hasty.aclose()


async def test_a_database_that_is_away_costs_its_deadline_and_no_more() -> None:
    config = DatabaseConfig(url="postgresql://portico_app@127.0.0.1:1/nowhere", query_timeout_seconds=0.3)
    away = await Database.open(config)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await away.fetch(ONE)
    with pytest.raises(StoreUnavailable):
        async with away.transaction(seconds=0.3):
            pytest.fail("there is no database")
    assert 0.5 < time.monotonic() - began < 3
    await away.aclose()


async def test_a_database_that_does_not_exist_is_unavailable(postgres: Callable[[str], str]) -> None:
    missing = await Database.open(DatabaseConfig(url=postgres("no_such_database")))
    with pytest.raises(StoreUnavailable):
        await missing.fetch(ONE)
    await missing.aclose()


async def test_a_database_without_migrations_says_so(database: str) -> None:
    bare = await Database.open(DatabaseConfig(url=database))
    with pytest.raises(StoreUnavailable, match="not been migrated"):
        await bare.fetch(ONE)
    await bare.aclose()


async def test_a_mistake_in_a_query_is_not_taken_for_an_absent_database(store: Database) -> None:
    began = time.monotonic()
    with pytest.raises(asyncpg.UndefinedTableError):
        await store.fetch("select * from portico.no_such_table")
    assert time.monotonic() - began < 1


async def test_closing_twice_is_no_error_and_a_closed_pool_answers_nothing(store: Database) -> None:
    await ones(store)
    await store.aclose()
    await store.aclose()
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await store.fetch(ONE)
    assert time.monotonic() - began < 1


def test_the_url_with_its_password_is_in_no_representation() -> None:
    assert "hush" not in repr(DatabaseConfig(url="postgresql://portico_app:hush@db/portico"))
