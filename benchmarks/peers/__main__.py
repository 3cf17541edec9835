"""`python -m benchmarks.peers`: Portico beside three GraphQL servers under Node.js, over the same simulated sources.

Each serves the same query from the same source processes: an EHR over FHIR with client credentials, a scheduling
vendor over REST (its rate limit lifted for all), billing in PostgreSQL. Portico decides by its policies and commits
an audit row for each answer; the others do neither, and check no token. Before anything is measured, the answers'
data are compared.

On a small machine sources, database and load generator take most of the processors, so requests a second and latency
are those of the whole; CPU is the server process's own.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson
import uvloop

from benchmarks.peers.servers import BY_HAND, FOLDER, PEERS, configuration, peer, versions
from benchmarks.plain import plain
from benchmarks.rounds import Spread, install, machine, node
from benchmarks.stage import staged
from benchmarks.table import table
from benchmarks.wire import Load, Target, closed
from benchmarks.workers import Surroundings, surroundings, workers

PATIENTS: Final = 400
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS: Final = float(os.environ.get("BENCH_SECONDS", "4"))
CLIENTS: Final = 8
PORTICO: Final = "Portico, policies and audit on"

LOAD: Final = """query Load($n: Int!) { patients(first: $n) { edges { node { name { family given } birthDate
  gender mrn ssn encounters { edges { node { status class { code } period { start end } } } }
  appointments { edges { node { start end status } } }
  claims { edges { node { status type created billed { amount currency } paid { amount currency } } } } } } } }"""
TINY: Final = "query Tiny($n: Int!) { patients(first: $n) { edges { node { name { family } birthDate mrn } } } }"
QUERIES: Final = {
    "100 patients with encounters, appointments and claims": (LOAD, range(100, 100 - CLIENTS, -1)),
    "one patient, three fields": (TINY, range(1, 2)),
}
"""For so many patients, in turns: a few less than a hundred, so that no two clients ask the same at once."""


async def main() -> None:
    """Print one table for each query."""
    print(machine(["aiohttp", "asyncpg", "uvicorn"]))
    executable = node()
    if executable is None or not install(FOLDER):
        print("\nNode.js or npm is missing, or the packages can't be installed: no peer is measured.")
        return
    print(versions())
    with tempfile.TemporaryDirectory() as folder:
        async with (
            staged(Path(folder), PATIENTS, edit=plain) as stage,
            surroundings(stage) as around,
            servers(around, executable) as urls,
            aiohttp.ClientSession() as session,
        ):
            for name, (query, numbers) in QUERIES.items():
                asked = [{"n": number} for number in numbers]
                targets = {
                    server: Target.of(url, [pid], query, *asked, token=stage.token("biller"))
                    for server, (url, pid) in urls.items()
                }
                await _compare(session, targets)
                print(f"\n{name}; {ROUNDS} rounds of {SECONDS:g} s, {CLIENTS} clients\n")
                measured = await _measure(session, targets)
                print(_table(measured))
                print(_verdict(measured))


@asynccontextmanager
async def servers(around: Surroundings, executable: str) -> AsyncIterator[Mapping[str, tuple[str, int]]]:
    """Portico and its peers: URL and process id by name."""
    configured = around.stage.state.folder / "peers.json"
    configured.write_bytes(configuration(around))
    configured.chmod(0o600)
    async with AsyncExitStack() as stack:
        (worker,) = await stack.enter_async_context(workers(around))
        urls = {PORTICO: (worker.url, worker.pid)}
        for name in (*PEERS, BY_HAND):
            process = await stack.enter_async_context(peer(name, executable, configured))
            urls[name] = (process.url, process.pid)
        yield urls


async def _compare(session: aiohttp.ClientSession, targets: Mapping[str, Target]) -> None:
    """Raise unless all servers answer the same data, and Portico without an error."""
    answers: dict[str, Any] = {name: orjson.loads(await target.ask(session)) for name, target in targets.items()}
    expected = answers[PORTICO]
    if "errors" in expected:
        raise RuntimeError(expected["errors"][0])
    for name, answer in answers.items():
        if answer.get("data") != expected["data"]:
            raise RuntimeError(f"{name} answers something else than Portico")


async def _measure(
    session: aiohttp.ClientSession, targets: Mapping[str, Target]
) -> Mapping[str, list[tuple[Load, Load]]]:
    """Rounds of a single client (for latency) and of several (for rates), in turns."""
    found: dict[str, list[tuple[Load, Load]]] = {name: [] for name in targets}
    for target in targets.values():
        await closed(session, target, clients=CLIENTS, seconds=SECONDS)
    for _ in range(ROUNDS):
        for name, target in targets.items():
            alone = await closed(session, target, clients=1, seconds=SECONDS / 2)
            found[name].append((alone, await closed(session, target, clients=CLIENTS, seconds=SECONDS / 2)))
    return found


def _table(measured: Mapping[str, list[tuple[Load, Load]]]) -> str:
    def spread(name: str, of: int, what: str) -> Spread:
        return Spread([getattr(loads[of], what) for loads in measured[name]])

    base = spread(PORTICO, 1, "cpu").median
    rows = [
        (
            name,
            spread(name, 1, "rate").text(1),
            spread(name, 0, "p50").text(1),
            spread(name, 0, "p99").text(1),
            spread(name, 1, "cpu").text(),
            f"{spread(name, 1, 'cpu').median / base:.2f}",
        )
        for name in measured
    ]
    return table(("", "answers a second", "p50 ms, one client", "p99 ms", "CPU ms an answer", "times Portico's"), rows)


def _verdict(measured: Mapping[str, list[tuple[Load, Load]]]) -> str:
    """Where Portico stands, by what a second of the server's processor answers."""
    cpu = {name: Spread([several.cpu for _, several in loads]).median for name, loads in measured.items()}
    behind = [name for name in PEERS if cpu[name] > cpu[PORTICO]]
    return f"\nBy CPU, Portico is ahead of {', '.join(behind) or 'none'} of the {len(PEERS)} under Node.js."


if __name__ == "__main__":
    uvloop.run(main())
