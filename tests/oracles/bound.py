"""BOUND: what is too much is refused before it is executed, costs next to nothing, and slows nobody else down."""

from __future__ import annotations

import asyncio
import gc
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CPU_LIMIT_SECONDS = 0.1
GROWTH_LIMIT_BYTES = 32 * 2**20
SLOWDOWN_LIMIT = 2.0
NOTICEABLE_SECONDS = 0.1
"""Below this a slow answer is a busy machine's, and proves nothing."""


@dataclass(slots=True)
class Effort:
    """What something cost."""

    cpu_seconds: float = 0.0
    growth_bytes: int = 0

    def excess(self) -> list[str]:
        """Which limits it was over, and by what: empty within bounds."""
        over = []
        if self.cpu_seconds > CPU_LIMIT_SECONDS:
            over.append(f"{self.cpu_seconds:.3f} s of processor time")
        if self.growth_bytes > GROWTH_LIMIT_BYTES:
            over.append(f"{self.growth_bytes / 2**20:.0f} MiB of memory")
        return over


@contextmanager
def effort() -> Iterator[Effort]:
    """Measures what happens inside on this thread, which is where a server's loop runs.

    The garbage collector rests meanwhile: its time would tell how much the tests hold.
    """
    spent = Effort()
    memory, cpu = _resident_bytes(), time.thread_time()
    gc.disable()
    try:
        yield spent
    finally:
        gc.enable()
        spent.cpu_seconds = time.thread_time() - cpu
        spent.growth_bytes = _resident_bytes() - memory


def percentile_99(seconds: Sequence[float]) -> float:
    """The time within which 99 of 100 answers came; of fewer than 100, half, since one may meet a busy machine."""
    return sorted(seconds)[int(len(seconds) * (0.99 if len(seconds) >= 100 else 0.5))]


def slowed(before: Sequence[float], during: Sequence[float]) -> bool:
    """Whether an innocent caller noticed: their slowest answers took longer than twice as long as before."""
    worst = percentile_99(during)
    return worst > NOTICEABLE_SECONDS and worst > SLOWDOWN_LIMIT * percentile_99(before)


async def probed(ask: Callable[[], Awaitable[object]], *, times: int, per_second: float = 10.0) -> list[float]:
    """How long each of some questions took that an innocent caller asks at a steady pace."""
    loop = asyncio.get_running_loop()
    begin = loop.time()
    seconds = []
    for place in range(times):
        await asyncio.sleep(max(0.0, begin + place / per_second - loop.time()))
        began = time.perf_counter()
        await ask()
        seconds.append(time.perf_counter() - began)
    return seconds


def open_descriptors() -> int:
    """How many files and sockets this process holds."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()
