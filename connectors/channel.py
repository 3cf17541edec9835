"""The channel to a source: what is the same for all connectors, between resolvers and one of them.

    Channel.find -> what isn't kept -> chunks -> once for all who ask it now -> [place in line -> token bucket
         ^                                         -> circuit breaker -> deadline] -> Connector.find --+
         +------ grouped by key <- each record is about a key that its chunk asked for <---------------+

Whatever goes wrong comes out as `SourceUnavailable`, `SourceTimeout` or `SourceInvalid` with the source's name.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Hashable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from connectors.base import Connector
from connectors.breaker import Breaker, BreakerState
from connectors.bucket import TokenBucket
from connectors.conditions import judged_by
from connectors.keys import KEY_ATTRIBUTES
from connectors.reduction import without
from connectors.scrutiny import refuse_foreign_hits, refuse_foreign_records
from connectors.sharing import Sharing
from connectors.shelf import Shelf
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import PorticoError, SourceError, SourceInvalid, SourceTimeout, SourceUnavailable
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelConfig:
    """What a source is to the policies, and how much may be asked of it by one process."""

    destination: str = "unregistered"
    """What the register of destinations calls this kind of system; one that isn't there may be told nothing."""
    timeout_seconds: float = 5.0
    """The longest that one find, search or ping may take, waiting in line included."""
    concurrency_limit: int = 8
    """Requests under way at once."""
    requests_per_second: float | None = None
    """The vendor's rate limit (this process's share of it); None: it has none."""
    burst: int = 8
    """How many requests go at once after a pause. Keep it below what the vendor lets be saved up: its clock and the
    way to it aren't ours, and one request too many costs a whole Retry-After."""
    failure_limit: int = 5
    """Failures in a row after which the source is left alone."""
    cool_down_seconds: float = 10.0
    """How long it is left alone before one request tries it again."""
    keep_seconds: Mapping[RecordType, float] = field(default_factory=dict)
    """How long records that were found by key are kept, by type. What isn't named is asked for each time."""


class CallStatus(StrEnum):
    """How a call to a source ended."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallReport:
    """One find, search, scan or ping: whose request it was for, what it cost, how it ended."""

    source: SourceName
    trace_id: str
    calls: int
    """Requests that went to the connector; 0 where the channel refused by itself. A scan counts as one."""
    milliseconds: float
    status: CallStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelStats:
    """A channel's state, and its totals since it was made."""

    breaker: BreakerState
    under_way: int
    calls: int
    failures: int


@dataclass(slots=True)
class _Operation:
    """One operation while it lasts: its deadline, and how many requests it has sent."""

    call: CallContext
    deadline: float
    began: float
    calls: int = 0

    def asking_for(self, attributes: frozenset[str]) -> CallContext:
        """The call as the connector is to see it."""
        call = self.call
        return CallContext(tenant=call.tenant, trace_id=call.trace_id, deadline=self.deadline, attributes=attributes)


