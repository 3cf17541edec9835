"""From which instant on people decide for themselves: birthdays, counted where the tenant is at home."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Ages:
    """The birthdays that change who may act for a person and who may know what, and where the day begins."""

    time_zone: tzinfo = UTC
    adolescence_years: int = 12
    """From this birthday on minors consent to some care by themselves."""
    majority_years: int = 18
    """From this birthday on nobody acts for them as their guardian."""

    def adolescent_at(self, birth_date: str | None) -> datetime | None:
        """The first instant of adolescence, in UTC; None where the birth date tells none."""
        return _birthday(birth_date, self.adolescence_years, self.time_zone)

    def adult_at(self, birth_date: str | None) -> datetime | None:
        """The first instant of majority, in UTC; None where the birth date tells none."""
        return _birthday(birth_date, self.majority_years, self.time_zone)


def _birthday(birth_date: str | None, years: int, zone: tzinfo) -> datetime | None:
    """The first instant of the day on which they are so many years old.

    Who was born on 29 February comes of age on 1 March where the year has no such day. Where the clock skips midnight,
    the day begins when the clock does.
    """
    if birth_date is None:
        return None
    try:
        born = date.fromisoformat(birth_date)
        day = _anniversary(born, born.year + years)
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _anniversary(born: date, year: int) -> date:
    try:
        return born.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
