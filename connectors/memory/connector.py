"""A source in memory: the contract of `connectors/base.py` in its plainest form."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Final

from connectors.keys import key_of
from connectors.memory.matching import matches, sort_key
from connectors.vocabulary import refuse_unknown_key, refuse_unknown_search
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceTimeout, UnsupportedPredicate
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import FIELDS, Hit, Page, Search
from portico.records.types import RECORD_CLASSES, Record

_ALWAYS: Final = frozenset(Record.__struct_fields__)


class MemoryConnector:
    """Serves the records, people, relations, consents and visits that it is given, and never changes them.

    Declares every key under which one of its records can be found, and a search for every searchable type that it
    holds. A position is what the record before it is ordered by.
    """

    def __init__(
        self,
        source: SourceName,
        records: Iterable[Record] = (),
        people: Iterable[Person] = (),
        relations: Iterable[Relation] = (),
        *,
        consents: Iterable[Consent] = (),
        sensitive_visits: Iterable[SensitiveVisit] = (),
        batch_limit: int = 100,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._source = source
        self._records: dict[RecordType, list[Record]] = {}
        for record in records:
            self._records.setdefault(record.type, []).append(record)
        self._people = tuple(people)
        self._relations = tuple(relations)
        self._consents = tuple(consents)
        self._sensitive_visits = tuple(sensitive_visits)
        self._batch_limit = batch_limit
        self._clock = clock
        self._keys = {type_: _keys_of(held) for type_, held in self._records.items()}

    @property
    def source(self) -> SourceName:
        """The name that it was given."""
        return self._source

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """The keys that its records have."""
        return self._keys

    @property
    def searches(self) -> frozenset[RecordType]:
        """The searchable types that it holds."""
        return frozenset(self._records.keys() & FIELDS.keys())

    @property
    def batch_limit(self) -> int:
        """What it was given; memory has no limit of its own."""
        return self._batch_limit

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:
        """The records under these keys, in the order in which they were given."""
        refuse_unknown_key(self.keys, type_, by)
        self._refuse_late(call)
        wanted = frozenset(keys)
        return [_asked(record, call.attributes) for record in self._records[type_] if key_of(record, by) in wanted]

    async def search(self, call: CallContext, search: Search) -> Page:
        """A page of what stands after the position."""
        refuse_unknown_search(self.searches, search)
        self._refuse_late(call)
        placed = [(sort_key(record, search.order), record) for record in self._records[search.type]]
        if search.after is not None:
            after = _place(search.after)
            placed = [(place, one) for place, one in placed if (place < after if search.descending else place > after)]
        placed = [(place, one) for place, one in placed if all(matches(one, which) for which in search.where)]
        placed.sort(key=lambda row: row[0], reverse=search.descending)
        hits = tuple(
            Hit(_asked(record, call.attributes), json.dumps(place, ensure_ascii=False))
            for place, record in placed[: search.limit]
        )
        return Page(hits, more=len(placed) > search.limit)

    async def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Everyone."""
        for person in self._people:
            self._refuse_late(call)
            yield person

    async def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Every relation."""
        for relation in self._relations:
            self._refuse_late(call)
            yield relation

    async def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """Every consent."""
        for consent in self._consents:
            self._refuse_late(call)
            yield consent

    async def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """Every sensitive visit."""
        for visit in self._sensitive_visits:
            self._refuse_late(call)
            yield visit

    async def ping(self, call: CallContext) -> None:
        """Memory always answers in time."""
        self._refuse_late(call)

    async def aclose(self) -> None:
        """Nothing is pooled."""

    def _refuse_late(self, call: CallContext) -> None:
        if self._clock() >= call.deadline:
            raise SourceTimeout(self._source)


def _keys_of(records: Sequence[Record]) -> frozenset[By]:
    return frozenset(by for by in By if any(key_of(record, by) is not None for record in records))


def _place(position: str) -> tuple[str, str]:
    try:
        value, id_ = json.loads(position)
    except (TypeError, ValueError):
        raise UnsupportedPredicate("a position that this connector never gave") from None
    return str(value), str(id_)


def _asked(record: Record, attributes: frozenset[str]) -> Record:
    shape = RECORD_CLASSES[record.type]
    kept = [name for name in shape.__struct_fields__ if name in _ALWAYS or name in attributes]
    return shape(**{name: getattr(record, name) for name in kept})
