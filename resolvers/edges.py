"""Every way from one record to others, one row each: where it starts, where it leads, and by which key.

An edge to records about a patient never leaves that patient: what is found by a visit number and turns out to be
about someone else is not followed, and where there is nothing else it is reported (`SOURCE_INVALID`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portico.records.references import By, RecordType


class Via(StrEnum):
    """What of the parent leads on."""

    PATIENT = "patient"
    """The parent's patient, by their ids in the target's source."""
    REFERENCE = "reference"
    """The parent's attribute of the edge's name, a `Reference`."""
    VISIT = "visit"
    """The parent's visit number."""
    TRAIL = "trail"
    """The parent's patient, in Portico's own audit trail."""


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge. `many` edges are connections, the others lead to one record or none."""

    origin: RecordType
    name: str
    target: RecordType
    via: Via
    many: bool = False
    picks: str | None = None
    """The target's attribute that must equal the parent's reference of the edge's name, where a patient has several."""

    @property
    def link(self) -> str | None:
        """The attribute of the parent that must be fetched to follow the edge."""
        match self.via:
            case Via.PATIENT:
                return self.name if self.picks else None
            case Via.REFERENCE:
                return self.name
            case Via.VISIT:
                return "visit"
            case Via.TRAIL:
                return None


_P, _R = RecordType.PATIENT, RecordType

EDGES: dict[tuple[RecordType, str], Edge] = {
    (edge.origin, edge.name): edge
    for edge in (
        Edge(_P, "appointments", _R.APPOINTMENT, Via.PATIENT, many=True),
        Edge(_P, "encounters", _R.ENCOUNTER, Via.PATIENT, many=True),
        Edge(_P, "claims", _R.CLAIM, Via.PATIENT, many=True),
        Edge(_P, "coverages", _R.COVERAGE, Via.PATIENT, many=True),
        Edge(_P, "care_team", _R.CARE_TEAM_MEMBER, Via.PATIENT, many=True),
        Edge(_P, "accesses", _R.ACCESS, Via.TRAIL, many=True),
        Edge(_P, "emergency_accesses", _R.EMERGENCY_ACCESS, Via.PATIENT, many=True),
        Edge(_P, "consents", _R.CONSENT, Via.PATIENT, many=True),
        Edge(_P, "general_practitioner", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_P, "managing_organization", _R.ORGANIZATION, Via.REFERENCE),
        Edge(_R.CARE_TEAM_MEMBER, "practitioner", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_R.SLOT, "practitioner", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_R.SLOT, "location", _R.LOCATION, Via.REFERENCE),
        Edge(_R.APPOINTMENT, "patient", _P, Via.PATIENT),
        Edge(_R.APPOINTMENT, "practitioner", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_R.APPOINTMENT, "location", _R.LOCATION, Via.REFERENCE),
        Edge(_R.APPOINTMENT, "encounter", _R.ENCOUNTER, Via.VISIT),
        Edge(_R.APPOINTMENT, "claims", _R.CLAIM, Via.VISIT, many=True),
        Edge(_R.ENCOUNTER, "patient", _P, Via.PATIENT),
        Edge(_R.ENCOUNTER, "practitioner", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_R.ENCOUNTER, "location", _R.LOCATION, Via.REFERENCE),
        Edge(_R.ENCOUNTER, "organization", _R.ORGANIZATION, Via.REFERENCE),
        Edge(_R.ENCOUNTER, "appointment", _R.APPOINTMENT, Via.VISIT),
        Edge(_R.ENCOUNTER, "claims", _R.CLAIM, Via.VISIT, many=True),
        Edge(_R.COVERAGE, "patient", _P, Via.PATIENT),
        Edge(_R.CLAIM, "patient", _P, Via.PATIENT),
        Edge(_R.CLAIM, "provider", _R.PRACTITIONER, Via.REFERENCE),
        Edge(_R.CLAIM, "coverage", _R.COVERAGE, Via.PATIENT, picks="member_id"),
        Edge(_R.CLAIM, "encounter", _R.ENCOUNTER, Via.VISIT),
        Edge(_R.CLAIM, "appointment", _R.APPOINTMENT, Via.VISIT),
    )
}

ABOUT_PATIENTS = frozenset(
    {
        _P, _R.APPOINTMENT, _R.ENCOUNTER, _R.CLAIM, _R.COVERAGE, _R.CARE_TEAM_MEMBER, _R.ACCESS, _R.EMERGENCY_ACCESS,
        _R.CONSENT,
    },
)  # fmt: skip
"""The types whose records are about a patient. One of these without a patient is about nobody we know."""

UNIQUE_KEYS: dict[RecordType, dict[By, str]] = {
    _R.PRACTITIONER: {By.NPI: "npi"},
    _R.LOCATION: {By.SITE: "site"},
    _R.ENCOUNTER: {By.VISIT: "visit"},
    _R.APPOINTMENT: {By.VISIT: "visit"},
}
"""Keys that name one record of their type: a record found by another way is known under these too."""