class Channel:
    """A connector with its discipline. One per source of a tenant and process; safe to use from many tasks.

    `on_call` hears of every finished operation, in the task that made it; what it raises is a bug. `clock` counts
    seconds and must be the one that deadlines are read from.
    """

    def __init__(
        self,
        connector: Connector,
        config: ChannelConfig,
        *,
        on_call: Callable[[CallReport], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connector = connector
        self._config = config
        self._on_call = on_call
        self._clock = clock
        self._sleep = sleep
        self._line = asyncio.Semaphore(config.concurrency_limit)
        rate = config.requests_per_second
        self._bucket = TokenBucket(requests_per_second=rate, burst=config.burst, clock=clock) if rate else None
        self._breaker = Breaker(
            failure_limit=config.failure_limit, cool_down_seconds=config.cool_down_seconds, clock=clock
        )
        self._sharing = Sharing(connector.source, clock=clock)
        self._shelf = Shelf(config.keep_seconds, clock=clock)
        self._under_way = 0
        self._calls = 0
        self._failures = 0

    @property
    def source(self) -> SourceName:
        """The connector's source."""
        return self._connector.source

    @property
    def destination(self) -> str:
        """What the register of destinations calls this kind of system."""
        return self._config.destination

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """The connector's keys."""
        return self._connector.keys

    @property
    def searches(self) -> frozenset[RecordType]:
        """The connector's searches."""
        return self._connector.searches

    @property
    def stats(self) -> ChannelStats:
        """As of now."""
        return ChannelStats(
            breaker=self._breaker.state, under_way=self._under_way, calls=self._calls, failures=self._failures
        )

    async def find(
        self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]
    ) -> Mapping[str, tuple[Record, ...]]:
        """The records of a type under each of the keys; a key without records has none, not no entry.

        The attribute behind the key comes along, asked for or not. Raises `SourceInvalid` for all of it if a single
        record is about something that wasn't asked. Cost: one request per `batch_limit` distinct keys, at once; none
        for keys that somebody is just asking for, together, with the same attributes, and for those that are kept.
        """
        distinct = tuple(dict.fromkeys(keys))
        if not distinct:
            return {}
        needed = call.attributes | {KEY_ATTRIBUTES[by]} if by in KEY_ATTRIBUTES else call.attributes
        kept = self._shelf.kept(type_, by, needed, distinct)
        asked = tuple(key for key in distinct if key not in kept) if kept else distinct
        size = self._connector.batch_limit
        chunks = [asked[start : start + size] for start in range(0, len(asked), size)]
        with self._operation(call, self._deadline(call)) as operation:
            timely = operation.asking_for(needed)
            answers = await _together([self._find_chunk(operation, timely, type_, by, chunk) for chunk in chunks])
        found = {key: records for answer in answers for key, records in answer.items()}
        self._shelf.keep(type_, by, needed, found)
        return {**found, **kept} if kept else found

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of a search. Cost: one request, or none while somebody is just asking the same.

        What it takes to see that each row meets the conditions comes along, and goes no further than that. Raises
        `SourceInvalid` for all of it if a single row doesn't meet them.
        """
        needed = call.attributes | judged_by(search.where)
        with self._operation(call, self._deadline(call)) as operation:
            timely = operation.asking_for(needed)
            page = await self._shared(
                operation,
                (search, needed),
                lambda: self._request(operation, lambda: self._connector.search(timely, search)),
            )
            refuse_foreign_hits(self.source, search, page)
        return without(page, needed - call.attributes)

    def people(self, call: CallContext) -> AsyncIterator[Person]:
        """The connector's people, within `call.deadline`: a scan has no other limit of time."""
        return self._scan(call, self._connector.people)

    def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """The connector's relations, within `call.deadline`: a scan has no other limit of time."""
        return self._scan(call, self._connector.relations)

    def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """The connector's consents, within `call.deadline`: a scan has no other limit of time."""
        return self._scan(call, self._connector.consents)

    def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """The connector's sensitive visits, within `call.deadline`: a scan has no other limit of time."""
        return self._scan(call, self._connector.sensitive_visits)

    async def ping(self, call: CallContext) -> None:
        """Whether the source answers; returns or raises. Cost: one cheap request, or none while it is left alone."""
        with self._operation(call, self._deadline(call)) as operation:
            timely = operation.asking_for(call.attributes)
            await self._request(operation, lambda: self._connector.ping(timely))

    async def aclose(self) -> None:
        """Close the connector. May be called more than once."""
        await self._connector.aclose()

    def _deadline(self, call: CallContext) -> float:
        return min(call.deadline, self._clock() + self._config.timeout_seconds)

    async def _find_chunk(
        self, operation: _Operation, call: CallContext, type_: RecordType, by: By, chunk: Sequence[str]
    ) -> dict[str, tuple[Record, ...]]:
        records = await self._shared(
            operation,
            (type_, by, chunk, call.attributes),
            lambda: self._request(operation, lambda: self._connector.find(call, type_, by, chunk)),
        )
        return refuse_foreign_records(self.source, type_, by, chunk, records)

    async def _scan(
        self, call: CallContext, scan: Callable[[CallContext], AsyncIterator[T]]
    ) -> AsyncGenerator[T, None]:
        with self._operation(call, call.deadline) as operation:
            items = scan(call)
            try:
                item = await self._request(operation, lambda: anext(items, None))
                while item is not None:
                    yield item
                    item = await self._timely(operation.deadline, lambda: anext(items, None))
            finally:
                if isinstance(items, AsyncGenerator):
                    await items.aclose()

    async def _shared(self, operation: _Operation, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question, asked by whoever came first; each waits no longer than they may."""
        return await self._sharing.ask(question, operation.deadline, ask)

    async def _request(self, operation: _Operation, ask: Callable[[], Awaitable[T]]) -> T:
        """Wait in line and for a token, then ask; refuse at once what can't be in time or would be in vain."""
        if self._line.locked():
            await self._timely(operation.deadline, self._line.acquire)
        else:
            await self._line.acquire()
        try:
            if self._breaker.state is BreakerState.OPEN:
                raise self._left_alone()
            await self._take_token(operation.deadline)
            return await self._judged(operation, ask)
        finally:
            self._line.release()

    async def _take_token(self, deadline: float) -> None:
        if self._bucket is None:
            return
        wait_seconds = self._bucket.take(limit_seconds=deadline - self._clock())
        if wait_seconds is None:
            raise SourceUnavailable(self.source, "The source system's rate limit leaves no time for this request.")
        if wait_seconds:
            await self._sleep(wait_seconds)

    async def _judged(self, operation: _Operation, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and tell the breaker what the outcome says about the source: a caller in a hurry proves nothing."""
        permit = self._breaker.admit()
        if permit is None:
            raise self._left_alone()
        had_time = operation.deadline - self._clock() >= self._config.timeout_seconds / 2
        settle = self._breaker.abandon

        def counted() -> Awaitable[T]:
            operation.calls += 1
            return ask()

        try:
            answer = await self._timely(operation.deadline, counted)
        except SourceInvalid:
            settle = self._breaker.succeed
            raise
        except SourceTimeout:
            settle = self._breaker.fail if had_time else self._breaker.abandon
            raise
        except SourceUnavailable:
            settle = self._breaker.fail
            raise
        else:
            settle = self._breaker.succeed
            return answer
        finally:
            settle(permit)

    async def _timely(self, deadline: float, work: Callable[[], Awaitable[T]]) -> T:
        seconds = deadline - self._clock()
        if seconds <= 0:
            raise SourceTimeout(self.source)
        try:
            async with asyncio.timeout(seconds):
                return await work()
        except TimeoutError as error:
            raise SourceTimeout(self.source) from error
        except PorticoError:
            raise
        except Exception as error:  # an answer that a connector trips over costs this source's fields, not the request
            raise SourceInvalid(self.source) from error

    def _left_alone(self) -> SourceUnavailable:
        return SourceUnavailable(self.source, "The source system has failed repeatedly and is left alone for a while.")

    @contextmanager
    def _operation(self, call: CallContext, deadline: float) -> Iterator[_Operation]:
        """Count and report one operation."""
        operation = _Operation(call, deadline, self._clock())
        self._under_way += 1
        try:
            yield operation
        except SourceError as error:
            self._failures += 1
            self._report(operation, _status_of(error))
            raise
        else:
            self._report(operation, CallStatus.OK)
        finally:
            self._under_way -= 1
            self._calls += operation.calls

    def _report(self, operation: _Operation, status: CallStatus) -> None:
        if self._on_call is None:
            return
        report = CallReport(
            source=self.source,
            trace_id=operation.call.trace_id,
            calls=operation.calls,
            milliseconds=(self._clock() - operation.began) * 1_000,
            status=status,
        )
        self._on_call(report)


def _status_of(error: SourceError) -> CallStatus:
    match error:
        case SourceTimeout():
            return CallStatus.TIMEOUT
        case SourceInvalid():
            return CallStatus.INVALID
        case _:
            return CallStatus.UNAVAILABLE


async def _together(asks: Sequence[Coroutine[None, None, T]]) -> list[T]:
    """All of them at once; the first failure ends the others and is raised as it is."""
    if len(asks) == 1:
        return [await asks[0]]
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(ask) for ask in asks]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
