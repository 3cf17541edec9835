"""The connector to a FHIR R4 server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from operator import attrgetter
from typing import Any, Final

from connectors.conditions import judge, judged_by
from connectors.fhir.attributes import RESOURCES, Reading
from connectors.fhir.config import FhirConfig
from connectors.fhir.consents import CONSENT, CONSENT_ELEMENTS, consents, practitioners_of
from connectors.fhir.datatypes import Malformed, identifier_values
from connectors.fhir.listings import Listing, Listings, Rows
from connectors.fhir.mapping import FhirMapping
from connectors.fhir.near_hits import is_near_hit
from connectors.fhir.people import (
    PERSON_ELEMENTS,
    RELATED_ELEMENTS,
    TEAM_ELEMENTS,
    VISIT_ELEMENTS,
    Relations,
    npi,
    person,
    sensitive_visit,
)
from connectors.fhir.positions import Position
from connectors.fhir.queries import KEYS, SEARCHED, conditions, lookup, sort
from connectors.fhir.resources import reader, wanted_elements
from connectors.fhir.searchsets import Searchset
from connectors.fhir.server import FhirServer, PageGone, Parameters
from connectors.vocabulary import refuse_unknown_key, refuse_unknown_search
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid, SourceUnavailable, UnsupportedPredicate
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Hit, Page, Search
from portico.records.types import Record

_SERVED: Final = {type_: frozenset(keys) for type_, keys in KEYS.items()}


class FhirConnector:
    """Patients and all that an EHR knows around them, over FHIR R4 with OAuth2 client credentials.

    Keeps `connectors.base.Connector`. The server is asked by batched `_search`es for the elements that the wanted
    attributes are built from; what it answers is taken only if it is about what was asked. The mapping is the
    shipped one unless another is given.
    """

    def __init__(self, config: FhirConfig, mapping: FhirMapping | None = None) -> None:
        self._config = config
        self._mapping = mapping or FhirMapping.load()
        self._server = FhirServer(config)
        self._listings = Listings(self._server, config)

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""
        return self._config.source

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """Patients, practitioners, organizations, locations, encounters, coverages and care team members."""
        return _SERVED

    @property
    def searches(self) -> frozenset[RecordType]:
        """Patients and practitioners."""
        return frozenset(SEARCHED)

    @property
    def batch_limit(self) -> int:
        """How many keys one search may carry."""
        return self._config.batch_limit

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:
        """All records of a type with one of the keys. Cost: one `_search`, and its further pages if there are any."""
        refuse_unknown_key(self.keys, type_, by)
        if len(keys) > self.batch_limit:
            raise UnsupportedPredicate("more keys than one call may carry")
        question = lookup(type_, by, keys, self._mapping)
        if question is None:
            return []
        system = KEYS[type_][by].system
        names = {*wanted_elements(type_, call.attributes), *(("identifier",) if system else ())}
        count = min(len(keys), self._config.page_size) if by is By.ID else self._config.page_size
        parameters = [question, ("_elements", ",".join(sorted(names))), ("_count", str(count))]
        is_asked, found = self._question(by, system, frozenset(keys)), dict[str, Record]()
        async with aclosing(self._pages(call, RESOURCES[type_].type, parameters, self._config.page_limit)) as pages:
            async for page in pages:
                read = reader(type_, call.attributes, self._reading())
                with self._readable():
                    for resource in page.resources:
                        for record in read(resource):
                            if not is_asked(record, resource):
                                raise self._foreign()
                            found[record.id.value] = record
        return list(found.values())

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of patients or practitioners. Cost: as in `Listings`, where a place is found again.

        A position holds what the page is ordered by and the resource's id: whoever hands it out seals it.
        """
        refuse_unknown_search(self.searches, search)
        position = None if search.after is None else Position.parse(search.after)
        asked = conditions(search, self._mapping)
        if asked is None:
            return Page((), more=False)
        listing = Listing(
            type=RESOURCES[search.type].type,
            conditions=tuple(asked),
            sort=sort(search),
            order=search.order,
            descending=search.descending,
        )
        names, hits = wanted_elements(search.type, call.attributes), list[Hit]()
        with self._readable():
            for _ in range(self._config.page_limit):
                limit = search.limit - len(hits)
                rows = await (
                    self._listings.first(call, listing, names, limit)
                    if position is None
                    else self._listings.after(call, listing, names, limit, position)
                )
                hits += self._hits(call, search, rows)
                if len(hits) == search.limit or not rows.more:
                    return Page(tuple(hits), rows.more)
                position, _ = rows.placed[-1]  # near hits were left out: the page goes on
        raise self._endless()

    async def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every patient. Cost: one request for each `page_size` of them."""
        async for resource in self._scan(call, RecordType.PATIENT, PERSON_ELEMENTS):
            with self._readable():
                each = person(resource, self._reading())
            yield each

    async def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Care teams in force, general practitioners and managing organizations.

        Cost: a scan of practitioners, one of care teams and one of patients.
        """
        npis: dict[str, str] = {}
        async for resource in self._scan(call, RecordType.PRACTITIONER, ("id", "identifier")):
            with self._readable():
                npis.update(npi(resource, self._reading()))
        told = Relations(npis, self._reading())
        async for resource in self._scan(call, RecordType.CARE_TEAM_MEMBER, TEAM_ELEMENTS):
            with self._readable():
                members = told.of_care_team(resource)
            for relation in members:
                yield relation
        async for resource in self._scan(call, RecordType.PATIENT, RELATED_ELEMENTS):
            with self._readable():
                related = told.of_patient(resource)
            for relation in related:
                yield relation

    async def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """What patients permit and deny, by Consents that stand.

        Cost: a scan of active consents, and one request for each page that names practitioners not named before.
        """
        npis: dict[str, str] = {}
        asked: set[str] = set()
        parameters = [
            ("status", ",".join(sorted(self._mapping.consents.in_force))),
            *self._scanned(CONSENT_ELEMENTS),
        ]
        async with aclosing(self._pages(call, CONSENT, parameters, self._config.scan_page_limit)) as pages:
            async for page in pages:
                reading = self._reading()
                named = frozenset[str]().union(*(practitioners_of(each, reading) for each in page.resources)) - asked
                asked |= named
                npis |= await self._npis_of(call, sorted(named))
                for resource in page.resources:
                    with self._readable():
                        provisions = consents(resource, npis, reading)
                    for provision in provisions:
                        yield provision

    async def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """Encounters that carry a label, or whose codes call for one.

        Cost: a scan of encounters with their codes alone; which of them are sensitive, the server can't be asked.
        """
        async for resource in self._scan(call, RecordType.ENCOUNTER, VISIT_ELEMENTS):
            with self._readable():
                visit = sensitive_visit(resource, self._reading())
            if visit is not None:
                yield visit

    async def ping(self, call: CallContext) -> None:
        """Whether the server answers as FHIR R4 and accepts our credential. Cost: its capability statement."""
        await self._server.ping(call)

    async def aclose(self) -> None:
        """Release the pooled connections."""
        await self._server.aclose()

    async def _pages(
        self, call: CallContext, type_: str, parameters: Parameters, limit: int
    ) -> AsyncGenerator[Searchset]:
        """A search, page by page, at most `limit` of them."""
        page = await self._server.search(call, type_, parameters)
        for _ in range(limit):
            yield page
            if page.following is None:
                return
            try:
                page = await self._server.follow(call, type_, page.following)
            except PageGone:
                raise self._lost() from None
        raise self._endless()

    async def _scan(self, call: CallContext, type_: RecordType, names: Sequence[str]) -> AsyncGenerator[Any]:
        """Every resource of a type, with these elements."""
        pages = self._pages(call, RESOURCES[type_].type, self._scanned(names), self._config.scan_page_limit)
        async with aclosing(pages):
            async for page in pages:
                for resource in page.resources:
                    yield resource

    def _scanned(self, names: Sequence[str]) -> list[tuple[str, str]]:
        """The parameters of a scan for these elements."""
        return [("_elements", ",".join(names)), ("_sort", "_id"), ("_count", str(self._config.page_size))]

    async def _npis_of(self, call: CallContext, practitioners: Sequence[str]) -> dict[str, str]:
        """The NPIs of these practitioners, by id; those who have none, or more than one, are absent."""
        found: dict[str, str] = {}
        for start in range(0, len(practitioners), self.batch_limit):
            chunk = practitioners[start : start + self.batch_limit]
            parameters = [("_id", ",".join(chunk)), *self._scanned(("id", "identifier"))]
            pages = self._pages(call, RESOURCES[RecordType.PRACTITIONER].type, parameters, self._config.page_limit)
            async with aclosing(pages):
                async for page in pages:
                    with self._readable():
                        for resource in page.resources:
                            found.update(npi(resource, self._reading()))
        return found

    def _hits(self, call: CallContext, search: Search, rows: Rows) -> Iterator[Hit]:
        """The hits that rows are, without near hits, as far as the call's attributes tell them.

        Raises `SourceInvalid` for patients who were not asked for.
        """
        allowed = [frozenset(condition.values) for condition in search.where if condition.field == "patient"]
        missed = judge(each for each in search.where if judged_by([each]) <= call.attributes)
        read = reader(search.type, call.attributes, self._reading())
        for position, resource in rows.placed:
            for record in read(resource):
                if allowed and any(record.id.value not in ids for ids in allowed):
                    raise self._foreign()
                if not is_near_hit(resource, missed(record)):
                    yield Hit(record, str(position))

    def _question(self, by: By, system: str | None, keys: frozenset[str]) -> Callable[[Record, Any], bool]:
        """Whether a record, read of a resource, is one that was asked for by one of these keys."""
        if system is None:
            key_of = attrgetter("id.value" if by is By.ID else "subject")
            return lambda record, _: key_of(record) in keys
        canonical = self._mapping.canonical_systems
        return lambda _, resource: not keys.isdisjoint(identifier_values(resource.identifier, canonical, system))

    def _reading(self) -> Reading:
        return Reading(
            source=self.source,
            mapping=self._mapping,
            base=str(self._server.base),
            retrieved_at=datetime.now(UTC),
        )

    @contextmanager
    def _readable(self) -> Iterator[None]:
        try:
            yield
        except Malformed as reason:
            raise SourceInvalid(self.source, f"The source system's answer can't be used: {reason}.") from None

    def _foreign(self) -> SourceInvalid:
        return SourceInvalid(self.source, "The source system answered about something not asked for.")

    def _lost(self) -> SourceUnavailable:
        return SourceUnavailable(self.source, "The source system lost a search before its last page.")

    def _endless(self) -> SourceInvalid:
        return SourceInvalid(self.source, "The source system's answer has more pages than agreed.")
