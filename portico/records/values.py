"""Values that records hold, after FHIR R4's data types."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class HumanName:
    """FHIR HumanName, the official one."""

    family: str | None = None
    given: tuple[str, ...] = ()
    prefix: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """FHIR Address."""

    line: tuple[str, ...] = ()
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """FHIR Identifier: `system` is a URI, `type` a code of HL7 table 0203 (MR, SS, DL, PPN, MB, NPI) where known."""

    system: str
    value: str
    type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coding:
    """FHIR Coding: a code of a code system, with its display text."""

    system: str | None = None
    code: str | None = None
    display: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """FHIR Period; both ends inclusive, aware; None is open."""

    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An exact amount in an ISO 4217 currency. Never a float."""

    amount: Decimal
    currency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLine:
    """One service line of a claim."""

    number: int
    service: Coding | None = None
    service_date: str | None = None
    """YYYY-MM-DD."""
    units: int | None = None
    billed: Money | None = None
    allowed: Money | None = None
    paid: Money | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Where a record's values come from: which source, its id there, when it was read, and by which mapping."""

    source: str
    source_id: str
    retrieved_at: datetime
    mapping_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accessor:
    """Somebody who was told something, as the audit trail names them."""

    subject: str
    """Fit to be shown; not to be looked up by."""
    kind: str
    roles: tuple[str, ...]
