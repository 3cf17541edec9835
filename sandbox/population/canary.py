"""Canaries: a population in which every value is unique, so that a leaked byte names its person and its coordinate.

What is a code of a small set (gender, language, a status, a claim's type) can't be unique and is no canary; nor are
codes that say how sensitive a record is. Nor is what belongs to nobody (clinics, practitioners, slots).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from itertools import count
from typing import Final, NamedTuple

from sandbox.population.model import (
    Address,
    Alias,
    Claim,
    ClaimLine,
    Code,
    Coverage,
    Person,
    Population,
    Visit,
)

_BIRTH_DATES_FROM: Final = date(1930, 1, 1)
_CLAIM_DATES_FROM: Final = date(2001, 1, 1)
_PERIODS_FROM: Final = datetime(2010, 1, 1, tzinfo=UTC)
_VISIT_STEP: Final = timedelta(hours=25, minutes=2)
_VISIT_LENGTH: Final = timedelta(minutes=31)


_Value = tuple[str, str, tuple[str, ...]]
"""A person's key, a value's text, and the coordinates that may show it."""


class Canary(NamedTuple):
    """Whose value it is (a person's key), and the coordinates of the graph that may show it; none: it never may."""

    person: str
    coordinates: tuple[str, ...]


def canaries(population: Population) -> Mapping[str, Canary]:
    """Every canary of a population by its text, as an answer spells it (instants to the minute, in UTC).

    Raises ValueError where two people share a value, so where the population was not made with `canary`.
    """
    found: dict[str, Canary] = {}
    owners = {person.key: person for person in population.people}
    values = [value for person in population.people for value in _of_person(person)]
    values += [value for visit in population.visits for value in _of_visit(owners[visit.person], visit)]
    for person, text, coordinates in values:
        known = found.setdefault(text, Canary(person, ()))
        if known.person != person:
            raise ValueError(f"two people share a value of {', '.join(coordinates) or 'an internal id'}")
        found[text] = Canary(person, tuple(dict.fromkeys(known.coordinates + coordinates)))
    return found


def _of_person(person: Person) -> Iterator[_Value]:
    address = person.address
    for text, *coordinates in (
        (person.family, "Patient.name"),
        (person.given, "Patient.name"),
        (person.prefix or "", "Patient.name"),
        (person.birth_date, "Patient.birthDate"),
        (person.mrn, "Patient.mrn", "Patient.identifiers"),
        (person.ssn, "Patient.ssn", "Patient.identifiers"),
        (person.drivers_license or "", "Patient.identifiers"),
        (person.phone, "Patient.phone"),
        (person.email, "Patient.email"),
        *((part, "Patient.address") for part in (address.line, address.city, address.state, address.postal_code)),
        (person.ehr_id or "", "Patient.provenance"),
        *((text,) for alias in (person.scheduling, person.billing) if alias for text in _distortions(person, alias)),
        *((minute(entry.start), "CareTeamMember.period") for entry in person.care_team),
        *((minute(entry.end), "CareTeamMember.period") for entry in person.care_team if entry.end),
        (minute(person.deceased_at) if person.deceased_at else "",),
        *(value for coverage in person.coverages for value in _of_coverage(coverage)),
    ):
        if text:
            yield person.key, text, tuple(coordinates)


def _distortions(person: Person, alias: Alias) -> Iterator[str]:
    """What only another source says of a person, right or wrong: nothing of it is for the graph."""
    truth = {person.family, person.given, person.birth_date}
    yield alias.id
    if alias.member_id and alias.member_id not in {each.member_id for each in person.coverages}:
        yield alias.member_id
    yield from (text for text in (alias.family, alias.given, alias.birth_date) if text and text not in truth)


def _of_coverage(coverage: Coverage) -> Iterator[tuple[str, ...]]:
    yield coverage.payer, "Coverage.payer"
    yield coverage.plan, "Coverage.plan"
    yield coverage.member_id, "Coverage.memberId", "Patient.identifiers"
    yield minute(coverage.start), "Coverage.period"
    if coverage.end:
        yield minute(coverage.end), "Coverage.period"
    yield coverage.ehr_id, "Coverage.provenance"


def _of_visit(person: Person, visit: Visit) -> Iterator[_Value]:
    spans = ("Encounter.period", "Claim.servicePeriod")
    for text, *coordinates in (
        (visit.number,),
        (visit.appointment_id or "", "Appointment.provenance"),
        (visit.encounter_id or "", "Encounter.provenance"),
        (minute(visit.start), "Appointment.start", *spans),
        (minute(visit.end), "Appointment.end", *spans),
        (visit.service.display, "Appointment.serviceType", "Encounter.serviceType"),
        (visit.reason, "Appointment.reason"),
        *((code.display, "Encounter.reasons") for code in visit.reasons),
        *(_of_claim(visit.claim) if visit.claim else ()),
    ):
        if text:
            yield person.key, text, tuple(coordinates)


def _of_claim(claim: Claim) -> Iterator[tuple[str, ...]]:
    yield claim.number, "Claim.provenance"
    yield claim.created, "Claim.created"
    for diagnosis in claim.diagnoses:
        yield diagnosis.display, "Claim.diagnoses"
    for line in claim.lines:
        yield line.service.display, "Claim.lines"
    for part, coordinate in (("billed", "Claim.billed"), ("allowed", "Claim.allowed"), ("paid", "Claim.paid")):
        amounts = [getattr(line, f"{part}_cents") for line in claim.lines]
        known = [amount for amount in amounts if amount is not None]
        yield from ((dollars(amount), "Claim.lines") for amount in known)
        if known:
            yield dollars(sum(known)), coordinate
    if claim.patient_responsibility_cents is not None:
        yield dollars(claim.patient_responsibility_cents), "Claim.patientResponsibility"


def minute(instant: datetime) -> str:
    """An instant as far as its minute, in UTC: how every answer's spelling of it begins."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M")


def dollars(cents: int) -> str:
    """Whole cents as a decimal string."""
    return f"{cents // 100}.{cents % 100:02}"


@dataclass(frozen=True, slots=True)
class _Mint:
    """Makes values that no other person, visit or claim of the population has."""

    salt: str
    amounts: Iterator[int]
    claim_days: Iterator[int]
    period_days: Iterator[int]
    numbers: Iterator[int]

    def token(self, *place: str) -> str:
        return "Cnry" + blake2b("/".join((self.salt, *place)).encode(), digest_size=8).hexdigest()

    def display(self, code: Code, *place: str) -> Code:
        """A code says how sensitive a record is and keeps itself; its words are a canary."""
        return replace(code, display=self.token(*place))

    def day(self) -> datetime:
        return _PERIODS_FROM + timedelta(days=next(self.period_days))


def brand(population: Population, *, seed: int, now: datetime) -> Population:
    """The same people, visits and claims with a canary for every value; only keys, codes and links stay."""
    mint = _Mint(f"{seed}/{population.tenant}", count(1_000_003, 1_009), count(), count(), count(1))
    wards = {each.child for each in population.guardianships}
    people = tuple(
        _branded_person(mint, each, birth_date=each.birth_date if each.key in wards else _birth_date(number))
        for number, each in enumerate(population.people, 1)
    )
    behind, ahead = count(-1, -1), count(1)
    visits = tuple(
        _branded_visit(mint, each, now + _VISIT_STEP * next(behind if each.start < now else ahead))
        for each in population.visits
    )
    return replace(population, people=people, visits=visits)


def _birth_date(number: int) -> str:
    """A day of its own for everyone but wards, whose age says whether they are wards."""
    return (_BIRTH_DATES_FROM + timedelta(days=17 * number)).isoformat()


def _branded_person(mint: _Mint, person: Person, *, birth_date: str) -> Person:
    key, number = person.key, next(mint.numbers)
    branded = replace(
        person,
        ehr_id=person.ehr_id and mint.token(key, "ehr"),
        family=mint.token(key, "family"),
        given=mint.token(key, "given"),
        prefix=mint.token(key, "prefix"),
        birth_date=birth_date,
        mrn=mint.token(key, "mrn"),
        drivers_license=mint.token(key, "license"),
        phone=f"+1-555-{1_000_000 + 7_919 * number:07}",
        email=f"{mint.token(key, 'mailbox')}@{mint.token(key, 'domain')}.example",
        address=Address(
            line=mint.token(key, "line"),
            city=mint.token(key, "city"),
            state=mint.token(key, "state"),
            postal_code=mint.token(key, "postal code"),
        ),
        care_team=tuple(replace(each, start=mint.day(), end=each.end and mint.day()) for each in person.care_team),
        coverages=tuple(_branded_coverage(mint, key, each) for each in person.coverages),
        deceased_at=person.deceased_at and mint.day(),
    )
    return replace(
        branded,
        scheduling=person.scheduling and _branded_alias(mint, person, branded, person.scheduling, "scheduling"),
        billing=person.billing and _branded_alias(mint, person, branded, person.billing, "billing"),
    )


def _branded_coverage(mint: _Mint, key: str, coverage: Coverage) -> Coverage:
    place = (key, coverage.key)
    return replace(
        coverage,
        ehr_id=mint.token(*place, "ehr"),
        payer=mint.token(*place, "payer"),
        payer_code=mint.token(*place, "payer code"),
        member_id=_member_id(mint, key, coverage.key),
        plan=mint.token(*place, "plan"),
        start=mint.day(),
        end=coverage.end and mint.day(),
    )


def _member_id(mint: _Mint, key: str, coverage: str) -> str:
    return mint.token(key, coverage, "member")


def _branded_alias(mint: _Mint, person: Person, branded: Person, alias: Alias, source: str) -> Alias:
    """What agreed with the truth still agrees; a misspelling stays one letter away, a stranger stays a stranger."""
    place = (person.key, source)
    same_day = alias.birth_date == person.birth_date
    slip = branded.family[:-1] + ("x" if branded.family[-1] != "x" else "y")
    other = slip if same_day else mint.token(*place, "family")
    covered = {each.member_id: each.key for each in person.coverages}
    member = alias.member_id
    return Alias(
        id=mint.token(*place, "id"),
        family=branded.family if alias.family == person.family else other,
        given=branded.given if alias.given == person.given else mint.token(*place, "given"),
        birth_date=branded.birth_date if same_day else alias.birth_date,
        mrn=branded.mrn if alias.mrn == person.mrn else alias.mrn,
        member_id=member and _member_id(mint, person.key, covered.get(member, source)),
    )


def _branded_visit(mint: _Mint, visit: Visit, start: datetime) -> Visit:
    key = visit.key
    return replace(
        visit,
        number=mint.token(key, "number"),
        start=start,
        end=start + _VISIT_LENGTH,
        service=mint.display(visit.service, key, "service"),
        reason=mint.token(key, "reason"),
        reasons=tuple(mint.display(each, key, "reason", each.code) for each in visit.reasons),
        appointment_id=visit.appointment_id and mint.token(key, "appointment"),
        encounter_id=visit.encounter_id and mint.token(key, "encounter"),
        claim=visit.claim and _branded_claim(mint, key, visit.claim),
    )


def _branded_claim(mint: _Mint, key: str, claim: Claim) -> Claim:
    responsibility = claim.patient_responsibility_cents
    return replace(
        claim,
        number=mint.token(key, "claim"),
        created=(_CLAIM_DATES_FROM + timedelta(days=next(mint.claim_days))).isoformat(),
        diagnoses=tuple(mint.display(each, key, "diagnosis", each.code) for each in claim.diagnoses),
        lines=tuple(_branded_line(mint, f"{key}/{nth}", each) for nth, each in enumerate(claim.lines)),
        patient_responsibility_cents=None if responsibility is None else next(mint.amounts),
    )


def _branded_line(mint: _Mint, place: str, line: ClaimLine) -> ClaimLine:
    return replace(
        line,
        service=mint.display(line.service, place),
        billed_cents=next(mint.amounts),
        allowed_cents=None if line.allowed_cents is None else next(mint.amounts),
        paid_cents=None if line.paid_cents is None else next(mint.amounts),
    )
