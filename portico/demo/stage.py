"""Brings the whole demo up, in parallel where possible, and down again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from random import SystemRandom
from typing import Any, Final

import aiohttp

from portico.demo.children import Child, Children, DemoFailed
from portico.demo.client import Refused
from portico.demo.cluster import Cluster
from portico.demo.complaints import Complaints
from portico.demo.greeting import greeting
from portico.demo.guardianships import grant
from portico.demo.state import Running, State
from portico.demo.tenants_file import TITLES, tenants_file
from sandbox.population import storage

SIZES: Final[Mapping[str, int]] = {"riverbend": 60, "harbor": 12}

_MAIN: Final = next(iter(TITLES))
_AUDIENCE: Final = "portico"
_ROOT: Final = Path(__file__).resolve().parents[2]
_READY_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_OK: Final = 200
_NEVER_PICKED: Final = range(16_384, 32_768)
"""Ports that an operating system gives to nobody who asks for any (Linux picks from 32,768 on, others higher)."""
_PORTS_TRIED: Final = 100
_PORTS: Final = range(65_536)


async def run(state: State, *, data: Path | None, say: Callable[[str], None]) -> None:
    """Serve until SIGINT, SIGTERM or SIGHUP comes, then leave no process behind. `say` is for human eyes.

    Raises `DemoFailed` where a part can't start, or ends by itself.
    """
    loop, began = asyncio.get_running_loop(), time.monotonic()
    with state.held():
        state.prepare()
        async with Children(state.logs) as children:
            performance = asyncio.create_task(children.guard(_Performance(state, children, data, say).play(began)))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, performance.cancel)
            with contextlib.suppress(asyncio.CancelledError):
                await performance
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, lambda: None)
            say("stopping")


class _Performance:
    """One run of the demo."""

    def __init__(self, state: State, children: Children, data: Path | None, say: Callable[[str], None]) -> None:
        self._state = state
        self._children = children
        self._data = data
        self._say = say
        self._environment = {**os.environ, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"}

    async def play(self, began: float) -> None:
        """Start everything, say where it is, and go on for ever."""
        running = await self._start()
        self._state.announce(running)
        self._say(greeting(running))
        self._say(f"ready after {time.monotonic() - began:.1f} seconds: {running.url}/graphql")
        await Complaints(self._state.logs / "server.log").follow(self._say)

    async def _start(self) -> Running:
        host, port = _address()
        cluster, _ = await asyncio.gather(asyncio.to_thread(Cluster.prepare, self._state.database), self._populate())
        sources = await self._start_sources(cluster)
        self._state.tenants.write_text(
            tenants_file(
                ehr=sources["ehr"]["url"],
                scheduling=sources["scheduling"]["url"],
                billing=sources["billing"]["ports"],
                alerts=sources["alerts"]["url"],
            )
        )
        database_url = cluster.url("portico", "portico_app", self._state.secret("database"))
        environment = {
            "PORTICO_HOST": host,
            "PORTICO_PORT": str(port),
            "PORTICO_DATABASE_URL": database_url,
            "PORTICO_MIGRATION_URL": cluster.url("portico", "portico_owner", self._state.secret("database-owner")),
            **self._identity(sources["identity"]["url"]),
        }
        server = await self._children.start(
            "server", sys.executable, "-m", "portico", "serve", env=self._environment | environment
        )
        url = f"http://{host}:{port}"
        await _ready(f"{url}/health/ready", server)
        await grant(await asyncio.to_thread(storage.load, self._state.population(_MAIN)), database_url)
        controls = {name: str(sources[name]["url"]) for name in ("ehr", "scheduling", "billing", "alerts")}
        return Running(
            url=url,
            identity_url=sources["identity"]["url"],
            database_url=database_url,
            sources=controls,
            pids=self._children.pids,
        )

    async def _populate(self) -> None:
        """Make the populations that are missing or out of date; the main one anew where there are bundles to add."""
        async with asyncio.TaskGroup() as group:
            for tenant, size in SIZES.items():
                extra = ("--data", self._data) if self._data and tenant == _MAIN else ()
                out = self._state.population(tenant)
                if extra or not await asyncio.to_thread(storage.is_current, out):
                    group.create_task(self._make(tenant, size, out, *extra))

    async def _make(self, tenant: str, size: int, out: Path, *extra: str | Path) -> None:
        what = ("population", "--tenant", tenant, "--size", str(size), "--out", out, *extra)
        made = await self._children.run(f"population-{tenant}", *self._sandbox(*what), env=self._environment)
        if extra:
            self._say(made.log.read_text())

    async def _start_sources(self, cluster: Cluster) -> Mapping[str, Mapping[str, Any]]:
        """Start PostgreSQL and the processes of the sandbox; what each announced, by name."""
        async with asyncio.TaskGroup() as group:
            secrets = ("--secrets", self._state.secrets)
            identity = ("--key", self._state.secrets / "identity", "--audience", _AUDIENCE)
            port = ("--port", str(self._state.identity_port()))
            tasks = {
                "ehr": group.create_task(self._listen("ehr", "fhir", *secrets)),
                "scheduling": group.create_task(self._listen("scheduling", "scheduling", *secrets)),
                "alerts": group.create_task(self._listen("alerts", "alerts", *secrets)),
                "identity": group.create_task(self._listen("identity", "identity", *identity, *port)),
            }
            await cluster.start(self._children)
            upstream = ("--upstream", cluster.url("postgres"))
            tasks["billing"] = group.create_task(self._listen("billing", "billing", *secrets, *upstream))
            await cluster.own(
                owner_password=self._state.secret("database-owner"), application_password=self._state.secret("database")
            )
        announced = {name: task.result() for name, task in tasks.items()}
        self._state.keep_identity_port(announced["identity"]["url"])
        return announced

    async def _listen(self, name: str, command: str, *arguments: str | Path) -> Mapping[str, Any]:
        populations = [part for tenant in TITLES for part in ("--population", self._state.population(tenant))]
        child = await self._children.start(
            name, *self._sandbox(command, *populations, *arguments), env=self._environment, announces=True
        )
        return await child.announcement()

    def _sandbox(self, *arguments: str | Path) -> tuple[str | Path, ...]:
        return (sys.executable, "-m", "sandbox", *arguments)

    def _identity(self, issuer: str) -> Mapping[str, str]:
        state = self._state
        return {
            "PORTICO_DEMO": "true",
            "PORTICO_STATE": str(state.folder),
            "PORTICO_TENANTS": str(state.tenants),
            "PORTICO_SECRET_FILE": str(state.key),
            "PORTICO_CHECKPOINT_FILE": str(state.checkpoints),
            "PORTICO_CHECKPOINT_KEY_FILE": str(state.checkpoint_key),
            "PORTICO_ISSUER": issuer,
            "PORTICO_JWKS_URL": f"{issuer}/.well-known/jwks.json",
            "PORTICO_AUDIENCE": _AUDIENCE,
            "PORTICO_POLICIES": os.environ.get("PORTICO_POLICIES", str(_ROOT / "policies")),
        }


def _address() -> tuple[str, int]:
    """Where the server will listen; for port 0, wherever is free.

    Raises `Refused` for what is no port, `DemoFailed` where somebody else listens there.
    """
    host, given = os.environ.get("PORTICO_HOST", "127.0.0.1"), os.environ.get("PORTICO_PORT", "8000")
    if not (given.isascii() and given.isdigit() and int(given) in _PORTS):
        raise Refused("PORTICO_PORT must be a number from 0 to 65535")
    port = int(given)
    if port == 0:
        return host, free_port(host)
    if not _is_free(host, port):
        raise DemoFailed(f"port {port} of {host} is not free; set PORTICO_PORT to another one")
    return host, port


def free_port(host: str) -> int:
    """A port to listen on in a while. Raises `DemoFailed` where none is found.

    One that the system picked would be back among those that it picks for the next connection to anywhere.
    """
    for port in SystemRandom().sample(_NEVER_PICKED, _PORTS_TRIED):
        if _is_free(host, port):
            return port
    raise DemoFailed(f"no port of {host} is free; set PORTICO_PORT to one that is")


def _is_free(host: str, port: int) -> bool:
    try:
        with socket.create_server((host, port)):
            return True
    except OSError:
        return False


async def _ready(url: str, server: Child) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    async with aiohttp.ClientSession() as session:
        while time.monotonic() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url, timeout=aiohttp.ClientTimeout(total=2)) as response:
                    if response.status == _OK:
                        return
            await asyncio.sleep(_POLL_SECONDS)
    raise DemoFailed(f"the server is not ready after {_READY_SECONDS:.0f} seconds; see {server.log}")
