"""Values that records hold, after FHIR R4's data types."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec import Struct


class Value(Struct, frozen=True, kw_only=True, gc=False):
    """What a record is made of, and a record itself: never changed once it is made, and equal by its parts.

    The collector of garbage passes it by, for nothing in it can lead back to it.
    """


class HumanName(Value, frozen=True, kw_only=True):
    """FHIR HumanName, the official one."""

    family: str | None = None
    given: tuple[str, ...] = ()
    prefix: str | None = None


class Address(Value, frozen=True, kw_only=True):
    """FHIR Address."""

    line: tuple[str, ...] = ()
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


class Identifier(Value, frozen=True, kw_only=True):
    """FHIR Identifier: `system` is a URI, `type` a code of HL7 table 0203 (MR, SS, DL, PPN, MB, NPI) where known."""

    system: str
    value: str
    type: str | None = None


class Coding(Value, frozen=True, kw_only=True):
    """FHIR Coding: a code of a code system, with its display text."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


class Period(Value, frozen=True, kw_only=True):
    """FHIR Period; both ends inclusive, aware; None is open."""

    start: datetime | None = None
    end: datetime | None = None


class Money(Value, frozen=True, kw_only=True):
    """An exact amount in an ISO 4217 currency. Never a float."""

    amount: Decimal
    currency: str


class ClaimLine(Value, frozen=True, kw_only=True):
    """One service line of a claim."""

    number: int
    service: Coding | None = None
    service_date: str | None = None
    """YYYY-MM-DD."""
    units: int | None = None
    billed: Money | None = None
    allowed: Money | None = None
    paid: Money | None = None


class Provenance(Value, frozen=True, kw_only=True):
    """Where a record's values come from: which source, its id there, when it was read, and by which mapping."""

    source: str
    source_id: str
    retrieved_at: datetime
    mapping_version: str


class Accessor(Value, frozen=True, kw_only=True):
    """Somebody who was told something, as the audit trail names them."""

    subject: str
    """Fit to be shown; not to be looked up by."""
    kind: str
    roles: tuple[str, ...]
