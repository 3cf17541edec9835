"""Who may log in to which billing database, and the database made ready for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import asyncpg

from sandbox.billing.ledger import load
from sandbox.population.model import Population

READABLE: Final = {
    "sbscr": ("sbscr_no", "mbr_id", "chart_no", "lst_nm", "fst_nm", "dob", "del_flg"),
    "clm_hdr": ("*",),
    "clm_ln": ("*",),
    "remit": ("*",),
}
"""What a reader may select: whole tables, or single columns. Social security numbers are not among them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One tenant's database, and the only login that its front accepts."""

    tenant: str
    database: str
    user: str = "billing_reader"
    password: str = field(repr=False)


async def prepare(superuser_url: str, account: Account, population: Population) -> None:
    """Make the account's database and role where they are missing, and fill the database anew.

    Cost: about 100 ms for 60 people. Safe to repeat; whatever stood in the database is replaced.
    """
    server = await asyncpg.connect(superuser_url)
    try:
        await _make_database(server, account.database)
        await _make_role(server, account)
    finally:
        await server.close()
    connection = await asyncpg.connect(superuser_url, database=account.database)
    try:
        await load(connection, population)
        await _grant(connection, account.user)
    finally:
        await connection.close()


async def _make_database(server: asyncpg.Connection[asyncpg.Record], database: str) -> None:
    if not await server.fetchval("select exists (select from pg_database where datname = $1)", database):
        await _run(server, "create database %I", database)
    await _run(server, "revoke all on database %I from public", database)


async def _make_role(server: asyncpg.Connection[asyncpg.Record], account: Account) -> None:
    if not await server.fetchval("select exists (select from pg_roles where rolname = $1)", account.user):
        await _run(server, "create role %I", account.user)
    await _run(server, "alter role %I login password %L", account.user, account.password)
    await _run(server, "alter role %I set default_transaction_read_only = on", account.user)
    await _run(server, "grant connect on database %I to %I", account.database, account.user)


async def _grant(connection: asyncpg.Connection[asyncpg.Record], user: str) -> None:
    for table, columns in READABLE.items():
        chosen = "" if columns == ("*",) else f"({', '.join(columns)})"
        await _run(connection, f"grant select {chosen} on {table} to %I", user)


async def _run(connection: asyncpg.Connection[asyncpg.Record], template: str, *names: str) -> None:
    """Run a statement whose names can't be bound: the server itself quotes them into the template."""
    places = ", ".join(f"${n}::text" for n in range(1, len(names) + 2))
    await connection.execute(await connection.fetchval(f"select format({places})", template, *names))
