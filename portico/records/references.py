"""How a record is named: its type, the system that names it, and the name there."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import NewType

from msgspec import Struct

Tenant = NewType("Tenant", str)
"""A clinic group: everything belongs to exactly one."""

SourceName = NewType("SourceName", str)
"""A source system as the tenant's configuration names it: `ehr`, `scheduling`, `billing`."""

PatientId = NewType("PatientId", str)
"""Portico's own canonical id of a patient: a UUID, meaningless outside the crosswalk."""

PORTICO = SourceName("portico")
"""Portico itself, as the source of its own records. Patients go by their canonical id there."""

_PATIENT_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def is_patient_id(text: str) -> bool:
    """Whether a text has the form of a canonical patient id: a UUID as Portico writes it."""
    return _PATIENT_ID.fullmatch(text) is not None


class RecordType(StrEnum):
    """The canonical types."""

    PATIENT = "Patient"
    PRACTITIONER = "Practitioner"
    ORGANIZATION = "Organization"
    LOCATION = "Location"
    SLOT = "Slot"
    APPOINTMENT = "Appointment"
    ENCOUNTER = "Encounter"
    COVERAGE = "Coverage"
    CARE_TEAM_MEMBER = "CareTeamMember"
    CLAIM = "Claim"
    VIEWER = "Viewer"
    """The caller themselves, as their token says."""
    SOURCE = "Source"
    """A source system's own state."""
    ACCESS = "Access"
    """That somebody was told something about a patient, by Portico's audit trail."""
    EMERGENCY_ACCESS = "EmergencyAccess"
    """That somebody broke the glass for a patient."""
    CONSENT = "Consent"
    """What a patient has said about who may see what of theirs."""


class By(StrEnum):
    """The keys by which a connector can look records up in batches."""

    ID = "id"
    """The source's own id of the record."""
    PATIENT = "patient"
    """The source's own id of the patient whom the record is about."""
    VISIT = "visit"
    """The visit number that EHR, scheduling and billing share."""
    NPI = "npi"
    """National Provider Identifier (practitioners)."""
    SITE = "site"
    """The clinic group's site code (locations)."""
    MEMBER = "member"
    """The payer's member number (coverages)."""


class Reference(Struct, frozen=True, gc=False):
    """Points at a record by a key that its source understands: `Reference(PRACTITIONER, By.NPI, "1234567893")`."""

    type: RecordType
    by: By
    value: str


class RecordId(Struct, frozen=True, order=True, gc=False, cache_hash=True):
    """Names one record of one source for good: `RecordId(APPOINTMENT, "scheduling", "A-1001")`."""

    type: RecordType
    source: SourceName
    value: str
