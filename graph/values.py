"""Values that hold several others: names, addresses, money, periods."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from decimal import Decimal
from typing import NewType

import strawberry
from strawberry.schema.types.base_scalars import DateTimeDefinition
from strawberry.types.scalar import ScalarDefinition

from graph.fields import about, part

PartialDate = NewType("PartialDate", str)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("a PartialDate is a string")
    return value


def _instant(value: dt.datetime) -> str:
    """ISO 8601 with `Z` for UTC, as the encoder of planned answers writes it too."""
    text = value.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


SCALARS: dict[object, ScalarDefinition] = {
    dt.datetime: replace(DateTimeDefinition, serialize=_instant),
    PartialDate: strawberry.scalar(
        name="PartialDate",
        description="A calendar date as precise as it is known or released: YYYY, YYYY-MM or YYYY-MM-DD (FHIR date).",
        serialize=_text,
        parse_value=_text,
    ),
}


@part
class HumanName:
    """A person's name."""

    family: str | None = about("Family name, or surname.")
    given: list[str] = about("Given names in their order, middle names included.")
    prefix: str | None = about("What comes before it: Dr., Mrs.")


@part
class Address:
    """A postal address."""

    line: list[str] = about("Street, number, unit.")
    city: str | None = about("City or town.")
    state: str | None = about("State or province.")
    postal_code: str | None = about("Postal or ZIP code.")
    country: str | None = about("Country, ISO 3166-1 alpha-2 where the source has it.")


@part
class Identifier:
    """An identifier that some system gave."""

    system: str = about("The system that gave it, a URI.")
    value: str = about("The identifier itself.")
    type: str | None = about("What it is, a code of HL7 table 0203: MR, SS, DL, MB.")


@part
class Coding:
    """A code of a code system."""

    system: str | None = about("The code system, a URI.")
    code: str | None = about("The code.")
    display: str | None = about("What the code means, in words.")


@part
class Period:
    """A time with a beginning and an end, both inclusive; a missing one is open."""

    start: dt.datetime | None = about("When it begins, in UTC.")
    end: dt.datetime | None = about("When it ends, in UTC.")


@part
class Money:
    """An exact amount of money."""

    amount: Decimal = about("The amount as a decimal string, never a float.")
    currency: str = about("ISO 4217 currency code.")


@part
class ClaimLine:
    """One service line of a claim."""

    number: int = about("Its place in the claim, from 1.")
    service: Coding | None = about("The billed service (CPT or HCPCS).")
    service_date: PartialDate | None = about("When the service was given.")
    units: int | None = about("How many were billed.")
    billed: Money | None = about("What was charged.")
    allowed: Money | None = about("What the payer allows for it.")
    paid: Money | None = about("What the payer paid.")


@part
class Accessor:
    """Somebody who was told something."""

    subject: str = about("The subject of their token, made fit to be shown.")
    kind: str = about("person or service.")
    roles: list[str] = about("The roles in which they asked.")


@part
class Provenance:
    """Where a record's values come from."""

    source: str = about("The source system, as the tenant calls it.")
    source_id: str = about("The record's id there.")
    retrieved_at: dt.datetime = about("When it was read, in UTC.")
    mapping_version: str = about("The version of the mapping that made it canonical.")
