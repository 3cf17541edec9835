"""`python -m benchmarks.tiny`: the smallest guarded query over HTTP, its audit row committed before it is answered.

One patient, three fields. Requests a second are those of one core of the server process: its CPU an answer, inverted,
because on a small machine the sources, the database and the load generator have the rest. Latency is taken at half of
that rate, open loop.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop

from benchmarks.rounds import Spread, machine
from benchmarks.stage import Stage, ask, staged
from benchmarks.table import table
from benchmarks.wire import Load, Target, closed, opened
from benchmarks.workers import Surroundings, Worker, surroundings, workers

QUERY: Final = "query Tiny($id: ID!) { patient(id: $id) { name { family } birthDate mrn } }"
PERSONA: Final = "biller"
CLIENTS: Final = 16
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
PATIENTS: Final = 200
TARGET_RATE: Final = 1_000
TARGET_P99_MS: Final = 25


async def main() -> None:
    """Print the rate of one core, and the latencies at half of it."""
    print(machine(["uvicorn", "asyncpg", "aiohttp"]))
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), PATIENTS) as stage, surroundings(stage) as around:
            await _rates(around)


async def target_of(stage: Stage, session: aiohttp.ClientSession, worker: Worker) -> Target:
    """The tiny query about each of the first patients whom the persona sees."""
    token = stage.token(PERSONA)
    found: Any = await ask(session, worker.url, token, "{ patients(first: 100) { edges { node { id } } } }")
    ids = [{"id": edge["node"]["id"]} for edge in found["data"]["patients"]["edges"]]
    target = Target.of(worker.url, [worker.pid], QUERY, *ids, token=token)
    answer = orjson.loads(await target.ask(session))
    if "errors" in answer or answer["data"]["patient"] is None:
        raise RuntimeError("the tiny query isn't answered in full")
    return target


async def _rates(around: Surroundings) -> None:
    async with workers(around) as (worker,), aiohttp.ClientSession() as session:
        target = await target_of(around.stage, session, worker)
        await closed(session, target, clients=CLIENTS, seconds=SECONDS)
        full = [await closed(session, target, clients=CLIENTS, seconds=SECONDS) for _ in range(ROUNDS)]
        rate = 1_000 / Spread([one.cpu for one in full]).median
        served = Spread([one.rate for one in full]).median
        # Half of what one core would do, as far as this machine can: all the others' work is on it too.
        half = min(rate / 2, served * 0.6)
        calm = [await opened(session, target, rate=half, seconds=SECONDS) for _ in range(ROUNDS)]
    print(f"\n{ROUNDS} rounds of {SECONDS:g} s, one server process\n")
    print(table(("tiny query", "answers a second", "CPU ms", "p50 ms", "p99 ms"), [
        _row(f"{CLIENTS} clients", full), _row(f"{half:.0f} a second, open loop", calm),
    ]))  # fmt: skip
    p99 = Spread([one.p99 for one in calm]).median
    print(
        f"\nOne core of the server answers {rate:.0f} a second (target {TARGET_RATE});"
        f" p99 at {half:.0f} a second is {p99:.1f} ms (target {TARGET_P99_MS})."
    )


def _row(name: str, loads: list[Load]) -> tuple[str, ...]:
    figures = ([getattr(load, what) for load in loads] for what in ("rate", "cpu", "p50", "p99"))
    return (name, *(Spread(each).text(1 if number == 0 else 2) for number, each in enumerate(figures)))


if __name__ == "__main__":
    uvloop.run(main())
