"""`python -m benchmarks.memory`: milliseconds inside the process, sources in memory, beside four others.

60 values of each patient, in two shapes: of eleven records from three sources, and of the patient's own record alone.
An answer is everything from the request's text to the bytes: Portico's has its policies asked (and remembered), every
value guarded and an entry committed to a trail in memory. All answers are compared before anything is measured.
"""

from __future__ import annotations

import gc
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson
import uvloop

from benchmarks.memory import operation
from benchmarks.memory.bundle import allow_all
from benchmarks.memory.house import MemoryHouse, memory_house
from benchmarks.memory.node import KINDS, PEERS, Node, node_process
from benchmarks.memory.stock import Stock
from benchmarks.rounds import Costs, Run, in_turns, install, machine, node, timed
from benchmarks.table import table
from portico.records.exchange import GraphQLRequest

POLICIES: Final = Path(__file__).resolve().parent.parent.parent / "policies"
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
SECONDS: Final = float(os.environ.get("BENCH_TURN_SECONDS", "0.4"))
SIZES: Final = (100, 1_000)
PORTICO: Final = "Portico"
TARGET_MS: Final = 1.5
"""For 60 guarded values of a hundred patients; in proportion for more."""


async def main() -> None:
    """Print one table for each shape and number of patients."""
    print(machine(["graphql-core", "strawberry-graphql", "aiodataloader"]))
    executable = node()
    if executable is None or not install(PEERS):
        print("\nNode.js or npm is missing, or the packages can't be installed: nothing is measured under Node.js.")
        executable = None
    with tempfile.TemporaryDirectory() as folder:
        open_policies = allow_all(POLICIES, Path(folder))
        for patients in SIZES:
            for shape in operation.SHAPES:
                async with contenders(Path(folder), open_policies, executable, patients, shape) as runs:
                    _settle()
                    measured = await in_turns(runs, rounds=ROUNDS, seconds=SECONDS)
                print(f"\n{patients} patients, 60 values each, {shape}; {ROUNDS} rounds\n")
                print(_table(measured))
                print(_verdict(measured, patients))


@asynccontextmanager
async def contenders(
    folder: Path, open_policies: Path, executable: str | None, patients: int, shape: str
) -> AsyncIterator[Mapping[str, Run]]:
    """Everything that answers, warm, each with an answer equal to Portico's."""
    document = operation.document(patients, shape)
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(memory_house(patients, POLICIES))
        request = await house.request(patients, shape)
        data = orjson.loads(await house.answer(request))["data"]
        opened = await stack.enter_async_context(memory_house(patients, open_policies))
        runs: dict[str, Run] = {
            PORTICO: _portico(house, request),
            "Portico, policies that allow all": _portico(opened, await opened.request(patients, shape)),
            "Portico, graphql-core executes": _portico(house, request, planned=False),
        }
        for name, asking in {"Strawberry": False, "Strawberry, permission on each field": True}.items():
            stock = Stock(patients, asking=asking)
            answer = partial(stock.answer, document, patients)
            _equal(name, orjson.loads(await answer())["data"], data)
            runs[name] = partial(timed, answer)
        _equal("allow all", orjson.loads(await opened.answer(await opened.request(patients, shape)))["data"], data)
        _equal("graphql-core", orjson.loads(await house.answer(request, planned=False))["data"], data)
        if executable is not None:
            asked = {shape: (document, operation.variables(patients, operation.offsets(patients)))}
            process: Node = await stack.enter_async_context(node_process(folder, executable, data, asked))
            for kind in KINDS:
                _equal(kind, await process.data(kind, shape), data)
                runs[f"{kind}, DataLoader"] = partial(process.run, kind, shape)
        yield runs


def _portico(house: MemoryHouse, request: GraphQLRequest, *, planned: bool = True) -> Run:
    return partial(timed, partial(house.answer, request, planned=planned))


def _equal(name: str, data: Any, expected: Any) -> None:
    if data != expected:
        raise RuntimeError(f"{name} answers something else than Portico")


def _settle() -> None:
    """As the server does it once it is up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)


def _table(measured: Mapping[str, Costs]) -> str:
    base = measured[PORTICO].cpu.median
    return table(
        ("", "ms (lowest to highest round)", "CPU ms (lowest to highest round)", "times Portico's CPU"),
        [
            (name, costs.wall.text(), costs.cpu.text(), f"{costs.cpu.median / base:.2f}")
            for name, costs in measured.items()
        ],
    )


def _verdict(measured: Mapping[str, Costs], patients: int) -> str:
    ms, allowed, stock = (
        measured[name].cpu.median for name in (PORTICO, "Portico, policies that allow all", "Strawberry")
    )
    target = TARGET_MS * patients / 100
    return (
        f"\nTargets, by CPU: {target:g} ms (it takes {ms:.2f}, {ms / target:.1f} times that); 15 times stock Strawberry"
        f" (it is {stock / ms:.1f}); at most 10 % over allow-all (it is {ms / allowed - 1:+.0%})."
    )


if __name__ == "__main__":
    uvloop.run(main())
