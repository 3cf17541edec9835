"""Emergency access: who broke the glass for whom, for how long, why, and what a reviewer made of it.

While an access is in force it is a relationship, `emergency`, of its principal to its patient and to nobody else; the
crosswalk reads it with the others. Nothing that was declared is ever changed: an end and a review are added, once each.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType, Protocol, TypeVar

from portico.records.references import PatientId, Tenant
from portico.records.types import EmergencyVerdict

AccessId = NewType("AccessId", str)
"""Of an emergency access: a UUID."""

MINUTES_LIMIT: Final = 60
"""The longest that an access may last, whatever the policies say."""

LEEWAY: Final = timedelta(minutes=1)
"""How far the clocks of two servers may be apart. An access counts from so long before it began: nobody can know of it
earlier. It ends to the instant."""

DAY: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyAccess:
    """One declared emergency. Instants are aware; texts that people wrote print as nothing."""

    id: AccessId
    subject: str
    """Whose access it is: the token's subject."""
    roles: frozenset[str]
    """The roles that the token gave."""
    patient: PatientId
    reason: str = field(repr=False)
    """Why, in the principal's words. For reviewers only."""
    started_at: datetime
    ends_at: datetime
    """The first instant at which it no longer counts."""
    ended_at: datetime | None = None
    """When it was ended before its time."""
    ended_by: str | None = None
    reviewed_at: datetime | None = None
    reviewer: str | None = None
    verdict: EmergencyVerdict | None = None
    note: str | None = field(default=None, repr=False)

    def is_in_force(self, at: datetime) -> bool:
        """Whether it counts at an instant."""
        return self.ended_at is None and self.started_at - LEEWAY <= at < self.ends_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """An emergency as it is declared. `id` is new: the same declaration made again changes nothing.

    `patient` None: nobody whom this tenant knows was named.
    """

    tenant: Tenant
    id: AccessId
    subject: str
    roles: frozenset[str]
    patient: PatientId | None
    reason: str = field(repr=False)
    at: datetime
    minutes: int
    per_day: int | None
    """How many the principal may have declared within 24 hours, this one included; None: any number."""


class Refused(StrEnum):
    """Why the store would not do what was asked of it. Nothing was changed."""

    UNKNOWN_PATIENT = "unknown_patient"
    """No such patient of this tenant; the attempt is counted."""
    DAILY_LIMIT = "daily_limit"
    """The principal has declared, or tried in vain, as many emergencies in 24 hours as they may."""
    UNKNOWN_ACCESS = "unknown_access"
    """No such access of this tenant."""
    NOT_IN_FORCE = "not_in_force"
    """It has ended already."""
    ALREADY_REVIEWED = "already_reviewed"
    OWN_ACCESS = "own_access"
    """Nobody reviews what they did themselves."""


class Recordable(Protocol):
    """An audit entry, as far as the store knows it."""

    def encode(self) -> bytes:
        """What is recorded, in its canonical encoding."""


Entry_contra = TypeVar("Entry_contra", bound=Recordable, contravariant=True)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page of accesses goes on: after the access of this id, that began then if that is the order."""

    id: AccessId
    started_at: datetime | None = None


class EmergencyAccesses(Protocol[Entry_contra]):
    """The emergency accesses of all tenants; each method touches one.

    What changes something takes the audit entry that tells of it, and for a declaration the alert: change, entry and
    alert are one transaction, so that none is without the others. Every change counts for every read that begins after
    it was committed, in every process. Raises `StoreUnavailable` where the database gives no answer in time,
    `AuditUnavailable` where the entry can't be recorded durably.
    """

    async def declare(self, declaration: Declaration, *, entry: Entry_contra, alert: str) -> EmergencyAccess | Refused:
        """Begin an access. `alert` is the body that the tenant's receiver gets. Cost: one statement.

        It is the same one whether the patient is known or not.
        """

    async def exhausted(self, tenant: Tenant, subject: str, *, at: datetime, per_day: int) -> bool:
        """Whether a declaration at this instant would meet the daily limit; `declare` judges it again. One query."""

    async def end(
        self, tenant: Tenant, access: AccessId, *, by: str, at: datetime, entry: Entry_contra
    ) -> EmergencyAccess | Refused:
        """End an access before its time."""

    async def review(
        self,
        tenant: Tenant,
        access: AccessId,
        *,
        reviewer: str,
        verdict: EmergencyVerdict,
        note: str | None,
        at: datetime,
        entry: Entry_contra,
    ) -> EmergencyAccess | Refused:
        """Say what to make of an access, once."""

    async def accesses(self, tenant: Tenant, ids: Collection[AccessId]) -> Mapping[AccessId, EmergencyAccess]:
        """Accesses by id; unknown ones are absent. Cost: one query."""

    async def accesses_of(
        self, tenant: Tenant, patients: Collection[PatientId]
    ) -> Mapping[PatientId, Sequence[EmergencyAccess]]:
        """Every access to each of these patients, the latest first; absent where there is none. Cost: one query."""

    async def queue(
        self,
        tenant: Tenant,
        *,
        patients: Collection[PatientId] | None = None,
        reviewed: bool | None = None,
        by_time: bool = True,
        descending: bool = True,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[EmergencyAccess]:
        """Accesses in order; of these patients, and reviewed or not, where that is asked. Cost: one query.

        They go by when they began and then by their id, or by their id alone.
        """
