"""People: who they are, how each source knows them, who cares for them and who insures them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Final

from faker import Faker

from sandbox.population.catalog import PAYERS, PHYSICIAN, PRIMARY_CARE, SENIOR_PLAN
from sandbox.population.clinic import Clinic, address, phone, seeded
from sandbox.population.model import Alias, CareTeamEntry, Coverage, Guardianship, Person, Practitioner
from sandbox.population.planted import GUARDIAN_SUBJECT, PECULIARITIES, Peculiarity, Planted

_ORDINARY: Final = Peculiarity()
_OF_AGE_YEARS: Final = 18
_SENIOR_FROM_YEARS: Final = 65
_LANGUAGES: Final = ("en", "en", "en", "en", "es", "zh", "vi")
_NAMESAKES: Final = frozenset({Planted.NAMESAKE, Planted.OTHER_NAMESAKE})
_CHARTED_TWICE: Final = frozenset({Planted.SURVIVOR, Planted.MERGED})
_DEATH: Final = timedelta(days=200)
"""How long ago whoever has died did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What everybody's making shares. One person's making never depends on another's."""

    tenant: str
    seed: int
    now: datetime
    clinic: Clinic
    faker: Faker


def keys(size: int) -> list[str]:
    """The keys of `size` people, the planted first."""
    planted = list(Planted)[:size]
    return [str(key) for key in planted] + [f"person-{n}" for n in range(1, size - len(planted) + 1)]


def peculiarity(key: str) -> Peculiarity:
    """What is planted at a key; nothing for anybody ordinary."""
    return PECULIARITIES[Planted(key)] if key in set(Planted) else _ORDINARY


def person(census: Census, key: str, number: int) -> Person:
    """The person at a key. `number`, from 1, gives the ids, so that all tenants have the same ones."""
    quirk, chance, faker = peculiarity(key), seeded(census.seed, census.tenant, key), census.faker
    faker.seed_instance(f"{census.seed}/{census.tenant}/{key}")
    gender = chance.choice(("female", "male"))
    given = faker.first_name_female() if gender == "female" else faker.first_name_male()
    doctor = _doctor(census.clinic, quirk, chance)
    age_years = chance.randint(1, 92) if quirk.age_years is None else quirk.age_years
    made = Person(
        key=key,
        ehr_id=f"pt-{1000 + number}",
        scheduling=None,
        billing=None,
        family=quirk.family or faker.last_name(),
        given=quirk.given or given,
        prefix=chance.choice((None, None, "Ms." if gender == "female" else "Mr.")),
        birth_date=_birth_date(census.now.date(), age_years, chance).isoformat(),
        gender=gender,
        language=chance.choice(_LANGUAGES),
        deceased=quirk.deceased,
        mrn=f"MRN-{200000 + number}",
        ssn=f"9{number // 10000 % 100:02}-{50 + number % 50}-{number % 10000:04}",
        drivers_license=f"S9{number:07}" if age_years >= _OF_AGE_YEARS else None,
        phone=phone(number),
        email=f"patient{number}@{census.tenant}.example",
        address=address(faker),
        organization=doctor.organization,
        general_practitioner=doctor.key,
        care_team=_care_team(census, doctor, age_years, chance, alone=key in set(Planted)),
        coverages=_coverages(census, number, age_years, chance, required=key in set(Planted)),
        labels=quirk.labels,
        deceased_at=census.now - _DEATH if quirk.deceased else None,
        replaced_by=quirk.replaced_by and str(quirk.replaced_by),
    )
    return _known(_twist(census, made), quirk, number)


def guardianships(now: datetime, present: frozenset[str]) -> tuple[Guardianship, ...]:
    """Who acts for whom: the guardian persona for two children and an adolescent, and formerly for one now of age."""
    terms = {
        Planted.ELDER_CHILD: None,
        Planted.YOUNGER_CHILD: None,
        Planted.NEARLY_OF_AGE: None,
        Planted.GROWN_WARD: now - timedelta(days=90),
    }
    return tuple(
        Guardianship(guardian=GUARDIAN_SUBJECT, child=str(child), start=now - timedelta(days=6 * 365), end=end)
        for child, end in terms.items()
        if child in present
    )


def _doctor(clinic: Clinic, quirk: Peculiarity, chance: Random) -> Practitioner:
    return chance.choice(clinic.practitioners) if quirk.doctor is None else clinic.practitioners[quirk.doctor]


def _birth_date(today: date, age_years: int, chance: Random) -> date:
    """A birth date in the middle of that year of life, so that nobody has a birthday while a demo is kept."""
    return today - timedelta(days=round((age_years + 0.2 + 0.6 * chance.random()) * 365.2425))


