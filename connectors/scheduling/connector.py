"""The connector to the scheduling vendor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from connectors.scheduling.config import SchedulingConfig
from connectors.scheduling.mapping import SchedulingMapping
from connectors.scheduling.questions import LOOKUPS, ORDERS, PLACES, Place, filters, question
from connectors.scheduling.readings import APPOINTMENT, SLOT, Attribute, Malformed, Reader, fields_of, reader
from connectors.scheduling.vendor import Json, Vendor
from connectors.vocabulary import refuse_unknown_key, refuse_unknown_search
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid, SourceUnavailable, UnsupportedPredicate
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Hit, Page, Search
from portico.records.types import Record

_RELATION_FIELDS: Final = {"clientId", "state", "provider", "starts", "startsFold", "ends", "endsFold", "tz"}


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the vendor's two kinds of items."""

    path: str
    name: str
    """The field with an item's id."""
    always: frozenset[str]
    """The fields without which there is no record."""
    attributes: Mapping[str, Attribute]
    read: Callable[[Reader, Iterable[Json], Collection[str]], Iterator[Record]]


_KINDS: Final[Mapping[RecordType, _Kind]] = {
    RecordType.APPOINTMENT: _Kind(
        "appointments",
        "apptId",
        frozenset({"apptId", "clientId", "flags", "visitType"}),
        APPOINTMENT,
        Reader.appointments,
    ),
    RecordType.SLOT: _Kind("openings", "openingId", frozenset({"openingId"}), SLOT, Reader.slots),
}
_KEYS: Final = {type_: frozenset(lookups) for type_, lookups in LOOKUPS.items()}


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A page of the vendor's."""

    items: Sequence[Json]
    following: str | None


