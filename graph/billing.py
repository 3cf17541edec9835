"""Insurance and claims."""

from __future__ import annotations

from graph.care import Encounter
from graph.fields import edge, record, value
from graph.node import Node
from graph.people import Patient, Practitioner
from graph.scheduling import Appointment
from graph.values import ClaimLine, Coding, Money, PartialDate, Period, Provenance
from portico.access.tags import Tag
from portico.records.types import ClaimStatus, ClaimType, CoverageStatus


@record
class Coverage(Node):
    """A patient's insurance (FHIR Coverage)."""

    status: CoverageStatus | None = value(Tag.COVERAGE, "Whether it is in force.")
    payer: str | None = value(Tag.COVERAGE, "Who pays.")
    member_id: str | None = value(Tag.COVERAGE, "The payer's number for the patient.")
    plan: str | None = value(Tag.COVERAGE, "Which plan.")
    period: Period | None = value(Tag.COVERAGE, "Since when and until when.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.COVERAGE)
    def patient(self) -> Patient | None:
        """Who is covered."""


@record
class Claim(Node):
    """A claim with its payer's answers (FHIR Claim and ClaimResponse; X12 837 and 835)."""

    status: ClaimStatus | None = value(Tag.FINANCIAL, "Where it stands with the payer.")
    claim_type: ClaimType | None = value(Tag.FINANCIAL, "Professional, institutional, pharmacy.", name="type")
    created: PartialDate | None = value(Tag.FINANCIAL, "When it was made.")
    service_period: Period | None = value(Tag.FINANCIAL, "When the services were given.")
    diagnoses: list[Coding] | None = value(Tag.CLINICAL, "What was diagnosed (ICD-10-CM).")
    lines: list[ClaimLine] | None = value(Tag.FINANCIAL, "The billed services.")
    billed: Money | None = value(Tag.FINANCIAL, "What was charged in all.")
    allowed: Money | None = value(Tag.FINANCIAL, "What the payer allows.")
    paid: Money | None = value(Tag.FINANCIAL, "What the payer paid.")
    patient_responsibility: Money | None = value(Tag.FINANCIAL, "What the patient owes.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.FINANCIAL)
    def patient(self) -> Patient | None:
        """Whose it is."""

    @edge(Tag.FINANCIAL)
    def provider(self) -> Practitioner | None:
        """Who gave the services."""

    @edge(Tag.COVERAGE)
    def coverage(self) -> Coverage | None:
        """The insurance that was billed; joined by the member number."""

    @edge(Tag.SCHEDULING)
    def encounter(self) -> Encounter | None:
        """The encounter that was billed; joined by the visit number."""

    @edge(Tag.SCHEDULING)
    def appointment(self) -> Appointment | None:
        """The appointment that was billed; joined by the visit number."""
