"""The records of the sources in memory: eleven for each patient."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from portico.records.references import By, RecordId, RecordType, Reference, SourceName
from portico.records.types import (
    Appointment,
    AppointmentStatus,
    Claim,
    ClaimStatus,
    ClaimType,
    Encounter,
    EncounterStatus,
    Gender,
    Patient,
    Record,
)
from portico.records.values import Address, Coding, HumanName, Identifier, Money, Period, Provenance

EHR: Final = SourceName("ehr")
SCHEDULING: Final = SourceName("scheduling")
BILLING: Final = SourceName("billing")
SOURCES: Final = (EHR, SCHEDULING, BILLING)
ORGANIZATION: Final = "org-1"
"""Everybody's."""
VISITS: Final = 4
CLAIMS: Final = 2
IDENTIFIERS: Final = 15

_EPOCH: Final = datetime(2026, 1, 5, 8, tzinfo=UTC)
_FAMILIES: Final = ("Abbott", "Becker", "Castillo", "Dubois", "Eriksen", "Fontaine", "Grant", "Haddad")
_GIVEN: Final = ("Ana", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gia")


def records(source: SourceName, patients: int) -> Iterator[Record]:
    """Everything that a source holds about so many patients."""
    for number in range(patients):
        match source:
            case "ehr":
                yield _patient(number)
                yield from (_encounter(number, visit) for visit in range(VISITS))
            case "scheduling":
                yield from (_appointment(number, visit) for visit in range(VISITS))
            case _:
                yield from (_claim(number, claim) for claim in range(CLAIMS))


def key(source: SourceName, number: int) -> str:
    """The source's own id of a patient."""
    return f"{source}-{number:06}"


def _named(type_: RecordType, source: SourceName, number: int, id_: str) -> dict[str, object]:
    return {
        "id": RecordId(type_, source, id_),
        "subject": key(source, number),
        "provenance": Provenance(source=source, source_id=id_, retrieved_at=_EPOCH, mapping_version="1"),
    }


def _patient(number: int) -> Patient:
    return Patient(
        **_named(RecordType.PATIENT, EHR, number, key(EHR, number)),  # type: ignore[arg-type]  # spelt out above
        name=HumanName(family=f"{_FAMILIES[number % 8]}-{number:06}", given=(_GIVEN[number % 7],), prefix="Mx."),
        birth_date=f"{1940 + number % 70}-{1 + number % 12:02}-{1 + number % 28:02}",
        gender=(Gender.FEMALE, Gender.MALE)[number % 2],
        language=("en", "es", "fr")[number % 3],
        deceased=number % 50 == 0,
        mrn=f"MRN-{number:06}",
        ssn=f"900-{50 + number % 50}-{number % 10_000:04}",
        address=Address(
            line=(f"{number} Mill Lane",),
            city="Riverbend",
            state="OR",
            postal_code=f"97{number % 1000:03}",
            country="US",
        ),
        identifiers=tuple(
            Identifier(system=f"urn:system:{place}", value=f"{place}-{number:06}", type="MR")
            for place in range(IDENTIFIERS)
        ),
        managing_organization=Reference(RecordType.ORGANIZATION, By.ID, ORGANIZATION),
    )


def _period(number: int, visit: int) -> tuple[datetime, datetime]:
    start = _EPOCH + timedelta(days=7 * visit, minutes=15 * (number % 32))
    return start, start + timedelta(minutes=30)


def _encounter(number: int, visit: int) -> Encounter:
    start, end = _period(number, visit)
    return Encounter(
        **_named(RecordType.ENCOUNTER, EHR, number, f"E-{number:06}-{visit}"),  # type: ignore[arg-type]  # as above
        status=(EncounterStatus.FINISHED, EncounterStatus.IN_PROGRESS)[visit % 2],
        encounter_class=Coding(system="urn:class", code=("AMB", "VR")[visit % 2], display="ambulatory"),
        period=Period(start=start, end=end),
    )


def _appointment(number: int, visit: int) -> Appointment:
    start, end = _period(number, visit)
    return Appointment(
        **_named(RecordType.APPOINTMENT, SCHEDULING, number, f"A-{number:06}-{visit}"),  # type: ignore[arg-type]  # as above
        start=start,
        end=end,
        status=(AppointmentStatus.FULFILLED, AppointmentStatus.BOOKED)[visit % 2],
        service_type=Coding(system="urn:service", code="general", display="General practice"),
    )


def _claim(number: int, claim: int) -> Claim:
    amount = Decimal(12_000 + number % 5_000).scaleb(-2)
    return Claim(
        **_named(RecordType.CLAIM, BILLING, number, f"C-{number:06}-{claim}"),  # type: ignore[arg-type]  # as above
        status=(ClaimStatus.PAID, ClaimStatus.PENDED)[claim % 2],
        claim_type=ClaimType.PROFESSIONAL,
        created=f"2026-{2 + claim:02}-{1 + number % 28:02}",
        billed=Money(amount=amount, currency="USD"),
        allowed=Money(amount=amount - 20, currency="USD"),
        paid=Money(amount=amount - 40, currency="USD"),
    )
