"""Encounters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import edge, record, value
from graph.lists import ClaimFilter, Connection
from graph.node import Node
from graph.people import Location, Organization, Patient, Practitioner
from graph.scheduling import Appointment
from graph.values import Coding, Period, Provenance
from graph.vocabulary import ClaimOrder
from portico.access.tags import Tag
from portico.records.types import EncounterStatus
from resolvers.pages import DEFAULT_PAGE

if TYPE_CHECKING:
    from graph.billing import Claim


@record
class Encounter(Node):
    """What happened between a patient and those who care for them (FHIR Encounter)."""

    status: EncounterStatus | None = value(Tag.SCHEDULING, "How it stands.")
    encounter_class: Coding | None = value(Tag.SCHEDULING, "Ambulatory, emergency, inpatient.", name="class")
    service_type: Coding | None = value(Tag.CLINICAL, "What was done, in kind.")
    period: Period | None = value(Tag.SCHEDULING, "From when until when.")
    reasons: list[Coding] | None = value(Tag.CLINICAL, "Why it took place.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.SCHEDULING)
    def patient(self) -> Patient | None:
        """Whose it is."""

    @edge(Tag.SCHEDULING)
    def practitioner(self) -> Practitioner | None:
        """Who saw the patient."""

    @edge(Tag.SCHEDULING)
    def location(self) -> Location | None:
        """Where."""

    @edge(Tag.SCHEDULING)
    def organization(self) -> Organization | None:
        """The clinic that is responsible for it."""

    @edge(Tag.SCHEDULING)
    def appointment(self) -> Appointment | None:
        """The appointment that it came from; joined by the visit number."""

    @edge(Tag.FINANCIAL)
    def claims(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: ClaimFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: ClaimOrder = ClaimOrder.CREATED_ASC,
    ) -> Connection[Annotated[Claim, strawberry.lazy("graph.billing")]] | None:
        """The claims for it; joined by the visit number."""
