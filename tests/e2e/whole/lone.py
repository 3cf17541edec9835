"""A server as in production, without demo mode, on a database of its own that may be crashed under it.

It asks the running demo's sources and trusts the running demo's identity provider.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from portico.demo import leash
from portico.demo.cluster import Cluster
from portico.demo.guardianships import grant
from portico.demo.stage import free_port
from sandbox.population.model import Population
from tests.e2e.whole.stage import (
    POLL_SECONDS,
    ROOT,
    START_SECONDS,
    STOP_SECONDS,
    Demo,
    Server,
    environment,
    until,
)
from tests.oracles.reply import Json

OWNER_PASSWORD = "of-the-owner"
APPLICATION_PASSWORD = "of-the-application"


@dataclass
class LoneServer(Server):
    """The server and its database, each a process of its own."""

    demo: Demo
    folder: Path
    cluster: Cluster
    settings: Mapping[str, str]
    code: Path = ROOT
    """Where the version that it runs is."""
    server: subprocess.Popen[bytes] | None = None
    postgres: subprocess.Popen[bytes] | None = None

    @classmethod
    async def start(cls, demo: Demo, folder: Path, policies: Path, main: Population) -> LoneServer:
        """The server, ready and told of the guardianships."""
        cluster = Cluster.prepare(folder / "postgres")
        port = free_port("127.0.0.1")
        issuer = demo.running.identity_url
        settings = {
            "port": str(port),
            "tenants": str(demo.state.tenants),
            "secret_file": str(demo.state.key),
            "checkpoint_file": str(folder / "checkpoints"),
            "checkpoint_key_file": str(demo.state.checkpoint_key),
            "checkpoint_interval_seconds": "1",
            "database_url": cluster.url("portico", "portico_app", APPLICATION_PASSWORD),
            "migration_url": cluster.url("portico", "portico_owner", OWNER_PASSWORD),
            "issuer": issuer,
            "jwks_url": f"{issuer}/.well-known/jwks.json",
            "audience": "portico",
            "policies": str(policies),
        }
        lone = cls(url=f"http://127.0.0.1:{port}", demo=demo, folder=folder, cluster=cluster, settings=settings)
        lone.start_database()
        await cluster.own(owner_password=OWNER_PASSWORD, application_password=APPLICATION_PASSWORD)
        lone.start_server()
        await grant(main, settings["database_url"])
        return lone

    def ask(self, persona: str, query: str, **variables: Any) -> Json:
        """The answer to a persona's query."""
        return self.reply(self.demo.token(persona), query, variables).json()

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A superuser's connection to Portico's database."""
        return await asyncpg.connect(self.cluster.url("portico"))

    def start_database(self) -> None:
        """Start PostgreSQL, and wait until it lets someone in."""
        sockets = self.cluster.sockets
        program = (self.cluster.program, "-D", self.cluster.data, "-k", sockets, "-h", "", "-p", "5432")
        self.postgres = self._spawn("postgres", self.cluster.user or "-", *program)
        until("PostgreSQL answers", lambda: _accepts(sockets / ".s.PGSQL.5432"), seconds=START_SECONDS)

    def crash_database(self) -> None:
        """Stop PostgreSQL at once, as by a loss of power; what it has not flushed is lost."""
        assert self.postgres
        self.postgres.send_signal(signal.SIGQUIT)
        self.postgres.wait(STOP_SECONDS)

    def start_server(self) -> None:
        """Start the server, and wait until it is ready."""
        server = self.server = self._spawn("server", "-", sys.executable, "-m", "portico", "serve")
        until("the server is ready", lambda: server.poll() is not None or self.health() == 200, seconds=START_SECONDS)
        assert server.poll() is None, self.log()

    def stop_server(self) -> int:
        """End the server in order. Its exit code."""
        assert self.server
        self.server.send_signal(signal.SIGTERM)
        return self.server.wait(STOP_SECONDS)

    def kill_server(self) -> None:
        """End the server in the midst of whatever it does."""
        assert self.server
        self.server.kill()
        self.server.wait(STOP_SECONDS)

    def portico(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command of the command line with the server's settings, run to its end."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "portico", *arguments],
            cwd=self.code,
            env=environment(**self.settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def log(self) -> str:
        """What the server wrote since it was started."""
        return (self.folder / "server.log").read_text()

    def stop(self) -> None:
        """End both."""
        for process, number in ((self.server, signal.SIGTERM), (self.postgres, signal.SIGINT)):
            if process and process.poll() is None:
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(STOP_SECONDS)
                process.kill()
                process.wait()
        self.cluster.discard_sockets()

    def _spawn(self, name: str, user: str, *command: str | Path) -> subprocess.Popen[bytes]:
        """A process that doesn't outlive this one."""
        bound = (sys.executable, "-I", "-S", leash.__file__, str(os.getpid()), str(int(signal.SIGKILL)), user)
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(  # noqa: S603 - our own commands
                [*bound, *map(str, command)], cwd=self.code, env=environment(**self.settings), stdout=log, stderr=log
            )


def _accepts(path: Path) -> bool:
    """Whether PostgreSQL is past its recovery: until then it answers a start-up with an error."""
    startup = b"user\0postgres\0database\0portico\0\0"
    message = (8 + len(startup)).to_bytes(4, "big") + (196608).to_bytes(4, "big") + startup
    with socket.socket(socket.AF_UNIX) as client, suppress(OSError):
        client.settimeout(20 * POLL_SECONDS)
        client.connect(str(path))
        client.sendall(message)
        answer = client.recv(512)
        return answer.startswith(b"R") or b"3D000" in answer
    return False
