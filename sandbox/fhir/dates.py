"""FHIR date search: a date spans what its precision leaves open, and prefixes compare spans."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from typing import NamedTuple

from sandbox.fhir.refusals import Refusal

_DATE = re.compile(
    r"(?P<prefix>eq|ne|gt|ge|lt|le)?(?P<date>(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2})(T.+)?)?)?)"
)
_MIDNIGHT, _LAST_TICK = "T00:00:00.000000", "T23:59:59.999999"


class Span(NamedTuple):
    """First and last microsecond, as YYYY-MM-DDTHH:MM:SS.ffffff in UTC."""

    first: str
    last: str


def span(date: str) -> Span:
    """The time that a FHIR date or dateTime means. Raises ValueError for an instant that is none."""
    if "T" in date:
        instant = datetime.fromisoformat(date).astimezone(UTC).replace(tzinfo=None)
        written = instant.isoformat(timespec="microseconds")
        return Span(written, written if instant.microsecond else f"{written[:-6]}999999")
    year, month, day, *_ = *date.split("-"), "", ""
    if day:
        return Span(f"{date}{_MIDNIGHT}", f"{date}{_LAST_TICK}")
    if month:
        last = calendar.monthrange(int(year), int(month))[1]
        return Span(f"{date}-01{_MIDNIGHT}", f"{date}-{last:02}{_LAST_TICK}")
    return Span(f"{date}-01-01{_MIDNIGHT}", f"{date}-12-31{_LAST_TICK}")


def matches(date: str, question: str) -> bool:
    """Whether a resource's date meets a search value such as `1980-02-03`, `ge1980` or `lt1990-05`."""
    found = _DATE.fullmatch(question)
    if found is None or not "01" <= (found["month"] or "01") <= "12":
        raise Refusal(400, "value", "a date is YYYY, YYYY-MM, YYYY-MM-DD or an instant, with a prefix such as ge")
    prefix = found["prefix"] or "eq"
    try:
        asked, has = span(found["date"]), span(date)
    except ValueError:
        raise Refusal(400, "value", "an instant is YYYY-MM-DDTHH:MM:SS with an offset") from None
    within = asked.first <= has.first and has.last <= asked.last
    verdicts = {
        "eq": within,
        "ne": not within,
        "gt": has.last > asked.last,
        "ge": has.last > asked.last or within,
        "lt": has.first < asked.first,
        "le": has.first < asked.first or within,
    }
    return verdicts[prefix]
