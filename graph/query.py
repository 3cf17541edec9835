"""The query root: the ways in."""

from __future__ import annotations

import datetime as dt
from typing import Annotated

import strawberry

from graph.accesses import Access
from graph.billing import Claim
from graph.emergency import EmergencyAccess
from graph.fields import root
from graph.lists import (
    AppointmentFilter,
    ClaimFilter,
    Connection,
    EmergencyAccessFilter,
    PatientFilter,
    PractitionerFilter,
    SlotFilter,
)
from graph.node import Node
from graph.operations import Source, Viewer
from graph.people import Patient, Practitioner
from graph.scheduling import Appointment, Slot
from graph.vocabulary import ClaimOrder, EmergencyOrder, PatientOrder, PractitionerOrder, StartOrder
from portico.access.tags import Tag
from resolvers.pages import DEFAULT_PAGE


@strawberry.type(description="What can be asked. A record that you may not see does not exist.")
class Query:
    """The query root."""

    @root(Tag.PUBLIC)
    def viewer(self) -> Viewer | None:
        """You, as your token says."""

    @root(Tag.PUBLIC)
    def node(self, id: strawberry.ID) -> Node | None:  # noqa: A002  Relay's word
        """Anything by its id."""

    @root(Tag.PUBLIC)
    def nodes(self, ids: list[strawberry.ID]) -> list[Node | None] | None:
        """Up to 100 things by their ids, in order; null where there is none. One call for each source and type."""

    @root(Tag.PUBLIC)
    def patient(self, id: strawberry.ID) -> Patient | None:  # noqa: A002  Relay's word
        """A patient by id."""

    @root(Tag.PUBLIC)
    def patients(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: PatientFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: PatientOrder = PatientOrder.FAMILY_ASC,
    ) -> Connection[Patient] | None:
        """The patients whom you may see."""

    @root(Tag.PUBLIC)
    def appointment(self, id: strawberry.ID) -> Appointment | None:  # noqa: A002  Relay's word
        """An appointment by id."""

    @root(Tag.PUBLIC)
    def appointments(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: AppointmentFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: StartOrder = StartOrder.START_ASC,
    ) -> Connection[Appointment] | None:
        """The appointments that you may see."""

    @root(Tag.PUBLIC)
    def claim(self, id: strawberry.ID) -> Claim | None:  # noqa: A002  Relay's word
        """A claim by id."""

    @root(Tag.PUBLIC)
    def claims(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: ClaimFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: ClaimOrder = ClaimOrder.CREATED_ASC,
    ) -> Connection[Claim] | None:
        """The claims that you may see."""

    @root(Tag.PUBLIC)
    def slots(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: SlotFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: StartOrder = StartOrder.START_ASC,
    ) -> Connection[Slot] | None:
        """The times of the calendars, free or not; a filter by status keeps those that can be booked."""

    @root(Tag.PUBLIC)
    def practitioner(self, id: strawberry.ID) -> Practitioner | None:  # noqa: A002  Relay's word
        """A practitioner by id."""

    @root(Tag.PUBLIC)
    def practitioners(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: PractitionerFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: PractitionerOrder = PractitionerOrder.FAMILY_ASC,
    ) -> Connection[Practitioner] | None:
        """The practitioners of the clinic group."""

    @root(Tag.ACCESS)
    def accesses(
        self,
        patient: strawberry.ID,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        from_: Annotated[dt.datetime | None, strawberry.argument(name="from")] = None,
        until: dt.datetime | None = None,
    ) -> Connection[Access] | None:
        """Who was told something about a patient, newest first, for those who may know that and no more of them."""

    @root(Tag.ACCESS)
    def emergency_accesses(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: EmergencyAccessFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: EmergencyOrder = EmergencyOrder.AT_DESC,
    ) -> Connection[EmergencyAccess] | None:
        """Who broke the glass for whom: the queue of those who look into it."""

    @root(Tag.OPERATIONAL)
    def sources(self) -> list[Source] | None:
        """Your tenant's source systems and how they are."""
