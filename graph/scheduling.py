"""Appointments, and the slots that can be booked."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.fields import edge, record, value
from graph.lists import ClaimFilter, Connection
from graph.node import Node
from graph.people import Location, Patient, Practitioner
from graph.values import Coding, Provenance
from graph.vocabulary import ClaimOrder
from portico.access.tags import Tag
from portico.records.types import AppointmentStatus, SlotStatus
from resolvers.pages import DEFAULT_PAGE

if TYPE_CHECKING:
    from graph.billing import Claim
    from graph.care import Encounter


@record
class Slot(Node):
    """A time that can be booked, or can't (FHIR Slot). It never says by whom it was."""

    start: dt.datetime | None = value(Tag.SCHEDULING, "When it begins, in UTC.")
    end: dt.datetime | None = value(Tag.SCHEDULING, "When it ends, in UTC.")
    status: SlotStatus | None = value(Tag.SCHEDULING, "Whether it is free.")
    service_type: Coding | None = value(Tag.SCHEDULING, "What it is for.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.SCHEDULING)
    def practitioner(self) -> Practitioner | None:
        """With whom."""

    @edge(Tag.SCHEDULING)
    def location(self) -> Location | None:
        """Where."""


@record
class Appointment(Node):
    """A booked visit (FHIR Appointment)."""

    start: dt.datetime | None = value(Tag.SCHEDULING, "When it begins, in UTC.")
    end: dt.datetime | None = value(Tag.SCHEDULING, "When it ends, in UTC.")
    status: AppointmentStatus | None = value(Tag.SCHEDULING, "How it stands.")
    service_type: Coding | None = value(Tag.SCHEDULING, "What it is for.")
    reason: str | None = value(Tag.CLINICAL, "Why the patient comes, in their or the clinic's words.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.SCHEDULING)
    def patient(self) -> Patient | None:
        """Whose it is."""

    @edge(Tag.SCHEDULING)
    def practitioner(self) -> Practitioner | None:
        """With whom."""

    @edge(Tag.SCHEDULING)
    def location(self) -> Location | None:
        """Where."""

    @edge(Tag.SCHEDULING)
    def encounter(self) -> Annotated[Encounter, strawberry.lazy("graph.care")] | None:
        """The encounter that it led to; joined by the visit number."""

    @edge(Tag.FINANCIAL)
    def claims(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: ClaimFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: ClaimOrder = ClaimOrder.CREATED_ASC,
    ) -> Connection[Annotated[Claim, strawberry.lazy("graph.billing")]] | None:
        """The claims for it; joined by the visit number."""
