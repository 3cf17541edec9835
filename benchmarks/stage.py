"""The demo's processes with a larger population, and a process for each rival beside them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from portico.demo import client
from portico.demo.state import Running, State
from sandbox.population import storage
from sandbox.population.model import Population

ROOT = Path(__file__).resolve().parent.parent
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A running demo whose policies may be edited."""

    state: State
    running: Running
    policies: Path

    def token(self, persona: str) -> str:
        """A persona's access token."""
        return client.token(self.running, persona, None)

    async def forget_decisions(self, session: aiohttp.ClientSession, token: str) -> None:
        """Change the policies in a comment, and wait until the new revision answers: nothing is remembered then."""
        before = await self._revision(session, token)
        with (self.policies / "portico" / "matrix" / "data.yaml").open("a") as file:
            file.write("\n# edited\n")
        while await self._revision(session, token) == before:  # noqa: ASYNC110  only asking tells it
            await asyncio.sleep(0.1)

    async def _revision(self, session: aiohttp.ClientSession, token: str) -> str:
        answer: Any = await ask(session, self.running.url, token, "{ viewer { tenant } }")
        return str(answer["extensions"]["portico"]["policy"]["revision"])


@asynccontextmanager
async def staged(
    folder: Path, patients: int, *, edit: Callable[[Population], Population] | None = None
) -> AsyncIterator[Stage]:
    """A demo with so many patients, until the block ends. `edit` changes its main population beforehand."""
    state = State(folder / "state")
    state.folder.mkdir()
    policies = folder / "policies"
    shutil.copytree(ROOT / "policies", policies)
    await _run("-m", "sandbox", "population", "--tenant", "riverbend", "--size", str(patients), "--out",
               str(state.population("riverbend")))  # fmt: skip
    if edit is not None:
        storage.save(edit(storage.load(state.population("riverbend"))), state.population("riverbend"))
    environment = {
        **os.environ,
        "PORTICO_STATE": str(state.folder),
        "PORTICO_PORT": str(free_port()),
        "PORTICO_POLICIES": str(policies),
        "PORTICO_LINK_INTERVAL_SECONDS": "3600",
        # A thousand patients' appointments take the vendor some seconds at its ten requests a second.
        "PORTICO_SOURCE_TIMEOUT_SECONDS": "30",
        "PORTICO_REQUEST_TIMEOUT_SECONDS": "40",
    }
    demo = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "portico", "demo", cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        await _ready(demo)
        yield Stage(state=state, running=state.running(), policies=policies)
    finally:
        demo.terminate()
        await demo.wait()


@asynccontextmanager
async def rival(kind: str, stage: Stage) -> AsyncIterator[tuple[str, int]]:
    """A rival's URL and process id."""
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.rivals", kind, str(stage.state.tenants), str(stage.policies), str(port),
        cwd=ROOT, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        await _ready(process)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        await process.wait()


async def ask(
    session: aiohttp.ClientSession, url: str, token: str, query: str, **variables: object
) -> dict[str, object]:
    """One GraphQL answer."""
    async with session.post(
        f"{url}/graphql",
        json={"query": query, "variables": variables},
        headers={"Authorization": f"Bearer {token}"},
    ) as response:
        answer: dict[str, object] = await response.json()
        return answer


def cpu_seconds(pid: int) -> float:
    """What a process has used of the processors so far, in user and system mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


async def _ready(process: asyncio.subprocess.Process) -> None:
    """Wait for the line that begins with `ready`."""
    stream = process.stdout
    while stream is not None and (line := await stream.readline()):
        if line.startswith(b"ready"):
            return
    raise RuntimeError("a process ended before it was ready")


async def _run(*arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, cwd=ROOT)
    if await process.wait():
        raise RuntimeError(f"{' '.join(arguments)} failed")