def _born_to_be_of_age(day: date) -> date:
    """The birth date of someone who comes of age on a day; for a 29 February that wasn't, on the next."""
    year = day.year - _OF_AGE_YEARS
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 3, 1)


def _care_team(
    census: Census, doctor: Practitioner, age_years: int, chance: Random, *, alone: bool
) -> tuple[CareTeamEntry, ...]:
    """Their doctor, and for some a second physician, now or formerly; `alone` where it matters who is not in it."""
    years = chance.randint(1, min(age_years, 9))
    team = [CareTeamEntry(practitioner=doctor.key, role=PRIMARY_CARE, start=_years_before(census.now, years))]
    colleagues = [each for each in census.clinic.staff(doctor.organization) if each != doctor]
    if colleagues and not alone and chance.random() < 0.3:  # noqa: PLR2004 - a third see a second physician
        left = census.now - timedelta(days=chance.randint(30, 300)) if chance.random() < 0.5 else None  # noqa: PLR2004 - half of them no longer
        second = chance.choice(colleagues).key
        team.append(CareTeamEntry(practitioner=second, role=PHYSICIAN, start=_years_before(census.now, 1), end=left))
    return tuple(team)


def _coverages(census: Census, number: int, age_years: int, chance: Random, *, required: bool) -> tuple[Coverage, ...]:
    """One insurance for most; some have a former one besides, a few of the ordinary none at all."""
    count = max(chance.choices((0, 1, 2), weights=(8, 72, 20))[0], int(required))
    coverages = []
    for nth in range(1, count + 1):
        current = nth == 1
        payer = SENIOR_PLAN if current and age_years >= _SENIOR_FROM_YEARS else chance.choice(PAYERS)
        end = None if current else census.now - timedelta(days=chance.randint(100, 600))
        coverages.append(
            Coverage(
                key=f"cov-{number}-{nth}",
                ehr_id=f"cov-{1000 + number}-{nth}",
                payer=payer.name,
                payer_code=payer.code,
                member_id=f"{payer.code[:3]}{nth}{500000 + number}",
                plan=chance.choice(payer.plans),
                status="active" if current else "cancelled",
                start=_years_before(census.now, 1 if current else 6),
                end=end,
            )
        )
    return tuple(coverages)


def _twist(census: Census, made: Person) -> Person:
    """What is peculiar about a person beyond what the table of peculiarities can say."""
    if made.key == Planted.EMPLOYEE:
        colleague = census.clinic.practitioners[2]
        return replace(made, family=colleague.family, given=colleague.given, prefix=colleague.prefix)
    if made.key in _NAMESAKES:
        shared = seeded(census.seed, census.tenant, "namesakes")
        return replace(made, birth_date=_birth_date(census.now.date(), 33, shared).isoformat())
    if made.key in _CHARTED_TWICE:
        shared = seeded(census.seed, census.tenant, "charted twice")
        return replace(made, birth_date=_birth_date(census.now.date(), 48, shared).isoformat(), gender="female")
    days = peculiarity(made.key).of_age_in_days
    if days is not None:
        return replace(made, birth_date=_born_to_be_of_age(census.now.date() + timedelta(days=days)).isoformat())
    return made


def _known(made: Person, quirk: Peculiarity, number: int) -> Person:
    """The same person, with what each source knows of them."""
    scheduling = Alias(
        id=f"CL{40000 + number}",
        family=made.family,
        given=made.given,
        birth_date=made.birth_date,
        mrn=made.mrn,
    )
    return replace(
        made,
        ehr_id=made.ehr_id if "ehr" in quirk.known_to else None,
        scheduling=scheduling if "scheduling" in quirk.known_to else None,
        billing=_subscriber(made, number),
        coverages=made.coverages if "ehr" in quirk.known_to else (),
    )


def _subscriber(made: Person, number: int) -> Alias:
    """How billing knows a person: by MRN as a rule, every fifth insured one by member number alone."""
    member_id = made.coverages[0].member_id if made.coverages else None
    by_member_alone = member_id is not None and number % 5 == 0
    usual = Alias(
        id=f"SUB{700000 + number}",
        family=made.family,
        given=made.given,
        birth_date=made.birth_date,
        mrn=None if by_member_alone else made.mrn,
        member_id=member_id,
    )
    if made.key == Planted.MISSPELT:
        return replace(usual, family="Schwartzenbach", mrn=made.mrn)
    if made.key == Planted.SHARED_MEMBER:
        return replace(usual, family="Oyelaran", given="Temitope", birth_date="1948-02-29", mrn=None)
    if made.key in _NAMESAKES:
        return replace(usual, mrn=None, member_id=None)
    return usual


def _years_before(now: datetime, years: int) -> datetime:
    return datetime(now.year - years, 1, 1, tzinfo=UTC)
