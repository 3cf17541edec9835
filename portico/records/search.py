"""Searches: which records of a type, in which order, from where on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from msgspec import Struct

from portico.records.references import RecordType
from portico.records.types import Record


class Op(StrEnum):
    """How a condition compares. All text is literal: no wildcard, no pattern."""

    IN = "in"
    """Equal to one of `values`. Never empty: an empty set of allowed values is no search at all."""
    PREFIX = "prefix"
    """Starts with the only value, without regard to case."""
    FROM = "from"
    """At or after the only value."""
    BEFORE = "before"
    """Before the only value."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One conjunct: `Condition("family", Op.PREFIX, ("smi",))`.

    `field` is a name of the search vocabulary of the type (`FIELDS`), not of the source. Instants are ISO 8601 in
    UTC, dates YYYY-MM-DD, references the target's key.
    """

    field: str
    op: Op
    values: tuple[str, ...]


FIELDS: dict[RecordType, dict[str, frozenset[Op]]] = {
    RecordType.PATIENT: {
        "patient": frozenset({Op.IN}),
        "family": frozenset({Op.PREFIX}),
        "given": frozenset({Op.PREFIX}),
        "birth_date": frozenset({Op.IN}),
        "identifier": frozenset({Op.IN}),
        "mrn": frozenset({Op.IN}),
        "organization": frozenset({Op.IN}),
    },
    RecordType.PRACTITIONER: {
        "family": frozenset({Op.PREFIX}),
        "given": frozenset({Op.PREFIX}),
        "npi": frozenset({Op.IN}),
    },
    RecordType.APPOINTMENT: {
        "patient": frozenset({Op.IN}),
        "practitioner": frozenset({Op.IN}),
        "status": frozenset({Op.IN}),
        "start": frozenset({Op.FROM, Op.BEFORE}),
    },
    RecordType.SLOT: {
        "practitioner": frozenset({Op.IN}),
        "location": frozenset({Op.IN}),
        "status": frozenset({Op.IN}),
        "start": frozenset({Op.FROM, Op.BEFORE}),
    },
    RecordType.CLAIM: {
        "patient": frozenset({Op.IN}),
        "provider": frozenset({Op.IN}),
        "status": frozenset({Op.IN}),
        "created": frozenset({Op.FROM, Op.BEFORE}),
    },
    RecordType.EMERGENCY_ACCESS: {
        "patient": frozenset({Op.IN}),
        "reviewed": frozenset({Op.IN}),
    },
}
"""The search vocabulary. `patient` is the source's own patient id, `organization` the EHR's organization id.
`identifier` is a bare value in any system, `mrn` one in the system of medical record numbers alone; `practitioner` and
`provider` are NPIs, `location` a site code, `reviewed` is true or false."""

ORDERS: dict[RecordType, frozenset[str]] = {
    RecordType.PATIENT: frozenset({"id", "family", "birth_date"}),
    RecordType.PRACTITIONER: frozenset({"id", "family"}),
    RecordType.APPOINTMENT: frozenset({"id", "start"}),
    RecordType.SLOT: frozenset({"id", "start"}),
    RecordType.CLAIM: frozenset({"id", "created"}),
    RecordType.EMERGENCY_ACCESS: frozenset({"id", "at"}),
}
"""What a search can be ordered by. `id` is the source's own id: the order that reveals nothing. Ties are broken by
the source's own id, in the same direction, so every order is total and stable. Records without the value stand
together, at the end where the source puts them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """All records of `type` that meet every condition, in order, `limit` of them from after `after` on.

    `order` is a name of `ORDERS`. `after` is a `Hit.position` that the same connector gave for the same conditions
    and order; None starts at the beginning.
    """

    type: RecordType
    where: tuple[Condition, ...] = ()
    order: str
    descending: bool = False
    limit: int
    after: str | None = None


class Hit(Struct, frozen=True, gc=False):
    """One found record, and the position to go on from after it.

    A position is made of what the record is ordered by and the source's id of it, and of nothing else: it is the same
    whatever other records there are, and in every process. Records that come or go before it neither shift nor repeat
    what comes after it. If its own record has gone, the search goes on with the first that sorts after it.

    It leaves Portico sealed and bound to its caller, or not at all.
    """

    record: Record
    position: str


class Page(Struct, frozen=True, gc=False):
    """Found records in order. `more` says that the source holds at least one further match."""

    hits: tuple[Hit, ...]
    more: bool
