"""Requests being answered: how many at once, for how long, and no longer than someone waits for them."""

from __future__ import annotations

import asyncio
import time
from typing import Final, Protocol

from starlette.requests import Request

from portico.access.principal import Caller
from portico.edge.metrics import Metrics
from portico.records.errors import DeadlineExceeded, Fault, Overloaded
from portico.records.exchange import Answer, GraphQLRequest

_GRACE_SECONDS: Final = 0.5
"""What an executor that keeps its deadline needs to hand over what it has."""


class Executor(Protocol):
    """Answers a well-formed request of a known caller."""

    async def answer(self, request: GraphQLRequest, caller: Caller) -> Answer:
        """The answer, by `caller.deadline`. Raises a `CallerError` where the request fails as a whole."""


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Flights:
    """Runs an executor for up to `limit` requests at once.

    A request that nobody waits for is cancelled. Until it has really ended it counts, so that the limit holds even
    where an executor is slow to give up.
    """

    def __init__(self, executor: Executor, *, limit: int, metrics: Metrics) -> None:
        self._executor = executor
        self._limit = limit
        self._metrics = metrics
        self._tasks: set[asyncio.Task[Answer]] = set()

    async def answer(self, http: Request, request: GraphQLRequest, caller: Caller) -> Answer:
        """The executor's answer, or `Overloaded`, `DeadlineExceeded` or `ClientGone`."""
        if len(self._tasks) >= self._limit:
            raise Overloaded
        work = asyncio.create_task(self._executor.answer(request, caller))
        self._tasks.add(work)
        self._metrics.in_flight(len(self._tasks))
        work.add_done_callback(self._land)
        gone = asyncio.create_task(_disconnect(http))
        seconds_left = caller.deadline - time.monotonic() + _GRACE_SECONDS
        try:
            await asyncio.wait({work, gone}, timeout=seconds_left, return_when=asyncio.FIRST_COMPLETED)
            if work.cancelled():
                raise Fault("The executor ended without an answer.")
            if work.done():
                return work.result()
            raise ClientGone if gone.done() else DeadlineExceeded
        finally:
            work.cancel()
            gone.cancel()

    def _land(self, work: asyncio.Task[Answer]) -> None:
        self._tasks.discard(work)
        self._metrics.in_flight(len(self._tasks))
        if not work.cancelled():
            work.exception()  # whoever still waits has it; nobody else is to be told


async def _disconnect(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass
