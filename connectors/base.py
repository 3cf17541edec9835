"""The contract between Portico and a source system.

A connector speaks one source's protocol and gives canonical records; it knows nothing of policies, audit or GraphQL,
and holds no state but its pooled connections and its credential. It serves one tenant. What it can't do it refuses:
an unknown predicate raises, and is never dropped.

Callers don't use a connector directly but through `connectors.channel.Channel`, which adds what is the same for all
of them: chunks of `batch_limit`, deadlines, bounded concurrency, the token bucket, the circuit breaker and the check
that an answer is about what was asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Protocol

from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record


class Connector(Protocol):
    """One source system of one tenant.

    Every method raises `SourceUnavailable`, `SourceTimeout` or `SourceInvalid` and nothing else of its own (besides
    `UnsupportedPredicate`, a bug of the caller), maps foreign errors at its seam, and stops at `call.deadline`.
    """

    @property
    def source(self) -> SourceName:
        """The source's name in the tenant's configuration."""

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """The types that this connector serves, each with the keys by which `find` can look it up."""

    @property
    def searches(self) -> frozenset[RecordType]:
        """The types that `search` can list."""

    @property
    def batch_limit(self) -> int:
        """How many keys one call to the source may carry."""

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]) -> Sequence[Record]:
        """All records of a type whose key is one of `keys` (at most `batch_limit`, distinct), in any order.

        Unknown keys have no record; that is no error. Cost: one request to the source, plus its further pages.
        """

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of a search. Cost: one request to the source for a page of up to 110.

        Every hit meets every condition, as its own attributes tell where they are wanted. A value that is absent
        meets none, but for a time that can't be read.

        A page begins after the record that its position names, by keyset and never by a count: see `Hit`. Where the
        source has no way to ask for that, finding the place again may cost more, within bounds: beyond them it raises
        `SourceInvalid`.
        """

    def people(self, call: CallContext) -> AsyncIterator[Person]:
        """Every patient that the source knows, for linking; cost: a scan, page by page."""

    def relations(self, call: CallContext) -> AsyncIterator[Relation]:
        """Every relation between a party and a patient that the source vouches for; cost: a scan, page by page."""

    def consents(self, call: CallContext) -> AsyncIterator[Consent]:
        """Every provision in force, or to be, that a patient made about their data; cost: a scan, page by page.

        A provision that can't be understood is given as one that denies everything, never left out. None where the
        source keeps no consents.
        """

    def sensitive_visits(self, call: CallContext) -> AsyncIterator[SensitiveVisit]:
        """Every visit that carries a sensitivity label; cost: a scan, page by page.

        None where what the source knows of a visit is not what other sources' records of it should inherit.
        """

    async def ping(self, call: CallContext) -> None:
        """Whether the source answers at all; returns or raises. Cost: the source's cheapest request."""

    async def aclose(self) -> None:
        """Release the pooled connections. May be called more than once."""
