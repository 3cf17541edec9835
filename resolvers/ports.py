"""What resolvers need of the rooms beside them: who is who, and the sources."""

from __future__ import annotations

from collections.abc import Awaitable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from portico.access.decisions import Facts
from portico.access.principal import Principal
from portico.records.context import CallContext
from portico.records.references import By, PatientId, RecordType, SourceName, Tenant
from portico.records.search import Page, Search
from portico.records.switches import Off
from portico.records.types import Record


class Standing(Protocol):
    """A patient, how the caller stands to them, and their ids in every source."""

    @property
    def patient(self) -> PatientId:
        """The canonical id."""

    @property
    def facts(self) -> Facts:
        """How the caller stands to them, the labels that all of theirs inherits, and what they consented to."""

    @property
    def adolescent(self) -> bool:
        """Whether they are of the age at which minors consent to some care by themselves."""

    @property
    def visits(self) -> Mapping[str, frozenset[str]]:
        """The labels of their labelled visits, by visit number."""

    @property
    def sources(self) -> Mapping[SourceName, tuple[str, ...]]:
        """The patient's ids in each source that knows them."""


class Crosswalk(Protocol):
    """Who is who in which source, and who stands how to whom; one query a call. Always of the principal's tenant."""

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """The standing of each linked patient of a source; those not linked are absent."""

    async def standings_of(
        self, principal: Principal, patients: Collection[PatientId], *, at: datetime
    ) -> Mapping[PatientId, Standing]:
        """The standing of each known patient."""

    async def related(
        self, principal: Principal, relationships: Collection[str], *, at: datetime, limit: int
    ) -> Sequence[Standing]:
        """The patients to whom the caller stands in one of the relationships, by patient id."""


class Switchboard(Protocol):
    """What operators have switched off; see `portico.store.switchboard.Switchboard`."""

    def read(self) -> Awaitable[Mapping[Tenant, Off]]:
        """What is off for each tenant, from a read that begins after this call. Raises `StoreUnavailable`."""

    async def admit(self, tenant: Tenant, subject: str) -> float:
        """Admit one request of a slowed subject: 0, or how many seconds are to be waited until then."""


class Channel(Protocol):
    """A source as resolvers call it; see `connectors.channel`."""

    @property
    def source(self) -> SourceName:
        """The source's name."""

    @property
    def destination(self) -> str:
        """What the register of destinations calls this kind of system."""

    @property
    def keys(self) -> Mapping[RecordType, frozenset[By]]:
        """The types that it serves, with their look-up keys."""

    async def find(
        self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]
    ) -> Mapping[str, tuple[Record, ...]]:
        """Records by key, each checked to be about a key that was asked."""

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of a search."""

    async def ping(self, call: CallContext) -> None:
        """Whether the source answers."""
