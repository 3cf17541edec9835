"""Portico's server processes for measurements: as the demo's own, with a vendor that has no rate limit.

They stand beside a running demo, on its database, sources and identity provider. Checkpoints are the demo's own to
write; a second process on the same file would measure their lock.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from benchmarks.stage import ROOT, Stage, free_port
from portico.demo.tenants_file import TITLES

_SERVE: Final = ("-m", "portico", "serve")
_AS_IN_THE_DEMO: Final[Mapping[str, str]] = {}
_READY_SECONDS: Final = 60.0
_RATE: Final = "requests_per_second = 9\n"


@dataclass(frozen=True, slots=True)
class Worker:
    """One server process: where it listens, and its process id."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every server that is measured works with: the tenants file and the vendor without a limit."""

    stage: Stage
    tenants: Path
    vendor_url: str


@asynccontextmanager
async def surroundings(stage: Stage) -> AsyncIterator[Surroundings]:
    """The demo's sources, of which the vendor is another, until the block ends."""
    populations = [str(stage.state.population(tenant)) for tenant in TITLES]
    vendor = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.vendor", str(stage.state.secrets), *populations,
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        if vendor.stdout is None:
            raise RuntimeError("the vendor says nothing")
        announced: Any = orjson.loads(await vendor.stdout.readline())
        text = stage.state.tenants.read_text().replace(stage.running.sources["scheduling"], announced["url"])
        tenants = stage.state.folder / "unlimited.toml"
        tenants.write_text(text.replace(_RATE, ""))
        yield Surroundings(stage, tenants, announced["url"])
    finally:
        vendor.terminate()
        await vendor.wait()


@asynccontextmanager
async def workers(
    around: Surroundings,
    number: int = 1,
    *,
    command: Sequence[str] = _SERVE,
    settings: Mapping[str, str] = _AS_IN_THE_DEMO,
) -> AsyncIterator[Sequence[Worker]]:
    """So many processes of the server, ready; `command` is what Python is to run for it."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(_worker(around, command, settings)) for _ in range(number)]


@asynccontextmanager
async def _worker(around: Surroundings, command: Sequence[str], settings: Mapping[str, str]) -> AsyncIterator[Worker]:
    port = free_port()
    environment = _environment(around.stage.running.pids["server"]) | {
        "PORTICO_PORT": str(port),
        "PORTICO_TENANTS": str(around.tenants),
        **settings,
    }
    for name in ("PORTICO_CHECKPOINT_FILE", "PORTICO_CHECKPOINT_KEY_FILE", "PORTICO_MIGRATION_URL"):
        environment.pop(name, None)
    with (around.stage.state.logs / f"worker-{port}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        url = f"http://127.0.0.1:{port}"
        await _ready(url, process)
        yield Worker(url, process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def _environment(pid: int) -> dict[str, str]:
    """What a process of ours was started with."""
    pairs = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(pair.split("=", 1) for pair in pairs)


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(_READY_SECONDS), aiohttp.ClientSession() as session:
        while process.returncode is None:
            try:
                async with session.get(f"{url}/health/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("a server ended before it was ready")
