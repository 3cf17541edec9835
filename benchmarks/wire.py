"""Load over HTTP: answers one after the other, many at once, or at a constant rate whatever becomes of them."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import aiohttp
import orjson

from benchmarks.stage import cpu_seconds


@dataclass(frozen=True, slots=True)
class Target:
    """A server, and the requests that it is asked, in turns, over kept connections.

    Where there are several, no two clients ask the same at once: what is done for equal questions is not measured.
    """

    url: str
    pids: Sequence[int]
    """The processes whose CPU counts as the server's."""
    headers: Mapping[str, str]
    bodies: Sequence[bytes]
    _turn: count[int] = field(default_factory=count)

    @classmethod
    def of(
        cls, url: str, pids: Sequence[int], query: str, *variables: Mapping[str, Any], token: str | None = None
    ) -> Target:
        """A target for a GraphQL query with each of these variables."""
        authorization = {} if token is None else {"Authorization": f"Bearer {token}"}
        return cls(
            url,
            pids,
            {"Content-Type": "application/json", "Accept": "application/json", **authorization},
            [orjson.dumps({"query": query, "variables": values}) for values in variables],
        )

    def cpu(self) -> float:
        """Seconds of processor that the server's processes have used so far."""
        return sum(map(cpu_seconds, self.pids))

    async def ask(self, session: aiohttp.ClientSession) -> bytes:
        """One answer's bytes; any but a good and complete one is an error."""
        asked = self.bodies[next(self._turn) % len(self.bodies)]
        async with session.post(f"{self.url}/graphql", data=asked, headers=self.headers) as response:
            body = await response.read()
            if response.status != 200 or b'"errors":' in body:
                raise RuntimeError(f"{response.status}: {body[:200]!r}")
            return body


@dataclass(frozen=True, slots=True)
class Load:
    """What a stretch of load came to; milliseconds but for the rate."""

    rate: float
    """Answers a second."""
    cpu: float
    """Of the server's processes, an answer."""
    p50: float
    p99: float


async def closed(session: aiohttp.ClientSession, target: Target, *, clients: int, seconds: float) -> Load:
    """So many clients, each asking again once it is answered."""
    latencies: list[float] = []
    used, began = target.cpu(), time.perf_counter()

    async def client() -> None:
        while time.perf_counter() < began + seconds or not latencies:
            asked = time.perf_counter()
            await target.ask(session)
            latencies.append((time.perf_counter() - asked) * 1_000)

    with _unpaused():
        await asyncio.gather(*(client() for _ in range(clients)))
    return _load(latencies, time.perf_counter() - began, target.cpu() - used)


async def opened(session: aiohttp.ClientSession, target: Target, *, rate: float, seconds: float) -> Load:
    """Requests at a constant rate. Each counts from when it was due, so that what waits in line is not forgotten."""
    latencies: list[float] = []
    used, began = target.cpu(), time.perf_counter()

    async def one(due: float) -> None:
        await target.ask(session)
        latencies.append((time.perf_counter() - due) * 1_000)

    with _unpaused():
        async with asyncio.TaskGroup() as group:
            for number in range(max(1, int(rate * seconds))):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                group.create_task(one(due))
    return _load(latencies, time.perf_counter() - began, target.cpu() - used)


@contextmanager
def _unpaused() -> Iterator[None]:
    """Load without the pauses of its own collector of garbage, which would count as the server's."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _load(latencies: list[float], seconds: float, cpu_seconds_: float) -> Load:
    latencies.sort()
    return Load(
        rate=len(latencies) / seconds,
        cpu=cpu_seconds_ * 1_000 / len(latencies),
        p50=latencies[len(latencies) // 2],
        p99=latencies[min(len(latencies) - 1, int(len(latencies) * 0.99))],
    )
