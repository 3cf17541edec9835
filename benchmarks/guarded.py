"""`python -m benchmarks.guarded`: a guarded read over HTTP, beside the same read under policies that allow all.

Two servers on the same database and sources differ in their policies and in nothing else. The query asks for what the
persona may see in full, so that both give the same values; a single client asks, and the servers take turns.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

import aiohttp
import uvloop

from benchmarks.memory.bundle import allow_all
from benchmarks.rounds import Spread, machine
from benchmarks.stage import staged
from benchmarks.table import table
from benchmarks.wire import Load, Target, closed
from benchmarks.workers import surroundings, workers

QUERIES: Final = {
    "one patient": (
        "query One($n: Int!) { patients(first: $n) { edges { node { name { family } birthDate mrn } } } }",
        1,
    ),
    "100 patients with encounters and claims": (
        """query Many($n: Int!) { patients(first: $n) { edges { node { name { family given } birthDate gender mrn ssn
  encounters { edges { node { status period { start end } } } }
  claims { edges { node { status type created billed { amount currency } paid { amount currency } } } } } } } }""",
        100,
    ),
}
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
PATIENTS: Final = 400
MORE_LIMIT: Final = 0.10


async def main() -> None:
    """Print one table for each query."""
    print(machine(["uvicorn", "asyncpg", "aiohttp"]))
    with tempfile.TemporaryDirectory() as folder:
        async with staged(Path(folder), PATIENTS) as stage, surroundings(stage) as around:
            opened = allow_all(stage.policies, Path(folder))
            async with (
                workers(around) as (guarded,),
                workers(around, settings={"PORTICO_POLICIES": str(opened)}) as (allowing,),
                aiohttp.ClientSession() as session,
            ):
                for name, (query, number) in QUERIES.items():
                    targets = {
                        what: Target.of(one.url, [one.pid], query, {"n": number}, token=stage.token("biller"))
                        for what, one in (("guarded", guarded), ("policies that allow all", allowing))
                    }
                    print(f"\n{name}; {ROUNDS} rounds of {SECONDS:g} s, one client\n")
                    _print(await _measured(session, targets))


async def _measured(session: aiohttp.ClientSession, targets: dict[str, Target]) -> dict[str, list[Load]]:
    for target in targets.values():
        await closed(session, target, clients=1, seconds=SECONDS)
    loads: dict[str, list[Load]] = {name: [] for name in targets}
    for _ in range(ROUNDS):
        for name, target in targets.items():
            loads[name].append(await closed(session, target, clients=1, seconds=SECONDS))
    return loads


def _print(loads: dict[str, list[Load]]) -> None:
    p50 = {name: Spread([one.p50 for one in of]) for name, of in loads.items()}
    cpu = {name: Spread([one.cpu for one in of]) for name, of in loads.items()}
    print(table(("", "p50 ms", "CPU ms"), [(name, p50[name].text(), cpu[name].text()) for name in loads]))
    guarded, allowing = p50.values()
    print(f"\nGuarded takes {guarded.median / allowing.median - 1:+.1%} at p50 (target at most {MORE_LIMIT:+.0%}).")


if __name__ == "__main__":
    uvloop.run(main())
