"""Patients of bundles as people of the population."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sandbox.population.model import Alias, CareTeamEntry, Coverage, Person, Population
from sandbox.population.synthea.bundles import Resource
from sandbox.population.synthea.fields import Unusable, address, at, day, id_of, instant, required, rows, text

_GENDERS: Final = frozenset({"male", "female", "other", "unknown"})


def patient(resource: Resource, population: Population, number: int) -> Person:
    """A Patient, registered with the clinic group: its first organization and one of its own practitioners in turn.

    Scheduling and billing know them by their medical record number. May raise `Unusable`.
    """
    main = population.organizations[0].key
    doctors = [each for each in population.practitioners if each.organization == main]
    identifiers = _identifiers(resource)
    if "MR" not in identifiers or "SS" not in identifiers:
        raise Unusable("no medical record number or social security number")
    family, given = required(resource, "name", 0, "family"), required(resource, "name", 0, "given", 0)
    birth_date, mrn = day(resource, "birthDate"), identifiers["MR"]
    known = {"family": family, "given": given, "birth_date": birth_date, "mrn": mrn}
    gender = text(resource, "gender")
    return Person(
        key=f"synthea-{id_of(resource)}",
        ehr_id=id_of(resource),
        scheduling=Alias(id=f"CL{40000 + number}", **known),
        billing=Alias(id=f"SUB{700000 + number}", **known),
        family=family,
        given=given,
        prefix=text(resource, "name", 0, "prefix", 0),
        birth_date=birth_date,
        gender=gender if gender in _GENDERS and gender else "unknown",
        language=(text(resource, "communication", 0, "language", "coding", 0, "code") or "en")[:2],
        deceased=bool(at(resource, "deceasedDateTime") or at(resource, "deceasedBoolean")),
        mrn=mrn,
        ssn=identifiers["SS"],
        drivers_license=identifiers.get("DL"),
        phone=_telecom(resource, "phone"),
        email=_telecom(resource, "email"),
        address=address(resource),
        organization=main,
        general_practitioner=doctors[number % len(doctors)].key,
        care_team=(),
        coverages=(),
        deceased_at=instant(resource, "deceasedDateTime"),
    )


def insured(number: int, payers: Sequence[tuple[str, datetime]]) -> tuple[Coverage, ...]:
    """One coverage for each payer of a person, from the day of the first claim to it, in that order."""
    first: dict[str, datetime] = {}
    for payer, start in payers:
        first[payer] = min(start, first.get(payer, start))
    return tuple(
        Coverage(
            key=f"cov-{number}-{nth}",
            ehr_id=f"cov-{1000 + number}-{nth}",
            payer=payer,
            payer_code="".join(each for each in payer.upper() if each.isascii() and each.isalnum())[:12] or f"PYR{nth}",
            member_id=f"SYN{nth}{500000 + number}",
            plan=payer,
            status="active",
            start=start,
        )
        for nth, (payer, start) in enumerate(first.items(), 1)
    )


def joined(team: Sequence[CareTeamEntry]) -> tuple[CareTeamEntry, ...]:
    """A care team with each practitioner once, from their first visit on."""
    first: dict[str, CareTeamEntry] = {}
    for entry in sorted(team, key=lambda each: each.start):
        first.setdefault(entry.practitioner, entry)
    return tuple(first.values())


def _identifiers(resource: Resource) -> dict[str, str]:
    """Values by their type of HL7 table 0203."""
    found = ((text(each, "type", "coding", 0, "code"), text(each, "value")) for each in rows(resource, "identifier"))
    return {kind: value for kind, value in found if kind and value}


def _telecom(resource: Resource, system: str) -> str:
    values = (text(each, "value") for each in rows(resource, "telecom") if at(each, "system") == system)
    return next((value for value in values if value), "")
