"""Wall-clock times of a place, read as instants.

Where clocks go back, one hour happens twice and a time in it says too little: the vendor's fold marker tells which
one is meant (0 the first, 1 the second). Where clocks go forward, one hour doesn't happen, and a time in it is none.
On all other days every time is one instant, by the day's one offset.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_YEARS: Final = range(1900, 2201)
"""Outside of these a date is a slip of the pen, and arithmetic with it could overflow."""

_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - on the wall
_ENDS: Final = tuple(end.replace(fold=pass_) for end in (time.min, time.max) for pass_ in (0, 1))
_DAYS_REMEMBERED: Final = 16_384


def instant(text: object, fold: object, zone: ZoneInfo | None) -> datetime | None:
    """The instant, in UTC; None for what can't be read, never happened, or may mean two instants."""
    if not isinstance(text, str) or "T" not in text or "T24" in text or zone is None:
        return None  # an hour 24 is none, whether or not this version of Python reads it as the next day's first
    try:
        wall = datetime.fromisoformat(text)
    except ValueError:
        return None
    if wall.tzinfo is not None:
        return None
    epoch = _epoch_of_day(zone, wall.toordinal())
    return examined(wall, fold, zone) if epoch is None else epoch + (wall - _EPOCH)


def examined(wall: datetime, fold: object, zone: ZoneInfo) -> datetime | None:
    """The instant of a time on any day: it takes many times as long as on one whose offset is known."""
    if wall.year not in _YEARS:
        return None
    first, second = (wall.replace(tzinfo=zone, fold=pass_).astimezone(UTC) for pass_ in (0, 1))
    if first == second:
        return first
    happened = first.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    if not happened or fold not in (0, 1):
        return None
    return second if fold else first


@lru_cache(_DAYS_REMEMBERED)
def _epoch_of_day(zone: ZoneInfo, ordinal: int) -> datetime | None:
    """The epoch on the wall as an instant, by a day's one offset; None where clocks change or the year is none.

    Both ends of the day tell: no zone has ever changed its clocks twice in one.
    """
    day = date.fromordinal(ordinal)
    if day.year not in _YEARS:
        return None
    offset, *others = {datetime.combine(day, end, zone).utcoffset() for end in _ENDS}
    return None if others or offset is None else _EPOCH.replace(tzinfo=UTC) - offset
