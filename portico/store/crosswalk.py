"""The crosswalk: which ids of which sources are the same patient, and how a principal stands to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final, Never, Protocol

from msgspec import Struct

from portico.access.decisions import Facts
from portico.access.principal import Principal
from portico.records.consent import Consent
from portico.records.people import Relation, RelationKind, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.consents import Consents
from portico.store.grants import Grants


class Assurance(IntEnum):
    """How sure a link is. What lies below the configured minimum is not followed."""

    WEAK = 1
    """Asserted by nothing that Portico checks; no rule of its own makes such links."""
    CLOSE = 2
    """A shared identifier; name or birth date differ by a slip."""
    EXACT = 3
    """A shared identifier, the same name, the same birth date; or the record that the canonical id was made for."""


class Rule(StrEnum):
    """Why a link was made."""

    IDENTITY = "identity"
    """The canonical id was made for this record. Never dropped, never moved."""
    EXACT = "exact"
    CLOSE_NAME = "close_name"
    CLOSE_BIRTH_DATE = "close_birth_date"


class Reason(StrEnum):
    """Why a record was left without a link, or (the last) wants a second look."""

    AMBIGUOUS = "ambiguous"
    """Several patients fit."""
    IDENTIFIER_CONFLICT = "identifier_conflict"
    """Its identifiers belong to different patients, or contradict the patient's own."""
    NAME_MISMATCH = "name_mismatch"
    BIRTH_DATE_MISMATCH = "birth_date_mismatch"
    NO_SHARED_IDENTIFIER = "no_shared_identifier"
    """One patient has its name and birth date, which is not enough."""
    NOT_IN_EHR = "not_in_ehr"
    POSSIBLE_DUPLICATE = "possible_duplicate"
    """Another record of the identity source seems to be the same person; both keep their own canonical id."""
    MERGED = "merged"
    """Its source merged it into another record: nothing follows it any more, and the other takes nothing over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One source's id of a patient."""

    source: SourceName
    source_id: str
    patient: PatientId
    assurance: Assurance
    rule: Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Unlinked:
    """A record that a human being should look at. Ids only: who they are is for the source to show."""

    source: SourceName
    source_id: str
    reason: Reason
    candidates: tuple[PatientId, ...] = ()
    """The patients that it may be, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPlan:
    """What the named sources' links should be from now on; other sources' stay as they are."""

    sources: frozenset[SourceName]
    links: tuple[Link, ...] = ()
    unlinked: tuple[Unlinked, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """What a source's record of a person tells that decides, beside who they are.

    Labels count from every linked record; ages, death and merges only from the identity source's.
    """

    source_id: str
    labels: frozenset[str] = frozenset()
    adolescent_at: datetime | None = None
    """Aware; None: not known. Then they may be a minor for all that is kept from parents."""
    adult_at: datetime | None = None
    """Aware; None: not known. Then nobody is their guardian, for it can't be said that they are a minor."""
    deceased: bool = False
    died_at: datetime | None = None
    """Aware; None of somebody deceased: from the beginning of time."""
    replaced_by: str | None = None
    """The source's own id of the record into which this one was merged."""


class Standing(Struct, frozen=True):
    """How a principal stands to one patient, what is known that decides, and by which ids the sources know them.

    `facts.relationships` are the words of the policies: self, guardian, care_team, scheduled, same_organization,
    emergency. `facts.labels` are the patient's own; `facts.consent` are the provisions in force at the instant asked
    for that concern this principal.
    """

    patient: PatientId
    facts: Facts
    sources: Mapping[SourceName, tuple[str, ...]]
    adolescent: bool = False
    """Of the age at which minors consent to some care by themselves."""
    visits: Mapping[str, frozenset[str]] = {}
    """The labels of the patient's labelled visits, by visit number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrosswalkConfig:
    """How sure a link must be to be followed, and how long a synchronisation may take."""

    minimum_assurance: Assurance = Assurance.CLOSE
    synchronize_timeout_seconds: float = 120.0


RELATIONSHIPS: Final[Mapping[RelationKind, str]] = {
    RelationKind.CARE_TEAM: "care_team",
    RelationKind.SCHEDULED: "scheduled",
    RelationKind.ORGANIZATION: "same_organization",
}
"""The relationship that a source's relation makes."""


NOTHING: Final[Mapping[SourceName, Collection[Never]]] = MappingProxyType({})
"""Of no source."""


class Crosswalk(Consents, Grants, Protocol):
    """Who is whom, within the principal's own tenant and never beyond it.

    Reads see every commit made before they began, never half a synchronisation, and judge periods at `at` (aware),
    both ends inclusive. Every method raises `StoreUnavailable` where the database gives no answer in time.
    """

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """The standings by the source's ids of the patients. Cost: one query.

        Ids that are unknown, unlinked or too weakly linked are absent, and so is who was merged into another.
        """

    async def standings_of(
        self, principal: Principal, patients: Collection[PatientId], *, at: datetime
    ) -> Mapping[PatientId, Standing]:
        """The standings by canonical id. Cost: one query.

        What names no patient of the tenant is absent, and so is who was merged into another.
        """

    async def related(
        self,
        principal: Principal,
        relationships: Collection[str],
        *,
        at: datetime,
        limit: int,
        after: PatientId | None = None,
    ) -> Sequence[Standing]:
        """The patients to whom the principal stands in one of the relationships, by canonical id. Cost: one query.

        At most `limit`, those after `after`; each with all of the principal's relationships.
        """

    async def identify(
        self, tenant: Tenant, source: SourceName, source_ids: Collection[str]
    ) -> Mapping[str, PatientId]:
        """The canonical ids behind a source's ids. Cost: one query."""

    async def synchronize(
        self,
        tenant: Tenant,
        *,
        plan: Callable[[Sequence[Link]], LinkPlan],
        relations: Mapping[SourceName, Collection[Relation]],
        people: Mapping[SourceName, Collection[PersonFacts]] = NOTHING,
        visits: Mapping[SourceName, Collection[SensitiveVisit]] = NOTHING,
        consents: Mapping[SourceName, Collection[Consent]] = NOTHING,
    ) -> LinkPlan:
        """Replace the planned sources' links and the given sources' relations, facts, visits and consents, all at once.

        Returns what was planned. Facts of people whom a source no longer names stay, for so do their canonical ids.

        `plan` is given every link of the tenant, in a thread of its own and under the tenant's lock, so that two
        synchronisations can't give one person two canonical ids.
        """

    async def unlinked(self, tenant: Tenant) -> Sequence[Unlinked]:
        """What waits for a human being, by source and id."""
