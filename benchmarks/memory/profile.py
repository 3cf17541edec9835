"""`python -m benchmarks.memory.profile`: where the time of an answer goes, by each function's own time.

A profiler's own cost lies heavily on small functions: shares are a map, not a measurement.
"""

from __future__ import annotations

import cProfile
import gc
import os
import pstats
import sys
from functools import partial
from pathlib import Path
from typing import Final

import uvloop

from benchmarks.memory import operation
from benchmarks.memory.house import memory_house
from benchmarks.rounds import machine, timed

POLICIES: Final = Path(__file__).resolve().parent.parent.parent / "policies"
PATIENTS: Final = int(os.environ.get("BENCH_PATIENTS", "100"))
ANSWERS: Final = 50
LINES: Final = 30


async def main() -> None:
    """Print the functions that take most of an answer to a hundred patients, for both shapes."""
    print(machine())
    async with memory_house(PATIENTS, POLICIES) as house:
        for shape in operation.SHAPES:
            answer = partial(house.answer, await house.request(PATIENTS, shape))
            await timed(answer, ANSWERS)
            gc.collect()
            gc.freeze()
            gc.set_threshold(50_000, 50, 100)
            profile = cProfile.Profile()
            plain = await timed(answer, ANSWERS)
            profile.enable()
            await timed(answer, ANSWERS)
            profile.disable()
            print(f"\n{PATIENTS} patients, {shape}: {plain.cpu:.2f} CPU ms an answer; {ANSWERS} answers profiled\n")
            pstats.Stats(profile, stream=sys.stdout).strip_dirs().sort_stats("tottime").print_stats(LINES)


if __name__ == "__main__":
    uvloop.run(main())
