"""Wall-clock times of a place, read as instants.

Where clocks go back, one hour happens twice and a time in it says too little: the vendor's fold marker tells which
one is meant (0 the first, 1 the second). Where clocks go forward, one hour doesn't happen, and a time in it is none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

_YEARS: Final = range(1900, 2201)
"""Outside of these a date is a slip of the pen, and arithmetic with it could overflow."""


def instant(text: object, fold: object, zone: ZoneInfo | None) -> datetime | None:
    """The instant, in UTC; None for what can't be read, never happened, or may mean two instants."""
    if not isinstance(text, str) or "T" not in text or zone is None:
        return None
    try:
        wall = datetime.fromisoformat(text)
        if wall.tzinfo is not None or wall.year not in _YEARS:
            return None
        first, second = (wall.replace(tzinfo=zone, fold=pass_).astimezone(UTC) for pass_ in (0, 1))
        if first == second:
            return first
        happened = first.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    except ValueError:
        return None
    if not happened or fold not in (0, 1):
        return None
    return second if fold else first
