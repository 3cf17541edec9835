"""Connections (Relay) and filters."""

from __future__ import annotations

import datetime as dt
from typing import Generic, TypeVar

import strawberry

from graph.fields import about, part
from graph.values import PartialDate
from portico.records.types import AppointmentStatus, ClaimStatus, EncounterStatus, SlotStatus

NodeType = TypeVar("NodeType")


@part
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool = about("Whether more follows.")
    has_previous_page: bool = about("Always false: lists are read forwards.")
    start_cursor: str | None = about("The cursor of the first row.")
    end_cursor: str | None = about("The cursor of the last row; give it as `after` for the next page.")


@part
class Edge(Generic[NodeType]):
    """One row of a list."""

    node: NodeType = about("The record.")
    cursor: str = about("Where this row stands: opaque, good for this caller, purpose and list only.")


@part
class Connection(Generic[NodeType]):
    """One page of a list."""

    edges: list[Edge[NodeType]] = about("The rows.")
    page_info: PageInfo = about("Where the page stands.")


@strawberry.input(description="Which patients. A condition counts only where you may see what it is about.")
class PatientFilter:
    """Conditions on patients, all of which must be met."""

    family: str | None = strawberry.field(default=None, description="Family name starts with this, in any case.")
    given: str | None = strawberry.field(default=None, description="A given name starts with this, in any case.")
    birth_date: PartialDate | None = strawberry.field(default=None, description="Born on this day, YYYY-MM-DD.")
    identifier: str | None = strawberry.field(default=None, description="Has exactly this identifier, of any kind.")
    mrn: str | None = strawberry.field(default=None, description="Has exactly this medical record number.")


@strawberry.input(description="Which practitioners.")
class PractitionerFilter:
    """Conditions on practitioners, all of which must be met."""

    family: str | None = strawberry.field(default=None, description="Family name starts with this, in any case.")
    given: str | None = strawberry.field(default=None, description="A given name starts with this, in any case.")
    npi: str | None = strawberry.field(default=None, description="Has exactly this National Provider Identifier.")


@strawberry.input(description="Which appointments. A condition counts only where you may see what it is about.")
class AppointmentFilter:
    """Conditions on appointments, all of which must be met."""

    start_from: dt.datetime | None = strawberry.field(default=None, description="Starts at this instant or later.")
    start_before: dt.datetime | None = strawberry.field(default=None, description="Starts before this instant.")
    status: list[AppointmentStatus] | None = strawberry.field(default=None, description="Has one of these statuses.")
    patient: strawberry.ID | None = strawberry.field(default=None, description="Is this patient's.")
    practitioner: strawberry.ID | None = strawberry.field(default=None, description="Is with this practitioner.")


@strawberry.input(description="Which slots.")
class SlotFilter:
    """Conditions on slots, all of which must be met."""

    start_from: dt.datetime | None = strawberry.field(default=None, description="Starts at this instant or later.")
    start_before: dt.datetime | None = strawberry.field(default=None, description="Starts before this instant.")
    status: list[SlotStatus] | None = strawberry.field(default=None, description="Has one of these statuses.")
    practitioner: strawberry.ID | None = strawberry.field(default=None, description="Is with this practitioner.")
    location: strawberry.ID | None = strawberry.field(default=None, description="Is at this location.")


@strawberry.input(description="Which emergency accesses.")
class EmergencyAccessFilter:
    """Conditions on emergency accesses, all of which must be met."""

    reviewed: bool | None = strawberry.field(default=None, description="Somebody has looked into it, or nobody has.")


@strawberry.input(description="Which encounters. A condition counts only where you may see what it is about.")
class EncounterFilter:
    """Conditions on encounters, all of which must be met."""

    start_from: dt.datetime | None = strawberry.field(default=None, description="Begins at this instant or later.")
    start_before: dt.datetime | None = strawberry.field(default=None, description="Begins before this instant.")
    status: list[EncounterStatus] | None = strawberry.field(default=None, description="Has one of these statuses.")


@strawberry.input(description="Which claims. A condition counts only where you may see what it is about.")
class ClaimFilter:
    """Conditions on claims, all of which must be met."""

    created_from: PartialDate | None = strawberry.field(default=None, description="Created on this day or later.")
    created_before: PartialDate | None = strawberry.field(default=None, description="Created before this day.")
    status: list[ClaimStatus] | None = strawberry.field(default=None, description="Has one of these statuses.")
    patient: strawberry.ID | None = strawberry.field(default=None, description="Is this patient's.")
    provider: strawberry.ID | None = strawberry.field(default=None, description="Was billed by this practitioner.")
