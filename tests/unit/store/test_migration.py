"""Migrations run once each, in order, all or none."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import asyncpg
import pytest

from portico.store.migration import MIGRATIONS, Migration, MigrationRefused, migrate, pending, read_migrations

FIRST = Migration(number=1, name="first", sql="create table portico.first (id int)")
SECOND = Migration(number=2, name="second", sql="create table portico.second (id int)")
BROKEN = Migration(number=2, name="broken", sql="create table portico.second (id int); select 1/0")


async def tables(url: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        return {
            row["name"]
            for row in await connection.fetch("select tablename as name from pg_tables where schemaname = 'portico'")
        }
    finally:
        await connection.close()


async def test_an_empty_database_gets_everything_once(database: str) -> None:
    everything = tuple(f"{migration.number:04}_{migration.name}" for migration in MIGRATIONS)

    assert await pending(database) == everything
    assert await migrate(database) == everything
    assert await migrate(database) == ()
    assert await pending(database) == ()


async def test_the_applications_role_may_ask_what_is_missing(store_url: str) -> None:
    assert await pending(store_url) == ()
    further = Migration(number=len(MIGRATIONS) + 1, name="further", sql="select 1")
    assert await pending(store_url, (*MIGRATIONS, further)) == (f"{further.number:04}_further",)


async def test_a_later_version_adds_what_is_new(database: str) -> None:
    assert await migrate(database, [FIRST]) == ("0001_first",)
    assert await migrate(database, [FIRST, SECOND]) == ("0002_second",)
    assert await tables(database) == {"migration", "first", "second"}


async def test_an_edited_migration_is_refused_and_nothing_changes(database: str) -> None:
    await migrate(database, [FIRST])
    edited = replace(FIRST, sql=FIRST.sql + " -- harmless?")

    with pytest.raises(MigrationRefused, match="0001_first was changed"):
        await migrate(database, [edited, SECOND])
    with pytest.raises(MigrationRefused, match="0001_first was changed"):
        await pending(database, [edited, SECOND])
    assert await tables(database) == {"migration", "first"}


async def test_a_database_of_a_newer_version_is_refused(database: str) -> None:
    await migrate(database, [FIRST, SECOND])

    with pytest.raises(MigrationRefused, match="0002"):
        await migrate(database, [FIRST])


async def test_a_migration_that_comes_before_one_already_run_is_refused(database: str) -> None:
    await migrate(database, [FIRST, SECOND])
    connection = await asyncpg.connect(database)
    await connection.execute("delete from portico.migration where number = 1")
    await connection.close()

    with pytest.raises(MigrationRefused, match="not 0001_first"):
        await migrate(database, [FIRST, SECOND])


async def test_a_failing_migration_takes_the_others_back_with_it(database: str) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate(database, [FIRST, BROKEN])
    assert await tables(database) == set()


async def test_processes_that_start_at_once_migrate_once(database: str) -> None:
    done = await asyncio.gather(*(migrate(database) for _ in range(4)))

    assert sorted(map(len, done)) == [0, 0, 0, len(MIGRATIONS)]


async def test_a_role_that_may_not_look_is_told_so(database: str) -> None:
    await migrate(database, [FIRST])
    connection = await asyncpg.connect(database)
    await connection.execute(
        "do $$ begin create role portico_app login; exception when duplicate_object then null; end $$"
    )
    await connection.close()

    with pytest.raises(MigrationRefused, match="may not read"):
        await pending(database.replace("postgres:@", "portico_app@"), [FIRST])


def test_the_migrations_at_hand_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in read_migrations()] == list(range(1, len(MIGRATIONS) + 1))
