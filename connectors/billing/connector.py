"""The connector to a billing database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from connectors.billing import queries
from connectors.billing.claims import Translation
from connectors.billing.config import BillingConfig
from connectors.billing.database import Database, Row
from connectors.billing.mapping import BillingMapping
from connectors.vocabulary import refuse_unknown_key, refuse_unknown_search
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Hit, Page, Search
from portico.records.types import Claim

MAPPING: Final = BillingMapping.load()

KEYS: Final[Mapping[RecordType, frozenset[By]]] = {RecordType.CLAIM: frozenset(queries.KEYS)}

UNREADABLE: Final = (KeyError, TypeError, ValueError)
"""What `Translation` raises for a row that breaks the mapping; its text may hold values, so it goes no further."""


class BillingConnector:
    """Claims with their lines and money, and the subscribers as billing knows them. See `connectors.base.Connector`.

    A claim's subject is the subscriber's number, its provider an NPI, its coverage a member number. Billed, allowed
    and paid are sums over the lines and remittances that stand.
    """

    def __init__(self, config: BillingConfig, mapping: BillingMapping = MAPPING) -> None:
        self._config = config
        self._mapping = mapping
        self._database = Database(config)
        self._translation = Translation(config.source, mapping, ZoneInfo(config.timezone))

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""
        return self._config.source

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """Claims, by number, subscriber and visit."""
        return KEYS

    @property
    def searches(self) -> frozenset[RecordType]:
        """Claims."""
        return frozenset(KEYS)

    @property
    def batch_limit(self) -> int:
        """How many keys one statement may carry."""
        return self._config.batch_limit

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Claim]:
        """The claims of some keys. Cost: one statement, whatever the number of keys; none for none."""
        refuse_unknown_key(KEYS, type_, by)
        if not keys:
            return ()
        limit = self._config.row_limit
        rows = await self._read(call, queries.find_claims(by, keys, call.attributes, row_limit=limit), limit)
        return self._claims(call, rows)

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of claims. Cost: one statement.

        A position holds what the page is ordered by, so a claim's number or date: whoever hands it out seals it.
        """
        refuse_unknown_search(self.searches, search)
        statement = queries.search_claims(search, call.attributes, self._mapping)
        rows = await self._read(call, statement, search.limit + 1)
        claims = self._claims(call, rows)
        hits = [
            Hit(claim, queries.position(claim.id.value, row["entered"]))
            for row, claim in zip(rows, claims, strict=True)
        ]
        return Page(tuple(hits[: search.limit]), more=len(hits) > search.limit)

    async def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every subscriber. Cost: one statement a page of the scan."""
        limit = self._config.scan_page_rows
        last = ""
        while True:
            rows = await self._read(call, queries.list_subscribers(last, row_limit=limit), limit)
            for row in rows:
                person = self._person(row)
                yield person
                last = person.source_id
            if len(rows) < limit:
                return

    async def relations(self, call: CallContext) -> AsyncIterator[Relation]:  # noqa: ARG002 - the contract's
        """None: who bills for a visit vouches for no relationship of care."""
        vouched: tuple[Relation, ...] = ()
        for relation in vouched:
            yield relation

    async def consents(self, call: CallContext) -> AsyncIterator[Consent]:  # noqa: ARG002 - the contract's
        """None: who bills for a visit is not who is told what the patient wants."""
        made: tuple[Consent, ...] = ()
        for consent in made:
            yield consent

    async def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:  # noqa: ARG002 - the contract's
        """None: a claim's labels are its own; what the visit was is the EHR's to say."""
        labelled: tuple[SensitiveVisit, ...] = ()
        for visit in labelled:
            yield visit

    async def ping(self, call: CallContext) -> None:
        """Whether the database answers. Cost: one statement that reads nothing."""
        await self._database.read(queries.Statement(queries.SQL["ping"]), deadline=call.deadline)

    async def aclose(self) -> None:
        """Close the pooled connections."""
        await self._database.aclose()

    async def _read(self, call: CallContext, statement: queries.Statement, row_limit: int) -> Sequence[Row]:
        rows = await self._database.read(statement, deadline=call.deadline)
        if len(rows) > row_limit:
            raise SourceInvalid(self.source, "The source system's answer is too large.")
        return rows

    def _claims(self, call: CallContext, rows: Sequence[Row]) -> Sequence[Claim]:
        retrieved_at = datetime.now(UTC)
        try:
            return self._translation.claims(rows, call.attributes, retrieved_at)
        except UNREADABLE:
            failure = SourceInvalid(self.source)
        raise failure

    def _person(self, row: Row) -> Person:
        try:
            return self._translation.person(row)
        except UNREADABLE:
            failure = SourceInvalid(self.source)
        raise failure
