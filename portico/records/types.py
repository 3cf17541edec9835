"""The canonical records, after FHIR R4's resources of the same names.

A record holds what one source said about one thing, in canonical words and with the source's own ids. An attribute
that is None is absent, or was not asked for: what is missing is never guessed. `Reference`s point on; who follows one
is decided elsewhere. Dates are FHIR `date` strings (YYYY, YYYY-MM or YYYY-MM-DD), instants are aware datetimes.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from portico.records.consent import ConsentKind
from portico.records.references import RecordId, RecordType, Reference
from portico.records.values import (
    Accessor,
    Address,
    ClaimLine,
    Coding,
    HumanName,
    Identifier,
    Money,
    Period,
    Provenance,
    Value,
)


class Gender(StrEnum):
    """FHIR AdministrativeGender."""

    MALE = "male"
    FEMALE = "female"
    OTHER = "other"
    UNKNOWN = "unknown"


class AppointmentStatus(StrEnum):
    """FHIR AppointmentStatus."""

    PROPOSED = "proposed"
    PENDING = "pending"
    BOOKED = "booked"
    ARRIVED = "arrived"
    FULFILLED = "fulfilled"
    CANCELLED = "cancelled"
    NOSHOW = "noshow"
    ENTERED_IN_ERROR = "entered-in-error"
    CHECKED_IN = "checked-in"
    WAITLIST = "waitlist"


class EncounterStatus(StrEnum):
    """FHIR EncounterStatus."""

    PLANNED = "planned"
    ARRIVED = "arrived"
    TRIAGED = "triaged"
    IN_PROGRESS = "in-progress"
    ONLEAVE = "onleave"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    ENTERED_IN_ERROR = "entered-in-error"
    UNKNOWN = "unknown"


class SlotStatus(StrEnum):
    """FHIR SlotStatus."""

    BUSY = "busy"
    FREE = "free"
    BUSY_UNAVAILABLE = "busy-unavailable"
    BUSY_TENTATIVE = "busy-tentative"
    ENTERED_IN_ERROR = "entered-in-error"


class CoverageStatus(StrEnum):
    """FHIR FinancialResourceStatusCodes."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    DRAFT = "draft"
    ENTERED_IN_ERROR = "entered-in-error"


class ClaimStatus(StrEnum):
    """Where a claim stands with its payer (after X12 277 categories; FHIR's own status only says 'active')."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    PENDED = "pended"
    PAID = "paid"
    DENIED = "denied"
    CANCELLED = "cancelled"


class ClaimType(StrEnum):
    """FHIR ClaimTypeCodes."""

    INSTITUTIONAL = "institutional"
    PROFESSIONAL = "professional"
    PHARMACY = "pharmacy"
    ORAL = "oral"
    VISION = "vision"


class Record(Value, frozen=True, kw_only=True):
    """What every record carries, whatever its type."""

    type: ClassVar[RecordType]

    id: RecordId
    provenance: Provenance
    subject: str | None = None
    """The source's own id of the patient whom this record is about; a Patient names itself. None: about nobody."""
    labels: frozenset[str] = frozenset()
    """Sensitivity labels (FHIR security labels), as the source set them."""


class Patient(Record, frozen=True, kw_only=True):
    """FHIR Patient."""

    type: ClassVar[RecordType] = RecordType.PATIENT

    name: HumanName | None = None
    birth_date: str | None = None
    gender: Gender | None = None
    language: str | None = None
    deceased: bool | None = None
    mrn: str | None = None
    ssn: str | None = None
    identifiers: tuple[Identifier, ...] | None = None
    phone: str | None = None
    email: str | None = None
    address: Address | None = None
    general_practitioner: Reference | None = None
    managing_organization: Reference | None = None


class Practitioner(Record, frozen=True, kw_only=True):
    """FHIR Practitioner."""

    type: ClassVar[RecordType] = RecordType.PRACTITIONER

    name: HumanName | None = None
    npi: str | None = None
    specialty: Coding | None = None
    active: bool | None = None


class Organization(Record, frozen=True, kw_only=True):
    """FHIR Organization."""

    type: ClassVar[RecordType] = RecordType.ORGANIZATION

    name: str | None = None
    phone: str | None = None
    address: Address | None = None


class Location(Record, frozen=True, kw_only=True):
    """FHIR Location."""

    type: ClassVar[RecordType] = RecordType.LOCATION

    name: str | None = None
    site: str | None = None
    """The clinic group's site code: `RVS-1`."""
    phone: str | None = None
    address: Address | None = None


class CareTeamMember(Record, frozen=True, kw_only=True):
    """One practitioner participant of a patient's FHIR CareTeam."""

    type: ClassVar[RecordType] = RecordType.CARE_TEAM_MEMBER

    role: Coding | None = None
    period: Period | None = None
    practitioner: Reference | None = None


