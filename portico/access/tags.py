"""Data classes of schema coordinates, and the table that says which coordinate carries which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Tag(StrEnum):
    """What kind of data a schema coordinate holds. Policies decide tags."""

    PUBLIC = "PUBLIC"
    SCHEDULING = "SCHEDULING"
    DEMOGRAPHIC = "DEMOGRAPHIC"
    CONTACT = "CONTACT"
    IDENTIFIER = "IDENTIFIER"
    COVERAGE = "COVERAGE"
    FINANCIAL = "FINANCIAL"
    CLINICAL = "CLINICAL"
    COMMUNICATION = "COMMUNICATION"
    OPERATIONAL = "OPERATIONAL"
    ACCESS = "ACCESS"


ALL_TAGS = frozenset(Tag)


@dataclass(frozen=True, slots=True)
class Coordinate:
    """One guarded field of a record type: `Coordinate("Patient.birthDate", "birth_date", Tag.DEMOGRAPHIC, False)`.

    `attribute` is the record's attribute for a value, the edge's name for an edge. `edge` says that the field leads
    to other records: the guard then gives a right to follow it, never the reference itself.
    """

    name: str
    attribute: str
    tag: Tag
    edge: bool


TagTable = Mapping[str, Mapping[str, Coordinate]]
"""Type name -> attribute -> coordinate: every guarded field that exists. Made from the schema, given by `main`."""
