"""A small clinic group that holds every awkward case that a connector must get right.

Unlinked and twin people, people whom one source does not know, missing values, every status, a visit in each of the
two hours that share a wall-clock time when summer time ends, names with accents and with markup, SQL, HL7 and
spreadsheet payloads, one person with more visits than a small page holds, visits that only their codes tell to be
sensitive, consents of every kind. Everyone is invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from sandbox.population.model import (
    Address,
    Alias,
    CareTeamEntry,
    Claim,
    ClaimLine,
    Code,
    Consent,
    ConsentRule,
    Coverage,
    Location,
    Organization,
    Person,
    Population,
    Practitioner,
    Slot,
    Visit,
)

TENANT: Final = "alder"
PAYLOAD_FAMILY: Final = "O'Rourke\"; DROP TABLE clm_hdr;--"
PAYLOAD_GIVEN: Final = "<b>=1+1</b>|^~\\&{{7*7}}"

_SNOMED = "http://snomed.info/sct"
_CHECKUP = Code(system=_SNOMED, code="185349003", display="Check-up")
_FOLLOW_UP = Code(system=_SNOMED, code="390906007", display="Follow-up")
_VACCINATION = Code(system=_SNOMED, code="33879002", display="Vaccination")
_AMBULATORY = Code(system="http://terminology.hl7.org/CodeSystem/v3-ActCode", code="AMB", display="ambulatory")
_GENERAL = Code(system="http://nucc.org/provider-taxonomy", code="207Q00000X", display="Family Medicine")
_DOCTOR = Code(system=_SNOMED, code="446050000", display="Primary care physician")
_NURSE = Code(system=_SNOMED, code="224535009", display="Registered nurse")
_ICD = "http://hl7.org/fhir/sid/icd-10-cm"
_HYPERTENSION = Code(system=_ICD, code="I10", display="Essential hypertension")
_DIABETES = Code(system=_ICD, code="E11.9", display="Type 2 diabetes")
_CPT = "http://www.ama-assn.org/go/cpt"
_OFFICE = Code(system=_CPT, code="99213", display="Office visit")
_BLOOD = Code(system=_CPT, code="85025", display="Blood count")

# What only one of the three systems' codes tells to be sensitive, by the visit's number.
_SERVICES = {11: Code(system=_SNOMED, code="75516001", display="Psychotherapy")}
_REASONS = {
    12: (Code(system=_SNOMED, code="86406008", display="HIV infection"),),
    14: (Code(system=_SNOMED, code="999000111", display="Never looked through"),),
}
_DIAGNOSES = {16: (Code(system=_ICD, code="F11.20", display="Opioid dependence"), _HYPERTENSION)}
_PROCEDURES = {17: Code(system=_CPT, code="59425", display="Antepartum care")}

APPOINTMENT_STATUSES: Final = (
    "fulfilled", "proposed", "pending", "booked", "arrived", "cancelled", "noshow", "entered-in-error", "checked-in",
    "waitlist",
)  # fmt: skip
ENCOUNTER_STATUSES: Final = (
    "finished", "planned", "arrived", "triaged", "in-progress", "onleave", "cancelled", "entered-in-error", "unknown",
)  # fmt: skip
CLAIM_STATUSES: Final = ("paid", "draft", "submitted", "accepted", "pended", "denied", "cancelled")
CLAIM_TYPES: Final = ("professional", "institutional", "pharmacy", "oral", "vision")
SLOT_STATUSES: Final = ("free", "busy", "busy-unavailable", "busy-tentative", "entered-in-error")

# Summer time ends in New York on 2026-11-01 at 06:00 UTC: 05:30 and 06:30 UTC are both 01:30 on the clock.
# It begins on 2026-03-08 at 07:00 UTC: 06:30 UTC is 01:30, and 02:30 never happens.
_ODD_STARTS = (
    datetime(2026, 11, 1, 5, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 6, 30, tzinfo=UTC),
    datetime(2026, 11, 1, 5, 45, tzinfo=UTC),
    datetime(2026, 3, 8, 6, 30, tzinfo=UTC),
    datetime(2026, 3, 8, 7, 0, tzinfo=UTC),
)


@cache
def small_population() -> Population:
    """The population; the same object every time, and frozen."""
    return Population(
        tenant=TENANT,
        organizations=_ORGANIZATIONS,
        locations=_LOCATIONS,
        practitioners=_PRACTITIONERS,
        people=tuple(_people()),
        visits=tuple(_visits()),
        slots=tuple(_slots()),
        consents=tuple(_consents()),
    )


def _address(number: int) -> Address:
    return Address(line=f"{number} Alder Way, Apt #{number}", city="Alderton", state="NY", postal_code=f"1{number:04d}")


_ORGANIZATIONS = (
    Organization(key="o1", ehr_id="org-1", name="Alder Clinic", phone="+15550100", address=_address(1)),
    Organization(key="o2", ehr_id="org-2", name="Alder & Söhne <West>", phone="+15550200", address=_address(2)),
)


def _location(key: str, name: str, organization: str, timezone: str) -> Location:
    number = int(key[1:])
    return Location(
        key=key,
        ehr_id=f"loc-{number}",
        site=f"ALD-{number}",
        name=name,
        phone=f"+1555020{number}",
        address=_address(10 + number),
        organization=organization,
        timezone=timezone,
    )


_LOCATIONS = (
    _location("l1", "East", "o1", "America/New_York"),
    _location("l2", "High", "o1", "America/Denver"),
    _location("l3", "West", "o2", "America/Phoenix"),
)


def _practitioner(key: str, family: str, npi: str, organization: str, *, active: bool = True) -> Practitioner:
    number = int(key[1:])
    return Practitioner(
        key=key,
        ehr_id=f"prac-{number}",
        provider_id=f"PRV{number:03d}",
        npi=npi,
        family=family,
        given=f"Given{number}",
        prefix="Dr.",
        specialty=_GENERAL,
        organization=organization,
        active=active,
    )


_PRACTITIONERS = (
    _practitioner("d1", "Abbott", "1000000012", "o1"),
    _practitioner("d2", "Abel", "1000000020", "o1"),
    _practitioner("d3", "Núñez", "1000000038", "o2"),
    _practitioner("d4", "Quill", "1000000046", "o2", active=False),
)


def _coverage(number: int, part: int, status: str) -> Coverage:
    return Coverage(
        key=f"c{number}-{part}",
        ehr_id=f"cov-{number}-{part}",
        payer=f"Payer {part}",
        payer_code=f"PAY{part}",
        member_id=f"MBR{number:03d}{part}",
        plan=f"Plan {part}",
        status=status,
        start=datetime(2025, 1, 1, tzinfo=UTC),
        end=datetime(2026, 12, 31, tzinfo=UTC) if part == 1 else None,
    )


def _person(  # noqa: PLR0913 - a person's distinguishing traits, all by name
    number: int,
    family: str,
    given: str,
    *,
    birth_date: str = "",
    gender: str = "female",
    coverages: tuple[str, ...] = ("active",),
    in_ehr: bool = True,
    scheduling: bool = True,
    billing: bool = True,
    scheduled_mrn: bool = True,
    billed: tuple[str, str, str | None] | None = None,
    organization: str = "o1",
    deceased: bool = False,
    labels: tuple[str, ...] = (),
    replaced_by: str | None = None,
) -> Person:
    born = birth_date or f"19{40 + number}-0{1 + number % 9}-1{number % 10}"
    mrn = f"MRN{number:04d}"
    held = tuple(_coverage(number, part, status) for part, status in enumerate(coverages, start=1))
    member = held[0].member_id if held else None
    billed_family, billed_given, billed_born = billed or (family, given, born)
    return Person(
        key=f"p{number}",
        ehr_id=f"pat-{number}" if in_ehr else None,
        scheduling=Alias(
            id=f"CL-{number}", family=family, given=given, birth_date=born, mrn=mrn if scheduled_mrn else None
        )
        if scheduling
        else None,
        billing=Alias(
            id=f"SUB{number:05d}",
            family=billed_family,
            given=billed_given,
            birth_date=billed_born,
            mrn=mrn if billed is None else None,
            member_id=member,
        )
        if billing
        else None,
        family=family,
        given=given,
        prefix=None if deceased else "Mx.",
        birth_date=born,
        gender=gender,
        language="es" if number % 2 else "en",
        deceased=deceased,
        mrn=mrn,
        ssn=f"900-55-{number:04d}",
        drivers_license=None if deceased else f"DL{number:06d}",
        phone=f"+1555030{number:04d}",
        email=f"person{number}@alder.example",
        address=_address(100 + number),
        organization=organization,
        general_practitioner="d1" if organization == "o1" else "d3",
        care_team=tuple(_care_team(number)),
        coverages=held,
        labels=labels,
        deceased_at=datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC) if deceased else None,
        replaced_by=replaced_by,
    )


def _care_team(number: int) -> Iterator[CareTeamEntry]:
    started = datetime(2025, 6, 1, 12, 0, tzinfo=UTC)
    if number in {1, 10}:
        yield CareTeamEntry(practitioner="d2", role=_DOCTOR, start=started)
        yield CareTeamEntry(practitioner="d4", role=_NURSE, start=started, end=started + timedelta(days=90))
    if number == 11:
        yield CareTeamEntry(practitioner="d3", role=_NURSE, start=started, end=started + timedelta(days=1))


def _people() -> Iterator[Person]:
    yield _person(1, "Archer", "Ada", coverages=("active", "cancelled"))
    yield _person(2, "Baker", "Sam", birth_date="1980-02-29", scheduled_mrn=False)
    yield _person(3, "Baker", "Sam", birth_date="1980-02-29", replaced_by="p2")
    yield _person(4, "Carver", "Lee", scheduling=False, billing=False)
    yield _person(5, "Dyer", "Max", in_ehr=False)
    yield _person(6, "Müller-Lüdenscheidt", "Zoë", gender="other", organization="o2", coverages=("draft",))
    yield _person(7, PAYLOAD_FAMILY, PAYLOAD_GIVEN, coverages=("entered-in-error",))
    yield _person(8, "Fletcher", "Ann", billed=("Flecher", "An", None))
    yield _person(9, "Mason", "Old", gender="male", deceased=True, labels=("R",))
    yield _person(10, "Turner", "Many", organization="o1")
    yield _person(11, "Turner", "Kid", birth_date="2016-03-05", organization="o2", labels=("R", "PSY"))
    yield _person(12, "山田", "花子", gender="unknown", coverages=())


def _visit(number: int, person: str, start: datetime, *, minutes: int = 30, west: bool = False) -> Visit:
    place = "l3" if west else ("l1", "l2")[number % 2]
    if start in _ODD_STARTS:
        place = "l1"
    return Visit(
        key=f"v{number}",
        number=f"V-{number:06d}",
        person=person,
        practitioner="d3" if west else ("d1", "d2")[number % 2],
        location=place,
        start=start,
        end=start + timedelta(minutes=minutes),
        service=_SERVICES.get(number, (_CHECKUP, _FOLLOW_UP, _VACCINATION)[number % 3]),
        reason="" if number % 5 == 0 else f"Reason {number}: «worse, 100%» & <i>_</i>",
        reasons=_REASONS.get(number, () if number % 4 == 0 else (_HYPERTENSION, _DIABETES)[: 1 + number % 2]),
        appointment_id=None if person == "p4" else f"A-{number:04d}",
        appointment_status=APPOINTMENT_STATUSES[number % len(APPOINTMENT_STATUSES)],
        encounter_id=None if person == "p5" or number % 7 == 3 else f"enc-{number}",
        encounter_status=ENCOUNTER_STATUSES[number % len(ENCOUNTER_STATUSES)],
        encounter_class=_AMBULATORY,
        claim=_claim(number, person, start),
        labels=("PSY",) if person == "p11" else (),
    )


def _claim(number: int, person: str, start: datetime) -> Claim | None:
    if person in {"p4", "p11"} or number % 3 == 0:
        return None
    adjudicated = number % 2 == 0
    lines = tuple(
        ClaimLine(
            service=service,
            units=units,
            billed_cents=12_345 * units + number,
            allowed_cents=10_001 if adjudicated else None,
            paid_cents=0 if adjudicated else None,
        )
        for service, units in ((_PROCEDURES.get(number, _OFFICE), 1), (_BLOOD, 3))[: 1 + number % 2]
    )
    return Claim(
        number=f"CLM{number:05d}",
        claim_type=CLAIM_TYPES[number % len(CLAIM_TYPES)],
        status=CLAIM_STATUSES[number % len(CLAIM_STATUSES)],
        created=(start + timedelta(days=number % 4)).date().isoformat(),
        diagnoses=_DIAGNOSES.get(number, (_HYPERTENSION, _DIABETES)[: 1 + number % 2]),
        lines=lines,
        coverage=None if number % 5 == 0 else f"c{person[1:]}-1",
        patient_responsibility_cents=2_500 if adjudicated else None,
    )


def _visits() -> Iterator[Visit]:
    noon = datetime(2026, 1, 5, 17, 0, tzinfo=UTC)
    for number, start in enumerate(_ODD_STARTS, start=1):
        yield _visit(number, "p1", start)
    for offset in range(23):
        yield _visit(10 + offset, "p10", noon + timedelta(days=7 * offset))
    for offset, person in enumerate(("p2", "p3", "p4", "p5", "p7", "p8", "p9"), start=40):
        yield _visit(offset, person, noon + timedelta(days=offset, hours=offset % 3), minutes=0 if offset == 40 else 45)
    yield _visit(50, "p2", noon + timedelta(days=7))  # at the same instant as one of p10's: a tie
    for offset, person in enumerate(("p6", "p6", "p11", "p11"), start=60):
        yield _visit(offset, person, noon + timedelta(days=offset), minutes=24 * 60, west=True)


def _slots() -> Iterator[Slot]:
    opening = datetime(2026, 10, 31, 14, 0, tzinfo=UTC)
    for number in range(14):
        start = opening + timedelta(minutes=30 * (number // 2)) if number < 12 else _ODD_STARTS[number - 12]
        west = number % 2 == 1 and number < 12
        yield Slot(
            id=f"S-{number:03d}",
            practitioner="d3" if west else "d1",
            location="l3" if west else "l1",
            start=start,
            end=start + timedelta(minutes=30),
            status=SLOT_STATUSES[number % len(SLOT_STATUSES)],
            service=_CHECKUP,
        )


def _consents() -> Iterator[Consent]:
    made = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)
    permit, deny = ConsentRule(effect="permit", purposes=("HRESCH",)), ConsentRule(effect="deny")
    doctor = ConsentRule(effect="permit", purposes=("TREAT",), labels=("SUD", "RPRO"), practitioners=("d1", "d3"))
    rules = (
        ("p1", permit, (), None),
        ("p1", ConsentRule(effect="deny", organizations=("o2",)), (), made + timedelta(days=30)),
        ("p2", deny, (doctor,), None),
        ("p6", ConsentRule(effect="deny", purposes=("HPAYMT", "HMARKT")), (), None),
        ("p9", deny, (), made + timedelta(days=1)),
        (
            "p10",
            ConsentRule(effect="permit"),
            (ConsentRule(effect="deny", labels=("V",), practitioners=("d4",)),),
            None,
        ),
        ("p5", permit, (), None),
    )
    for number, (person, rule, exceptions, end) in enumerate(rules, start=1):
        for status in ("active", "entered-in-error", "inactive")[: 1 + number % 3]:
            yield Consent(
                ehr_id=f"con-{number}-{status[0]}",
                person=person,
                status=status,
                made_at=made,
                rule=rule,
                exceptions=exceptions,
                start=made if number % 2 else None,
                end=end,
            )
