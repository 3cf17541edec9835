"""Visits: what took place, what is booked, and what did not come to pass."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sandbox.population.catalog import (
    AMBULATORY,
    CONTRACEPTION,
    CRAVINGS,
    EMERGENCY,
    LOW_MOOD,
    PREGNANCY,
    PROBLEMS,
    SENSITIVE_PROBLEMS,
    SERVICES,
    VIRAL_LOAD,
    Problem,
)
from sandbox.population.claims import claim
from sandbox.population.clinic import seeded
from sandbox.population.diary import LENGTH, Diary, Opening, repeated_hour
from sandbox.population.model import Person, Practitioner, Visit
from sandbox.population.people import Census, peculiarity
from sandbox.population.planted import PHYSICIAN, Planted

_PAST: Final = (("fulfilled", 70), ("cancelled", 12), ("noshow", 12), ("entered-in-error", 6))
_COMING: Final = (("booked", 80), ("pending", 10), ("cancelled", 10))
_DOORS_OPEN_HOUR: Final = 7

_SENSITIVE: Final[dict[str, Problem]] = {
    Planted.SENSITIVE: LOW_MOOD,
    Planted.IN_TREATMENT: CRAVINGS,
    Planted.LIVING_WITH_HIV: VIRAL_LOAD,
    Planted.EXPECTING: PREGNANCY,
    Planted.NEARLY_OF_AGE: CONTRACEPTION,
}
"""What the first visit of a planted person was about."""
_SENSITIVE_SHARE: Final = 0.08
"""Of the visits of whoever is not planted."""

_Turn = tuple[str, bool]
"""What became of a visit (its appointment's status), and whether it lies ahead."""


def visits(census: Census, people: tuple[Person, ...], diary: Diary) -> tuple[Visit, ...]:
    """Everybody's visits: 1 to 8 each, fewer where the diary is full."""
    numbers = count(1)
    return tuple(visit for person in people for visit in _history(census, person, diary, numbers))


def _history(census: Census, person: Person, diary: Diary, numbers: Iterator[int]) -> Iterator[Visit]:
    chance = seeded(census.seed, census.tenant, person.key, "visits")
    for nth, (status, ahead) in enumerate(_story(person, chance)):
        doctor = _seen_by(census, person, chance)
        opening = diary.take(doctor, chance) if ahead else diary.look_back(doctor, chance)
        if opening is None:
            continue
        problem = _problem(census, person, nth, chance)
        if nth == 0 and person.key == Planted.PATIENT:
            night = repeated_hour(census.now, ZoneInfo(opening.location.timezone))
            opening = replace(opening, start=night)
        yield _visit(census, person, opening, status, problem, next(numbers))


def _problem(census: Census, person: Person, nth: int, chance: Random) -> Problem:
    """Something ordinary, as a rule; the dice for the exceptions are others, so that they change nothing else."""
    ordinary = chance.choice(PROBLEMS)
    if person.key in set(Planted):
        return _SENSITIVE.get(person.key, ordinary) if nth == 0 else ordinary
    dice = seeded(census.seed, census.tenant, person.key, nth, "sensitive")
    return dice.choice(SENSITIVE_PROBLEMS) if dice.random() < _SENSITIVE_SHARE else ordinary


def _story(person: Person, chance: Random) -> list[_Turn]:
    """Some visits behind, the first of them one that took place, and up to two ahead."""
    told = peculiarity(person.key).story
    if told:
        return [(status, status == "booked") for status in told]
    number = chance.randint(1, 8)
    ahead = 0 if person.deceased else chance.randint(0, min(2, number - 1))
    behind = [(_drawn(_PAST, chance), False) for _ in range(number - ahead)]
    behind[0] = ("fulfilled", False)
    return behind + [(_drawn(_COMING, chance), True) for _ in range(ahead)]


def _seen_by(census: Census, person: Person, chance: Random) -> Practitioner:
    """Mostly their own doctor, else a colleague of the same organization."""
    doctors = {each.key: each for each in census.clinic.practitioners}
    own = doctors[person.general_practitioner]
    if person.key == Planted.REFERRED:
        return doctors[PHYSICIAN]
    if person.key in set(Planted) or chance.random() < 0.8:  # noqa: PLR2004 - one visit in five is a colleague's
        return own
    return chance.choice(census.clinic.staff(own.organization))


def _visit(census: Census, person: Person, opening: Opening, status: str, problem: Problem, number: int) -> Visit:
    chance = seeded(census.seed, census.tenant, "visit", number)
    held = status == "fulfilled"
    local = opening.start.astimezone(ZoneInfo(opening.location.timezone))
    service = chance.choice(SERVICES)
    visit = Visit(
        key=f"visit-{number}",
        number=f"V-{number:06}",
        person=person.key,
        practitioner=opening.practitioner.key,
        location=opening.location.key,
        start=opening.start,
        end=opening.start + LENGTH,
        service=problem.service or service,
        reason=problem.complaint,
        reasons=(problem.finding,),
        appointment_id=f"A{100000 + number}" if person.scheduling else None,
        appointment_status=status,
        encounter_id=f"enc-{1000 + number}" if held and person.ehr_id else None,
        encounter_status="finished" if held and person.ehr_id else None,
        encounter_class=EMERGENCY if local.hour < _DOORS_OPEN_HOUR else AMBULATORY,
        claim=None,
        labels=("PSY",) if problem is LOW_MOOD else (),
    )
    if held and person.billing:
        return replace(visit, claim=claim(person, visit, problem, number, now=census.now))
    return visit


def _drawn(table: tuple[tuple[str, int], ...], chance: Random) -> str:
    return chance.choices([word for word, _ in table], weights=[weight for _, weight in table])[0]
