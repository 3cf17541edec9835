"""A connector that does as its test says: counts its calls, fails, hangs or lies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from connectors.base import Connector
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record


class UnrulyConnector:
    """Passes on what another connector answers, unless told otherwise."""

    def __init__(self, connector: Connector) -> None:
        self._connector = connector
        self.calls: list[tuple[CallContext, str, tuple[str, ...]]] = []
        """Every call: its context, `find Patient by id` or the like, and the keys."""
        self.fault: Exception | None = None
        """Raised by every call while it is set."""
        self.gate = asyncio.Event()
        """Calls wait for it; open unless it is cleared."""
        self.gate.set()
        self.under_way = 0
        self.most_under_way = 0
        self.closed = 0
        self.twist: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records
        """What becomes of found records before they are answered."""
        self.twist_page: Callable[[Page], Page] = lambda page: page
        """What becomes of a found page before it is answered."""

    @property
    def source(self) -> SourceName:
        """The other connector's."""
        return self._connector.source

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """The other connector's."""
        return self._connector.keys

    @property
    def searches(self) -> frozenset[RecordType]:
        """The other connector's."""
        return self._connector.searches

    @property
    def batch_limit(self) -> int:
        """The other connector's."""
        return self._connector.batch_limit

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:
        """The other connector's records, twisted."""
        await self._suffer(call, f"find {type_} by {by}", keys)
        return self.twist(await self._connector.find(call, type_, by, keys))

    async def search(self, call: CallContext, search: Search) -> Page:
        """The other connector's page, twisted."""
        await self._suffer(call, f"search {search.type}")
        return self.twist_page(await self._connector.search(call, search))

    async def people(self, call: CallContext) -> AsyncIterator[Person]:
        """The other connector's people; the fault strikes before each."""
        await self._suffer(call, "people")
        async for person in self._connector.people(call):
            yield person
            await self._suffer(call, "more people")

    async def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """The other connector's relations; the fault strikes before each."""
        await self._suffer(call, "relations")
        async for relation in self._connector.relations(call):
            yield relation
            await self._suffer(call, "more relations")

    async def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """The other connector's consents; the fault strikes before each."""
        await self._suffer(call, "consents")
        async for consent in self._connector.consents(call):
            yield consent
            await self._suffer(call, "more consents")

    async def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """The other connector's sensitive visits; the fault strikes before each."""
        await self._suffer(call, "sensitive visits")
        async for visit in self._connector.sensitive_visits(call):
            yield visit
            await self._suffer(call, "more sensitive visits")

    async def ping(self, call: CallContext) -> None:
        """The other connector's health."""
        await self._suffer(call, "ping")
        await self._connector.ping(call)

    async def aclose(self) -> None:
        """Counted, and passed on."""
        self.closed += 1
        await self._connector.aclose()

    async def _suffer(self, call: CallContext, operation: str, keys: Sequence[str] = ()) -> None:
        self.calls.append((call, operation, tuple(keys)))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await self.gate.wait()
        finally:
            self.under_way -= 1
        if self.fault is not None:
            raise self.fault
