"""`python -m benchmarks.server_profile`: where the server's time goes, for the smallest query and for 100 patients.

By each function's own time. A profiler's own cost lies heavily on small functions: shares are a map, not a measurement.
"""

from __future__ import annotations

import asyncio
import os
import pstats
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from benchmarks.peers.__main__ import LOAD
from benchmarks.plain import plain
from benchmarks.rounds import machine
from benchmarks.stage import Stage, staged
from benchmarks.tiny import CLIENTS, SECONDS, target_of
from benchmarks.wire import Target, closed
from benchmarks.workers import Surroundings, Worker, surroundings, workers

PATIENTS: Final = 400
LINES: Final = 45
Aim = Callable[[Stage, aiohttp.ClientSession, Worker], Awaitable[Target]]


async def main() -> None:
    """Print the functions that take most of an answer."""
    print(machine(["uvicorn", "asyncpg", "aiohttp"]))
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), PATIENTS, edit=plain) as stage, surroundings(stage) as around:
            await _profile("Tiny query", around, target_of, Path(folder) / "tiny")
            await _profile("100 patients", around, _hundred, Path(folder) / "hundred")


async def _hundred(stage: Stage, session: aiohttp.ClientSession, worker: Worker) -> Target:
    target = Target.of(worker.url, [worker.pid], LOAD, {"n": 100}, token=stage.token("biller"))
    await target.ask(session)
    return target


async def _profile(name: str, around: Surroundings, aim: Aim, out: Path) -> None:
    command = ("-m", "benchmarks.profiled", str(out))
    async with workers(around, command=command) as (worker,), aiohttp.ClientSession() as session:
        target = await aim(around.stage, session, worker)
        await closed(session, target, clients=CLIENTS, seconds=SECONDS)
        os.kill(worker.pid, signal.SIGUSR1)
        load = await closed(session, target, clients=CLIENTS, seconds=SECONDS * 2)
    print(f"\n{name}, {CLIENTS} clients, under the profiler {load.cpu:.2f} CPU ms an answer\n")
    await asyncio.to_thread(
        lambda: pstats.Stats(str(out), stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(LINES)
    )


if __name__ == "__main__":
    uvloop.run(main())
