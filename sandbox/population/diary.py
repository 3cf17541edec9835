"""The clinic's diary: when practitioners receive people in the coming two weeks, and which of these times are taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Final
from zoneinfo import ZoneInfo

from sandbox.population.catalog import SERVICES
from sandbox.population.clinic import seeded
from sandbox.population.model import Location, Practitioner, Slot
from sandbox.population.people import Census

LENGTH: Final = timedelta(minutes=30)

_HORIZON_DAYS: Final = 14
_HISTORY_DAYS: Final = 3 * 365
_STARTS: Final = (time(9), time(9, 30), time(10), time(11), time(13, 30), time(14), time(15), time(15, 30))
_SATURDAY: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A time at which a practitioner receives somebody."""

    practitioner: Practitioner
    location: Location
    start: datetime


class Diary:
    """Everybody's times for the coming two weeks. Taking one makes it busy, in the order of asking."""

    def __init__(self, census: Census) -> None:
        self._census = census
        self._openings = {each.key: _openings(census, each) for each in census.clinic.practitioners}
        self._taken: set[Opening] = set()

    def take(self, practitioner: Practitioner, chance: Random) -> Opening | None:
        """One free time of a practitioner; None when there is none left."""
        free = [each for each in self._openings[practitioner.key] if each not in self._taken]
        if not free:
            return None
        chosen = chance.choice(free)
        self._taken.add(chosen)
        return chosen

    def look_back(self, practitioner: Practitioner, chance: Random) -> Opening:
        """One time of a practitioner on a working day of the past three years."""
        day = (self._census.now - timedelta(days=chance.randint(3, _HISTORY_DAYS))).date()
        day -= timedelta(days=max(day.weekday() - _SATURDAY + 1, 0))
        return _opening(self._census, practitioner, day, chance.choice(_STARTS))

    def slots(self) -> tuple[Slot, ...]:
        """Every coming time as the vendor's slot: busy where taken, else free, and now and then blocked or held."""
        openings = sorted(
            (each for times in self._openings.values() for each in times),
            key=lambda each: (each.start, each.practitioner.key),
        )
        chance = seeded(self._census.seed, self._census.tenant, "slots")
        return tuple(
            Slot(
                id=f"OP{60000 + number}",
                practitioner=opening.practitioner.key,
                location=opening.location.key,
                start=opening.start,
                end=opening.start + LENGTH,
                status="busy" if opening in self._taken else _idle(chance),
                service=SERVICES[number % len(SERVICES)],
            )
            for number, opening in enumerate(openings, 1)
        )


def repeated_hour(now: datetime, zone: ZoneInfo) -> datetime:
    """The second 01:30 of the night in which clocks went back in the year before `now`, in UTC.

    In the United States that is the first Sunday of November (15 U.S.C. 260a).
    """
    first = date(now.year - 1, 11, 1)
    sunday = first + timedelta(days=6 - first.weekday())
    return datetime.combine(sunday, time(1, 30, fold=1), tzinfo=zone).astimezone(UTC)


def _openings(census: Census, doctor: Practitioner) -> list[Opening]:
    days = (census.now.date() + timedelta(days=n) for n in range(1, _HORIZON_DAYS + 1))
    working = [day for day in days if day.weekday() < _SATURDAY]
    return [_opening(census, doctor, day, start) for day in working for start in _STARTS]


def _opening(census: Census, doctor: Practitioner, day: date, start: time) -> Opening:
    location = census.clinic.home(doctor)
    local = datetime.combine(day, start, tzinfo=ZoneInfo(location.timezone))
    return Opening(practitioner=doctor, location=location, start=local.astimezone(UTC))


def _idle(chance: Random) -> str:
    return chance.choices(("free", "busy-unavailable", "busy-tentative"), weights=(90, 6, 4))[0]
