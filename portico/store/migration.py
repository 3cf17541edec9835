"""Numbered SQL migrations: run once each, in order, all or none; what was run may never be edited.

Each is `migrations/NNNN_name.sql`. The database remembers number, name and SHA-256 of what it ran.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.resources import files

import asyncpg

from portico.records.errors import Fault

_FILE = re.compile(r"(\d{4})_(\w+)\.sql")
_REGISTER = """
create schema if not exists portico;
create table if not exists portico.migration (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)
"""


class MigrationRefused(Fault):
    """The database and the migrations at hand don't belong together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step from an older shape of the database to a newer one."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of its text, in hex."""
        return sha256(self.sql.encode()).hexdigest()


def read_migrations(package: str = "portico.store") -> tuple[Migration, ...]:
    """The migrations that come with this version, in order, numbered 1, 2, 3 without a gap."""
    entries = sorted(files(package).joinpath("migrations").iterdir(), key=lambda entry: entry.name)
    found = [
        Migration(number=int(match[1]), name=match[2], sql=entry.read_text("utf-8"))
        for entry in entries
        if (match := _FILE.fullmatch(entry.name))
    ]
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise MigrationRefused("The migrations are not numbered 1, 2, 3 without a gap.")
    return tuple(found)


MIGRATIONS = read_migrations()


async def migrate(url: str, migrations: Sequence[Migration] = MIGRATIONS) -> tuple[str, ...]:
    """Bring the database up to date and name what was run; the URL's user owns what is made.

    Processes that start at once wait for each other. Raises `MigrationRefused` and changes nothing where the
    database has run a migration that was edited since or that this version doesn't know.
    """
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('portico.migration', 0))")
            await connection.execute(_REGISTER)
            missing = _missing(await _applied(connection), migrations)
            for migration in missing:
                await connection.execute(migration.sql)
                await connection.execute(
                    "insert into portico.migration (number, name, checksum) values ($1, $2, $3)",
                    migration.number,
                    migration.name,
                    migration.checksum,
                )
    finally:
        await connection.close()
    return tuple(_title(migration) for migration in missing)


async def pending(url: str, migrations: Sequence[Migration] = MIGRATIONS) -> tuple[str, ...]:
    """The migrations that the database still lacks. Changes nothing; the application's role may ask.

    Raises `MigrationRefused` as `migrate` does.
    """
    connection = await asyncpg.connect(url)
    try:
        if not await connection.fetchval("select to_regclass('portico.migration') is not null"):
            return tuple(_title(migration) for migration in migrations)
        return tuple(_title(migration) for migration in _missing(await _applied(connection), migrations))
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused("The database's role may not read which migrations were run.") from error
    finally:
        await connection.close()


async def _applied(connection: asyncpg.Connection[asyncpg.Record]) -> Mapping[int, str]:
    rows = await connection.fetch("select number, checksum from portico.migration")
    return {row["number"]: row["checksum"] for row in rows}


def _missing(applied: Mapping[int, str], migrations: Sequence[Migration]) -> tuple[Migration, ...]:
    known = {migration.number: migration for migration in migrations}
    for number, checksum in sorted(applied.items()):
        if number not in known:
            raise MigrationRefused(f"The database has run migration {number:04}, which this version doesn't know.")
        if known[number].checksum != checksum:
            raise MigrationRefused(f"Migration {_title(known[number])} was changed after the database ran it.")
    missing = tuple(migration for migration in migrations if migration.number not in applied)
    if missing and applied and missing[0].number < max(applied):
        raise MigrationRefused(f"The database has run later migrations, but not {_title(missing[0])}.")
    return missing


def _title(migration: Migration) -> str:
    return f"{migration.number:04}_{migration.name}"
