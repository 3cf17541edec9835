"""Somebody who got hold of the application's login to Portico's own database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

EVIL = """
create function pg_temp.evil(pg_catalog.jsonb) returns boolean language plpgsql as $$
begin
    raise notice 'as %', current_user;
    execute 'alter table portico.audit disable trigger append_only';
    return true;
end
$$
"""
DISGUISE = "create domain pg_temp.jsonb as pg_catalog.jsonb check (pg_temp.evil(value))"
APPEND = """select portico.audit_append(array['{"tenant": "riverbend"}'])"""


@pytest.fixture
async def intruder(store_url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(store_url)
    yield connection
    await connection.close()


async def test_the_application_can_make_nothing_temporary(intruder: asyncpg.Connection[asyncpg.Record]) -> None:
    for statement in (EVIL, DISGUISE, "create temporary table audit_head (tenant text)"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await intruder.execute(statement)


async def test_a_temporary_type_does_not_run_as_the_owner_even_where_it_can_be_made(
    database: str, intruder: asyncpg.Connection[asyncpg.Record]
) -> None:
    owner = await asyncpg.connect(database)
    try:
        await owner.execute(
            "do $$ begin execute format('grant temporary on database %I to public', current_database()); end $$"
        )
        await intruder.execute(EVIL)
        await intruder.execute(DISGUISE)
        heard: list[str] = []
        intruder.add_log_listener(lambda _, message: heard.append(str(message)))
        with pytest.raises(asyncpg.NotNullViolationError):
            await intruder.execute(APPEND)
        assert heard == []
        assert (
            await owner.fetchval("select tgenabled from pg_trigger where tgrelid = 'portico.audit'::regclass") == b"A"
        )
    finally:
        await owner.close()


async def test_every_function_of_portico_looks_into_the_temporary_schema_last(
    intruder: asyncpg.Connection[asyncpg.Record],
) -> None:
    rows = await intruder.fetch(
        "select proname, proconfig from pg_proc where pronamespace = 'portico'::regnamespace order by proname"
    )
    assert rows
    for row in rows:
        assert "search_path=pg_catalog, pg_temp" in (row["proconfig"] or []), row["proname"]
