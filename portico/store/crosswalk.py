"""The crosswalk: which ids of which sources are the same patient, and how a principal stands to them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Final, Protocol

from portico.access.principal import Principal
from portico.records.people import Relation, RelationKind
from portico.records.references import PatientId, SourceName, Tenant


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


@dataclass(frozen=True, slots=True)
class Standing:
    """How a principal stands to one patient, and by which ids the sources know that patient.

    `relationships` are the words of the policies: self, guardian, care_team, scheduled, same_organization.
    """

    patient: PatientId
    relationships: frozenset[str]
    sources: Mapping[SourceName, tuple[str, ...]]


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


@dataclass(frozen=True, slots=True)
class Claim:
    """A relationship that a principal has to every patient who is related so to this party."""

    relationship: str
    party: str = field(repr=False)


def claims_of(principal: Principal) -> frozenset[Claim]:
    """All that a principal's verified attributes let them claim; nothing follows from an attribute that is missing."""
    claims = {Claim("self", id_) for id_ in principal.patients}
    claims.add(Claim("guardian", principal.subject))
    if principal.npi:
        claims |= {Claim("care_team", principal.npi), Claim("scheduled", principal.npi)}
    if principal.organization:
        claims.add(Claim("same_organization", principal.organization))
    return frozenset(claim for claim in claims if is_storable(claim.party))


def is_storable(text: str) -> bool:
    """Whether the database could hold this text at all; what it could not hold names nothing in it."""
    return bool(text) and "\x00" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


class Crosswalk(Protocol):
    """Who is whom, within the principal's own tenant and never beyond it.

    Reads see every commit made before they began, never half a synchronisation, and judge periods at `at` (aware),
    both ends inclusive. Every method raises `StoreUnavailable` where the database gives no answer in time.
    """

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """The standings by the source's ids of the patients. Cost: one query.

        Ids that are unknown, unlinked or too weakly linked are absent.
        """

    async def standings_of(
        self, principal: Principal, patients: Collection[PatientId], *, at: datetime
    ) -> Mapping[PatientId, Standing]:
        """The standings by canonical id; what names no patient of the tenant is absent. Cost: one query."""

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
    ) -> LinkPlan:
        """Replace the planned sources' links and the given sources' relations, all at once; return what was planned.

        `plan` is given every link of the tenant, in a thread of its own and under the tenant's lock, so that two
        synchronisations can't give one person two canonical ids.
        """

    async def unlinked(self, tenant: Tenant) -> Sequence[Unlinked]:
        """What waits for a human being, by source and id."""

    async def grant_guardianship(
        self, tenant: Tenant, *, guardian: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """Let a token subject act for a patient during a period, in place of any period before.

        False where there is no such patient.
        """

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """End it for every read that begins after this returns; False: there was none."""
