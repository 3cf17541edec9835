"""UNIFORM: "forbidden" answers like "does not exist": the same status, headers and body, in the same time."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from statistics import median

from tests.oracles.reply import Reply

VOLATILE = frozenset({"x-request-id", "date"})
"""Headers that differ between any two answers."""
_REQUEST_ID = re.compile(rb'"requestId":"[0-9a-f-]{36}"')

Lasting = tuple[int, tuple[tuple[str, str], ...], bytes]


def lasting(reply: Reply) -> Lasting:
    """What remains of a reply once the request's id and the time of day are taken out of it."""
    headers = tuple((name, value) for name, value in reply.headers if name.lower() not in VOLATILE)
    return reply.status, headers, lasting_body(reply.body)


def lasting_body(body: bytes) -> bytes:
    """A body without its request's id."""
    return _REQUEST_ID.sub(b'"requestId":""', body)


def kinds(replies: Iterable[Reply]) -> set[Lasting]:
    """The different replies among some: one, if they are uniform."""
    return {lasting(reply) for reply in replies}


@dataclass(slots=True)
class Pairs:
    """How long two questions take, asked in turns."""

    first_seconds: list[float] = field(default_factory=list)
    second_seconds: list[float] = field(default_factory=list)

    @property
    def apart_milliseconds(self) -> float:
        """By how much their medians differ."""
        return 1_000 * abs(median(self.first_seconds) - median(self.second_seconds))


async def interleaved(
    first: Callable[[], Awaitable[object]],
    second: Callable[[], Awaitable[object]],
    *,
    pairs: int,
    clock: Callable[[], float] = time.perf_counter,
) -> Pairs:
    """Ask the two in turns, changing which comes first, and time each.

    Where all the work is this thread's own, `time.thread_time` tells more: a busy machine doesn't count.
    """
    timed = Pairs()
    for place in range(pairs):
        turns = [(first, timed.first_seconds), (second, timed.second_seconds)]
        for ask, seconds in turns if place % 2 else reversed(turns):
            began = clock()
            await ask()
            seconds.append(clock() - began)
    return timed
