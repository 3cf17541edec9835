"""`make bench-scale`: what more processes bring, and what more patients cost.

Worker processes listen on a port each (the server shares none), and the load generator goes round them. Answers a
second are the machine's, whose processors the sources, the database and the load generator use too; the slope that
processes would have by themselves is that of answers for each second of their CPU.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop

from benchmarks.plain import plain
from benchmarks.rounds import Spread, machine
from benchmarks.stage import Stage, ask, staged
from benchmarks.table import table
from benchmarks.tiny import target_of
from benchmarks.wire import Load, Target, closed
from benchmarks.workers import Surroundings, Worker, surroundings, workers

PATIENTS: Final = int(os.environ.get("BENCH_PATIENTS", "1500"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
PROCESSES: Final = (1, 2, 4)
SIZES: Final = (1, 10, 100, 1_000)
CLIENTS: Final = 8
PAGE: Final = 100
ANSWERS: Final = 5
MEMORY_TARGET_MIB: Final = 64

ROW: Final = """fragment Row on PatientConnection { pageInfo { endCursor } edges { node {
  name { family given } birthDate gender mrn encounters(first: 3) { edges { node { status period { start } } } }
  appointments(first: 3) { edges { node { start status } } }
  claims(first: 2) { edges { node { status billed { amount } paid { amount } } } } } } }"""


async def main() -> None:
    """Print a table of processes, and one of patients."""
    print(machine(["uvicorn", "asyncpg", "aiohttp"]))
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), PATIENTS, edit=plain) as stage, surroundings(stage) as around:
            await _processes(around)
            await _sizes(around)


async def _processes(around: Surroundings) -> None:
    rows: list[tuple[str, ...]] = []
    rates: dict[int, float] = {}
    for number in PROCESSES:
        async with workers(around, number) as several, aiohttp.ClientSession() as session:
            loads = [await _round(session, around.stage, several) for _ in range(ROUNDS)]
        rate, cpu = Spread([one.rate for one in loads]), Spread([one.cpu for one in loads])
        rates[number] = rate.median
        rows.append((
            str(number), rate.text(1), f"{rate.median / rates[1]:.2f}", cpu.text(),
            f"{number * 1_000 / cpu.median:.0f}", Spread([one.p99 for one in loads]).text(1),
        ))  # fmt: skip
    print(f"\nTiny query, {CLIENTS} clients a process; {ROUNDS} rounds of {SECONDS:g} s\n")
    headings = ("processes", "answers a second", "times one", "CPU ms an answer", "a second, a core each", "p99 ms")
    print(table(headings, rows))


async def _round(session: aiohttp.ClientSession, stage: Stage, several: Sequence[Worker]) -> Load:
    """All processes under load at once; together they are one server."""
    targets = [await target_of(stage, session, worker) for worker in several]
    loads = await asyncio.gather(*(closed(session, target, clients=CLIENTS, seconds=SECONDS) for target in targets))
    rate = sum(load.rate for load in loads)
    return Load(
        rate=rate,
        cpu=sum(load.cpu * load.rate for load in loads) / rate,
        p50=max(load.p50 for load in loads),
        p99=max(load.p99 for load in loads),
    )


async def _sizes(around: Surroundings) -> None:
    rows: list[tuple[str, ...]] = []
    settings = {"PORTICO_SOURCE_TIMEOUT_SECONDS": "60", "PORTICO_REQUEST_TIMEOUT_SECONDS": "90"}
    async with workers(around, settings=settings) as (worker,), aiohttp.ClientSession() as session:
        await (await _pages(session, around.stage, worker, 1)).ask(session)
        per_row, idle = dict[int, float](), await _resident(worker)
        for number in SIZES:
            target = await _pages(session, around.stage, worker, number)
            answer: Any = orjson.loads(await target.ask(session))
            calls = {name: use["calls"] for name, use in answer["extensions"]["portico"]["sources"].items()}
            found = sum(len(page["edges"]) for page in answer["data"].values())
            loads = [await closed(session, target, clients=1, seconds=SECONDS / 2) for _ in range(ROUNDS)]
            above = _peak(worker) - idle
            cpu = Spread([one.cpu for one in loads])
            per_row[number] = cpu.median / found
            rows.append((
                str(found), cpu.text(1), f"{per_row[number]:.2f}", str(calls["ehr"]), str(calls["scheduling"]),
                str(calls["billing"]), f"{above:.1f}",
            ))  # fmt: skip
    print(f"\nPatients with encounters, appointments and claims, one client; {ROUNDS} rounds\n")
    headings = ("patients", "CPU ms an answer", "for each", "EHR calls", "vendor's", "billing's", "MiB above idle")
    print(table(headings, rows))
    print(
        f"\nA thousand rows take {per_row[1_000] / per_row[100]:.2f} times as much each as a hundred,"
        f" and {rows[-1][-1]} MiB of memory above idle (target {MEMORY_TARGET_MIB})."
    )


async def _pages(session: aiohttp.ClientSession, stage: Stage, worker: Worker, number: int) -> Target:
    """So many patients: one page of up to a hundred, or several side by side in one operation."""
    token, size, cursors = stage.token("biller"), min(number, PAGE), list[str | None]([None])
    page = "query($n: Int!, $a: String) { patients(first: $n, after: $a) { pageInfo { endCursor } } }"
    while len(cursors) < number // PAGE:
        answer: Any = await ask(session, worker.url, token, page, n=size, a=cursors[-1])
        cursors.append(answer["data"]["patients"]["pageInfo"]["endCursor"])
    arguments = "".join(f", $a{place}: String" for place in range(len(cursors)))
    roots = " ".join(f"p{place}: patients(first: $n, after: $a{place}) {{ ...Row }}" for place in range(len(cursors)))
    asked = {"n": size, **{f"a{place}": cursor for place, cursor in enumerate(cursors)}}
    return Target.of(
        worker.url, [worker.pid], f"query Load($n: Int!{arguments}) {{ {roots} }} {ROW}", asked, token=token
    )


async def _resident(worker: Worker) -> float:
    """Resident memory in MiB of a server that has answered once and rests; the highest mark is set back to it."""
    await asyncio.sleep(1)
    await asyncio.to_thread(Path(f"/proc/{worker.pid}/clear_refs").write_text, "5")
    return _status(worker, "VmRSS")


def _peak(worker: Worker) -> float:
    """The highest resident memory in MiB since the mark was set back."""
    return _status(worker, "VmHWM")


def _status(worker: Worker, name: str) -> float:
    lines = Path(f"/proc/{worker.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) / 1_024


if __name__ == "__main__":
    uvloop.run(main())
