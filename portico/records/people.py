"""What sources tell about who is who and what is sensitive, for the crosswalk and the decisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from portico.records.references import SourceName
from portico.records.values import Identifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient as one source knows them: what links are made from. Never leaves the linking.

    Identifier systems are canonical URIs, so that the same identifier reads alike from every source.
    """

    source: SourceName
    source_id: str
    identifiers: tuple[Identifier, ...]
    family: str | None
    given: str | None
    birth_date: str | None
    """YYYY-MM-DD."""
    labels: frozenset[str] = frozenset()
    """Sensitivity labels of the person as a whole (VIP, EMP): all that is about them inherits these."""
    deceased: bool = False
    deceased_at: datetime | None = None
    """Aware; None where the source knows only that they died, or that they live."""
    replaced_by: str | None = None
    """The source's own id of the record into which this one was merged."""


class RelationKind(StrEnum):
    """Relationships that a source can vouch for."""

    CARE_TEAM = "care_team"
    """`party` is the NPI of a practitioner of the patient's care team, or their general practitioner."""
    SCHEDULED = "scheduled"
    """`party` is the NPI of a practitioner with whom the patient has an appointment, from `start` to `end`."""
    ORGANIZATION = "organization"
    """`party` is the EHR's id of the organization that manages the patient's record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A party stands in a relation to a patient during a period (aware datetimes; None is open)."""

    source: SourceName
    source_id: str
    """The source's own id of the patient."""
    kind: RelationKind
    party: str
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SensitiveVisit:
    """A visit that is labelled: what hangs off it in other sources (appointment, claims) inherits the labels."""

    source: SourceName
    source_id: str
    """The source's own id of the patient."""
    visit: str
    """The visit number that all sources share."""
    labels: frozenset[str]
