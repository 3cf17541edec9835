"""The house's parts that note what they are asked, and fail, lie or wait when a test tells them to."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.memory.connector import MemoryConnector
from portico.access.engine import PolicyEngine, PolicyStatus, Rule, Verdict
from portico.audit.entry import AuditEntry
from portico.audit.memory import MemoryTrail
from portico.records.context import CallContext
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record
from portico.store.memory import MemoryCrosswalk
from tests.changed import replace


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that reached a source."""

    source: SourceName
    type: RecordType
    by: str
    keys: tuple[str, ...]
    attributes: frozenset[str]


class RecordingConnector(MemoryConnector):
    """A source in memory that notes what it was asked, and fails or lies when told to."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[Asked] = []
        self.failure: Exception | None = None
        self.gate = asyncio.Event()
        """Questions wait for it; open unless it is cleared."""
        self.gate.set()
        self.twist: Callable[[Sequence[Record]], Sequence[Record]] = lambda records: records
        """What becomes of found records before they are answered."""
        self.twist_page: Callable[[Page], Page] = lambda page: page
        """What becomes of a found page before it is answered."""

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Any) -> Any:
        self.asked.append(Asked(self.source, type_, by.value, tuple(keys), call.attributes))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.twist(await super().find(call, type_, by, keys))

    def hold(self, type_: RecordType, records: Sequence[Record]) -> None:
        """From now on the source holds these records of a type."""
        self._records[type_] = [*records]

    def held(self, type_: RecordType) -> list[Record]:
        """The records of a type that the source holds."""
        return [*self._records[type_]]

    async def search(self, call: CallContext, search: Search) -> Page:
        self.asked.append(Asked(self.source, search.type, "search", (), call.attributes))
        await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        return self.twist_page(await super().search(call, search))

    async def ping(self, call: CallContext) -> None:
        self.asked.append(Asked(self.source, RecordType.SOURCE, "ping", (), call.attributes))
        if self.failure is not None:
            raise self.failure
        await super().ping(call)


class WatchedEngine:
    """A policy engine whose answers can be noted, twisted or kept back."""

    def __init__(self, engine: PolicyEngine) -> None:
        self._engine = engine
        self.asked: list[Rule] = []
        self.failure: Exception | None = None
        self.twist: Callable[[Rule, Verdict], Verdict] = lambda _, verdict: verdict
        self.gate = asyncio.Event()
        self.gate.set()
        self.gated = frozenset(Rule)
        self._edition = 0

    @property
    def revision(self) -> str:
        return f"{self._engine.revision}.{self._edition}"

    def publish(self) -> None:
        """The same policies as a new revision: nothing that was decided before counts any more."""
        self._edition += 1

    @property
    def status(self) -> PolicyStatus:
        return self._engine.status

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        self.asked.append(rule)
        if rule in self.gated:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        verdict = await self._engine.ask(rule, input_)
        return self.twist(rule, replace(verdict, revision=self.revision))

    async def aclose(self) -> None:
        await self._engine.aclose()


class WatchedCrosswalk(MemoryCrosswalk):
    """A crosswalk that fails when told to, and counts its queries."""

    def __init__(self) -> None:
        super().__init__()
        self.failure: Exception | None = None
        self.queries = 0

    async def standings(self, *arguments: Any, **options: Any) -> Any:
        return self._answered(await super().standings(*arguments, **options))

    async def standings_of(self, *arguments: Any, **options: Any) -> Any:
        return self._answered(await super().standings_of(*arguments, **options))

    async def related(self, *arguments: Any, **options: Any) -> Any:
        return self._answered(await super().related(*arguments, **options))

    def _answered(self, answer: Any) -> Any:
        self.queries += 1
        if self.failure is not None:
            raise self.failure
        return answer


class GatedTrail(MemoryTrail):
    """An audit trail that commits only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()
        """Set once a commit was asked for."""
        self.entries: list[AuditEntry] = []

    async def commit(self, entry: AuditEntry) -> int:
        self.reached.set()
        await self.gate.wait()
        number = await super().commit(entry)
        self.entries.append(entry)
        return number