class SchedulingConnector:
    """Appointments and slots at the vendor; patients are its clients, practitioners go by NPI, places by site code.

    Keeps `connectors.base.Connector`. The mapping is the shipped one unless another is given.
    """

    def __init__(self, config: SchedulingConfig, mapping: SchedulingMapping | None = None) -> None:
        self._config = config
        self._mapping = mapping or SchedulingMapping.load()
        self._vendor = Vendor(config)
        self._scan_pause_seconds = 1 / config.scan_pages_per_second

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""
        return self._config.source

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """Appointments by id, patient and visit number; slots by id."""
        return _KEYS

    @property
    def searches(self) -> frozenset[RecordType]:
        """Appointments and slots."""
        return frozenset(_KINDS)

    @property
    def batch_limit(self) -> int:
        """What the vendor takes in one look-up."""
        return self._config.batch_limit

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:
        """All records with one of the keys. Cost: one request, and one more for each further hundred records."""
        refuse_unknown_key(self.keys, type_, by)
        if len(keys) > self.batch_limit:
            raise UnsupportedPredicate("more keys than one call may carry")
        if not keys:
            return []
        kind, (listed, shown) = _KINDS[type_], LOOKUPS[type_][by]
        fields = fields_of(kind.attributes, call.attributes) | kind.always | {shown}
        found: dict[str, Record] = {}
        pages = self._pages(call, f"{kind.path}/lookup", {listed: list(keys)}, fields, self._config.page_limit)
        async with aclosing(pages):
            async for items in pages:
                self._refuse_foreign(items, shown, keys)
                found.update((record.id.value, record) for record in self._records(kind, items, call))
        return list(found.values())

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page. Cost: one request for each hundred of it; none where nothing can meet the conditions.

        A position holds an item's id and, by time, its time: whoever hands it out seals it.
        """
        refuse_unknown_search(self.searches, search)
        place = None if search.after is None else Place.parse(search.after, search.order)
        asked = filters(search, self._mapping)
        if asked is None:
            return Page((), more=False)
        kind, hits = _KINDS[search.type], list[Hit]()
        fields = fields_of(kind.attributes, call.attributes).union(kind.always, PLACES[search.order])
        body = {"filter": asked, "sort": f"{'-' * search.descending}{ORDERS[search.order]}"}
        for _ in range(self._config.page_limit):
            size = min(self._config.page_size, search.limit - len(hits))
            after = None if place is None else place.asked(search.order)
            page = await self._page(call, f"{kind.path}/search", question(body, fields, size=size, after=after))
            if "clientIds" in asked:
                self._refuse_foreign(page.items, "clientId", asked["clientIds"])
            for item, record in zip(page.items, self._records(kind, page.items, call), strict=True):
                place = Place.of(item, kind.name, search.order)
                hits.append(Hit(record, str(place)))
            if page.following is None or len(hits) == search.limit:
                return Page(tuple(hits), more=page.following is not None)
        raise self._endless()

    async def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every client. Cost: one request for each `page_size` of them, so many a second."""
        read = reader(self.source, self._mapping)
        parameters = {"size": str(self._config.page_size)}
        for _ in range(self._config.scan_page_limit):
            page = self._leaf(await self._vendor.get(call, "clients", parameters), self._config.page_size)
            for item in page.items:
                with self._readable():
                    person = read.person(item)
                yield person
            if page.following is None:
                return
            parameters["cursor"] = page.following
            await _pause(call, self._scan_pause_seconds)
        raise self._endless()

    async def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Whom appointments make `scheduled`.

        Cost: one request for each `page_size` appointments in a state that vouches, so many a second.
        """
        read = reader(self.source, self._mapping)
        asked = {"filter": {"states": sorted(self._mapping.scheduled_states)}}
        pages = self._pages(
            call,
            "appointments/search",
            asked,
            _RELATION_FIELDS,
            self._config.scan_page_limit,
            pause_seconds=self._scan_pause_seconds,
        )
        async with aclosing(pages):
            async for items in pages:
                for item in items:
                    with self._readable():
                        relation = read.relation(item)
                    if relation is not None:
                        yield relation

    async def consents(self, call: CallContext) -> AsyncIterator[Consent]:  # noqa: ARG002 - the contract's
        """None: patients tell the EHR, not the calendar."""
        made: tuple[Consent, ...] = ()
        for consent in made:
            yield consent

    async def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:  # noqa: ARG002 - the contract's
        """None: an appointment's labels are its own; what the visit was is the EHR's to say."""
        labelled: tuple[SensitiveVisit, ...] = ()
        for visit in labelled:
            yield visit

    async def ping(self, call: CallContext) -> None:
        """Whether the vendor answers and accepts our key. Cost: its status."""
        if (await self._vendor.get(call, "status")).get("up") is not True:
            raise SourceUnavailable(self.source)

    async def aclose(self) -> None:
        """Release the pooled connections."""
        await self._vendor.aclose()

    async def _pages(
        self,
        call: CallContext,
        path: str,
        asked: Mapping[str, object],
        fields: set[str],
        limit: int,
        *,
        pause_seconds: float = 0,
    ) -> AsyncGenerator[Sequence[Json], None]:
        """The items of all pages of a question, page by page, at most `limit` of them, with a pause between them."""
        size, cursor = self._config.page_size, None
        for _ in range(limit):
            page = await self._page(call, path, question(asked, fields, size=size, cursor=cursor))
            yield page.items
            if page.following is None:
                return
            cursor = page.following
            await _pause(call, pause_seconds)
        raise self._endless()

    async def _page(self, call: CallContext, path: str, asked: Mapping[str, Any]) -> _Leaf:
        return self._leaf(await self._vendor.post(call, path, asked), asked["page"]["size"])

    def _leaf(self, content: Json, size: int) -> _Leaf:
        items, page = content.get("items"), content.get("page")
        if not isinstance(items, list) or len(items) > size or not all(isinstance(item, dict) for item in items):
            raise SourceInvalid(self.source, "The source system's answer is not a page of items.")
        following = page.get("next", ...) if isinstance(page, dict) else ...
        if following is not None and not isinstance(following, str):
            raise SourceInvalid(self.source, "The source system's answer doesn't say whether it goes on.")
        return _Leaf(items, following)

    def _records(self, kind: _Kind, items: Sequence[Json], call: CallContext) -> list[Record]:
        with self._readable():
            return list(kind.read(reader(self.source, self._mapping), items, call.attributes))

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Malformed as reason:
            raise SourceInvalid(self.source, f"The source system's answer can't be used: {reason}.") from None

    def _refuse_foreign(self, items: Sequence[Json], shown: str, keys: Iterable[str]) -> None:
        """Raises where an item's own key is none of those that were asked for."""
        asked = frozenset(keys)
        for item in items:
            key = item.get(shown)
            if not isinstance(key, str) or key not in asked:
                raise SourceInvalid(self.source, "The source system answered about something not asked for.")

    def _endless(self) -> SourceInvalid:
        return SourceInvalid(self.source, "The source system's answer has more pages than agreed.")


async def _pause(call: CallContext, seconds: float) -> None:
    """Wait so long, but never past the deadline."""
    if seconds:
        await asyncio.sleep(max(0.0, min(seconds, call.deadline - monotonic())))
