"""`make bench`: source and policy calls by number of patients; latency, rate and CPU beside two rivals."""

from __future__ import annotations

import asyncio
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks.stage import Stage, ask, cpu_seconds, rival, staged

PATIENTS = int(os.environ.get("BENCH_PATIENTS", "1500"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
CLIENTS = 8
LEAST_PATIENTS = 1_200
"""One table asks for 1,000 patients of one clinic, and not everybody is there."""

LOAD = """query($n: Int!) { patients(first: $n) { edges { node { name { family given } birthDate gender mrn ssn
  encounters { edges { node { status period { start } } } }
  claims { edges { node { status type created billed { amount currency } paid { amount currency } } } } } } } }"""

FIELDS = """edges { cursor node { name { family } birthDate
  appointments(first: 1) { edges { node { start status practitioner { name { family } } } } }
  encounters(first: 1) { edges { node { status period { start } } } }
  claims(first: 1) { edges { node { status billed { amount } } } } } } pageInfo { endCursor }"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One server under one load: medians of rounds; milliseconds but for the rate."""

    latency: float
    latency_p99: float
    cpu: float
    rate: float


async def main() -> None:
    """Print both tables."""
    if PATIENTS < LEAST_PATIENTS:
        raise SystemExit(f"BENCH_PATIENTS must be at least {LEAST_PATIENTS}.")
    print(f"python {platform.python_version()}, {os.cpu_count()} processors, {PATIENTS} patients\n")
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), PATIENTS) as stage, aiohttp.ClientSession() as session:
            await calls(stage, session)
            await load(stage, session)


async def calls(stage: Stage, session: aiohttp.ClientSession) -> None:
    """Source and policy calls for 1, 10, 100 and 1,000 patients with their appointments, encounters and claims."""
    token = stage.token("biller")
    print("patients   ehr  scheduling  billing   policy cold  policy warm")
    for number in (1, 10, 100, 1000):
        query = await _pages(stage, session, token, number)
        await stage.forget_decisions(session, token)
        cold = await _portico(session, stage, token, query)
        warm = await _portico(session, stage, token, query)
        asked = {source: use["calls"] for source, use in warm["sources"].items()}
        print(
            f"{number:8} {asked.get('ehr', 0):5} {asked.get('scheduling', 0):11} {asked.get('billing', 0):8}"
            f" {cold['policy']['calls']:13} {warm['policy']['calls']:12}"
        )
    print("(the scheduling vendor takes 50 keys a call; 1,000 patients are ten pages of 100 in one operation)\n")


async def _pages(stage: Stage, session: aiohttp.ClientSession, token: str, number: int) -> str:
    """An operation for so many patients: one page of up to 100, or several pages side by side."""
    size, after, roots = min(number, 100), "", []
    for page in range(max(1, number // 100)):
        arguments = f"first: {size}{after}"
        roots.append(f"p{page}: patients({arguments}) {{ {FIELDS} }}")
        answer: Any = await ask(
            session, stage.running.url, token, f"{{ patients({arguments}) {{ pageInfo {{ endCursor }} }} }}"
        )
        after = f', after: "{answer["data"]["patients"]["pageInfo"]["endCursor"]}"'
    return f"{{ {' '.join(roots)} }}"


async def _portico(session: aiohttp.ClientSession, stage: Stage, token: str, query: str) -> Any:
    answer: Any = await ask(session, stage.running.url, token, query)
    if "errors" in answer:
        raise RuntimeError(answer["errors"][0])
    return answer["extensions"]["portico"]


async def load(stage: Stage, session: aiohttp.ClientSession) -> None:
    """Latency, rate and CPU of the guarded server and its rivals; medians of several rounds."""
    token, pid = stage.token("biller"), stage.running.pids["server"]
    print("patients  server        latency ms   p99 ms   CPU ms/request   requests/s   CPU against by hand")
    async with rival("handwritten", stage) as by_hand, rival("stock", stage) as stock:
        servers = {"portico": (stage.running.url, pid), "by hand": by_hand, "stock": stock}
        for number in (1, 10, 100):
            measured = {
                name: await _measure(session, url, token, process, number) for name, (url, process) in servers.items()
            }
            for name, one in measured.items():
                print(
                    f"{number:8}  {name:12} {one.latency:11.1f} {one.latency_p99:8.1f} {one.cpu:16.2f} {one.rate:12.1f}"
                    f" {one.cpu / measured['by hand'].cpu:21.2f}"
                )
            ratio = measured["portico"].rate / measured["stock"].rate
            print(f"{'':10}portico answers {ratio:.1f} times as many requests as stock Strawberry\n")


async def _measure(session: aiohttp.ClientSession, url: str, token: str, pid: int, number: int) -> Measured:
    for _ in range(3):
        await ask(session, url, token, LOAD, n=number)
    rounds = [await _round(session, url, token, pid, number) for _ in range(ROUNDS)]
    return Measured(
        latency=statistics.median(one.latency for one in rounds),
        latency_p99=statistics.median(one.latency_p99 for one in rounds),
        cpu=statistics.median(one.cpu for one in rounds),
        rate=statistics.median(one.rate for one in rounds),
    )


async def _round(session: aiohttp.ClientSession, url: str, token: str, pid: int, number: int) -> Measured:
    latencies: list[float] = []
    used, ends = cpu_seconds(pid), time.monotonic() + SECONDS / 2
    while time.monotonic() < ends or len(latencies) < 3:
        began = time.perf_counter()
        await ask(session, url, token, LOAD, n=number)
        latencies.append((time.perf_counter() - began) * 1_000)
    cpu = (cpu_seconds(pid) - used) * 1_000 / len(latencies)
    began, done = time.monotonic(), 0

    async def client() -> None:
        nonlocal done
        while time.monotonic() < began + SECONDS / 2:
            await ask(session, url, token, LOAD, n=number)
            done += 1

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    rate = done / (time.monotonic() - began)
    latencies.sort()
    return Measured(
        latency=statistics.median(latencies),
        latency_p99=latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
        cpu=cpu,
        rate=rate,
    )


if __name__ == "__main__":
    asyncio.run(main())
