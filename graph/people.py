"""Patients, and who and what looks after them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

import strawberry

from graph.accesses import Access
from graph.consent import Consent
from graph.emergency import EmergencyAccess
from graph.fields import edge, record, value
from graph.lists import AppointmentFilter, ClaimFilter, Connection, EncounterFilter
from graph.node import Node
from graph.values import Address, Coding, HumanName, Identifier, PartialDate, Period, Provenance
from graph.vocabulary import ClaimOrder, EmergencyOrder, StartOrder
from portico.access.tags import Tag
from portico.records.types import Gender
from resolvers.pages import DEFAULT_PAGE

if TYPE_CHECKING:
    from graph.billing import Claim, Coverage
    from graph.care import Encounter
    from graph.scheduling import Appointment


@record
class Organization(Node):
    """A clinic of the group (FHIR Organization)."""

    name: str | None = value(Tag.PUBLIC, "What it is called.")
    phone: str | None = value(Tag.PUBLIC, "Its telephone number.")
    address: Address | None = value(Tag.PUBLIC, "Where it is.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")


@record
class Location(Node):
    """A place where visits happen (FHIR Location)."""

    name: str | None = value(Tag.PUBLIC, "What it is called.")
    site: str | None = value(Tag.PUBLIC, "The clinic group's code for it.")
    phone: str | None = value(Tag.PUBLIC, "Its telephone number.")
    address: Address | None = value(Tag.PUBLIC, "Where it is.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")


@record
class Practitioner(Node):
    """Someone who gives care (FHIR Practitioner)."""

    name: HumanName | None = value(Tag.PUBLIC, "Their name.")
    npi: str | None = value(Tag.PUBLIC, "National Provider Identifier.")
    specialty: Coding | None = value(Tag.PUBLIC, "What they specialise in.")
    active: bool | None = value(Tag.PUBLIC, "Whether they practise here now.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")


@record
class CareTeamMember:
    """A practitioner's part in a patient's care (a participant of a FHIR CareTeam)."""

    role: Coding | None = value(Tag.CLINICAL, "What they do for the patient.")
    period: Period | None = value(Tag.CLINICAL, "Since when and until when.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.CLINICAL)
    def practitioner(self) -> Practitioner | None:
        """Who it is."""


@record
class Patient(Node):
    """A person who receives care (FHIR Patient)."""

    name: HumanName | None = value(Tag.DEMOGRAPHIC, "Their official name.")
    birth_date: PartialDate | None = value(Tag.DEMOGRAPHIC, "When they were born; the year alone where masked.")
    gender: Gender | None = value(Tag.DEMOGRAPHIC, "Administrative gender.")
    language: str | None = value(Tag.DEMOGRAPHIC, "Preferred language, BCP 47.")
    deceased: bool | None = value(Tag.DEMOGRAPHIC, "Whether they have died.")
    mrn: str | None = value(Tag.IDENTIFIER, "The clinic group's medical record number.")
    ssn: str | None = value(Tag.IDENTIFIER, "Social security number; its last four digits where masked.")
    identifiers: list[Identifier] | None = value(Tag.IDENTIFIER, "Every identifier that the EHR has.")
    phone: str | None = value(Tag.CONTACT, "Telephone number.")
    email: str | None = value(Tag.CONTACT, "E-mail address.")
    address: Address | None = value(Tag.CONTACT, "Home address.")
    provenance: Provenance | None = value(Tag.OPERATIONAL, "Where these values come from.")

    @edge(Tag.SCHEDULING)
    def general_practitioner(self) -> Practitioner | None:
        """Their general practitioner."""

    @edge(Tag.DEMOGRAPHIC)
    def managing_organization(self) -> Organization | None:
        """The clinic that keeps their record."""

    @edge(Tag.CLINICAL)
    def care_team(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[CareTeamMember] | None:
        """Who looks after them. One call to the EHR for all patients."""

    @edge(Tag.COVERAGE)
    def coverages(
        self, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[Annotated[Coverage, strawberry.lazy("graph.billing")]] | None:
        """Their insurance. One call to the EHR for all patients."""

    @edge(Tag.SCHEDULING)
    def appointments(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: AppointmentFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: StartOrder = StartOrder.START_ASC,
    ) -> Connection[Annotated[Appointment, strawberry.lazy("graph.scheduling")]] | None:
        """Their appointments. One call to the scheduling vendor for every 50 patients."""

    @edge(Tag.SCHEDULING)
    def encounters(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: EncounterFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: StartOrder = StartOrder.START_ASC,
    ) -> Connection[Annotated[Encounter, strawberry.lazy("graph.care")]] | None:
        """Their encounters. One call to the EHR for all patients."""

    @edge(Tag.ACCESS)
    def accesses(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        from_: Annotated[dt.datetime | None, strawberry.argument(name="from")] = None,
        until: dt.datetime | None = None,
    ) -> Connection[Access] | None:
        """Who was told something about them, newest first. One query of the audit trail for all patients."""

    @edge(Tag.ACCESS)
    def emergency_accesses(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        order_by: EmergencyOrder = EmergencyOrder.AT_DESC,
    ) -> Connection[EmergencyAccess] | None:
        """Who broke the glass for them. One query for all patients."""

    @edge(Tag.COMMUNICATION)
    def consents(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[Consent] | None:
        """What they have said about who may see what of theirs, ended ones included. One query for each patient."""

    @edge(Tag.FINANCIAL)
    def claims(
        self,
        first: int = DEFAULT_PAGE,
        after: str | None = None,
        filter: ClaimFilter | None = None,  # noqa: A002  the field's word in GraphQL
        order_by: ClaimOrder = ClaimOrder.CREATED_ASC,
    ) -> Connection[Annotated[Claim, strawberry.lazy("graph.billing")]] | None:
        """Their claims. One query of the billing database for all patients."""