class Encounter(Record, frozen=True, kw_only=True):
    """FHIR Encounter."""

    type: ClassVar[RecordType] = RecordType.ENCOUNTER

    status: EncounterStatus | None = None
    encounter_class: Coding | None = None
    service_type: Coding | None = None
    period: Period | None = None
    reasons: tuple[Coding, ...] | None = None
    visit: str | None = None
    """The visit number that scheduling and billing share."""
    practitioner: Reference | None = None
    location: Reference | None = None
    organization: Reference | None = None


class Coverage(Record, frozen=True, kw_only=True):
    """FHIR Coverage."""

    type: ClassVar[RecordType] = RecordType.COVERAGE

    status: CoverageStatus | None = None
    payer: str | None = None
    member_id: str | None = None
    plan: str | None = None
    period: Period | None = None


class Slot(Record, frozen=True, kw_only=True):
    """FHIR Slot: a bookable time."""

    type: ClassVar[RecordType] = RecordType.SLOT

    start: datetime | None = None
    end: datetime | None = None
    status: SlotStatus | None = None
    service_type: Coding | None = None
    practitioner: Reference | None = None
    location: Reference | None = None


class Appointment(Record, frozen=True, kw_only=True):
    """FHIR Appointment."""

    type: ClassVar[RecordType] = RecordType.APPOINTMENT

    start: datetime | None = None
    end: datetime | None = None
    status: AppointmentStatus | None = None
    service_type: Coding | None = None
    reason: str | None = None
    visit: str | None = None
    practitioner: Reference | None = None
    location: Reference | None = None


class Claim(Record, frozen=True, kw_only=True):
    """FHIR Claim, with what its remittances (FHIR ClaimResponse, X12 835) said of it."""

    type: ClassVar[RecordType] = RecordType.CLAIM

    status: ClaimStatus | None = None
    claim_type: ClaimType | None = None
    created: str | None = None
    service_period: Period | None = None
    diagnoses: tuple[Coding, ...] | None = None
    lines: tuple[ClaimLine, ...] | None = None
    billed: Money | None = None
    allowed: Money | None = None
    paid: Money | None = None
    patient_responsibility: Money | None = None
    visit: str | None = None
    provider: Reference | None = None
    coverage: Reference | None = None


class Viewer(Record, frozen=True, kw_only=True):
    """Who asks, as Portico understood their token. Its source is Portico itself."""

    type: ClassVar[RecordType] = RecordType.VIEWER

    subject_name: str | None = None
    kind: str | None = None
    roles: tuple[str, ...] | None = None
    purpose: str | None = None
    tenant: str | None = None


class EmergencyVerdict(StrEnum):
    """What a reviewer makes of an emergency access."""

    JUSTIFIED = "justified"
    UNJUSTIFIED = "unjustified"
    INCONCLUSIVE = "inconclusive"


class EmergencyAccess(Record, frozen=True, kw_only=True):
    """That somebody broke the glass for a patient. Its source is Portico itself."""

    type: ClassVar[RecordType] = RecordType.EMERGENCY_ACCESS

    patient_id: str | None = None
    """The patient's opaque id, as the graph shows it."""
    who: Accessor | None = None
    at: datetime | None = None
    ends_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    reviewed_at: datetime | None = None
    reviewer: str | None = None
    verdict: EmergencyVerdict | None = None
    note: str | None = None


class Consent(Record, frozen=True, kw_only=True):
    """One provision of FHIR Consent: a source's, or one that Portico itself keeps."""

    type: ClassVar[RecordType] = RecordType.CONSENT

    kind: ConsentKind | None = None
    purposes: tuple[str, ...] | None = None
    roles: tuple[str, ...] | None = None
    tags: tuple[str, ...] | None = None
    sensitivities: tuple[str, ...] | None = None
    """The sensitivity labels that it names."""
    parties: tuple[str, ...] | None = None
    period: Period | None = None
    recorded_at: datetime | None = None
    revoked_at: datetime | None = None


class SourceStatus(StrEnum):
    """Whether a source system answers."""

    UP = "up"
    DOWN = "down"
    SLOW = "slow"
    OFF = "off"


class Source(Record, frozen=True, kw_only=True):
    """A source system of the tenant and how it is. Its source is Portico itself."""

    type: ClassVar[RecordType] = RecordType.SOURCE

    name: str | None = None
    status: SourceStatus | None = None
    latency_milliseconds: int | None = None
    serves: tuple[str, ...] | None = None


class Access(Record, frozen=True, kw_only=True):
    """That somebody was told something about a patient. Its source is Portico's audit trail.

    `labels` are the sensitivity labels of what was told: whom one of them keeps out, it keeps out here too.
    """

    type: ClassVar[RecordType] = RecordType.ACCESS

    at: datetime | None = None
    purpose: str | None = None
    who: Accessor | None = None
    client: str | None = None
    released: tuple[str, ...] | None = None
    sources: tuple[str, ...] | None = None
    disclosure: bool | None = None


RECORD_CLASSES: dict[RecordType, type[Record]] = {
    cls.type: cls
    for cls in (
        Patient, Practitioner, Organization, Location, CareTeamMember, Encounter, Coverage, Slot, Appointment, Claim,
        Viewer, Source, EmergencyAccess, Consent, Access,
    )
}  # fmt: skip
