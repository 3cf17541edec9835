"""FHIR date search: a date spans what its precision leaves open, and prefixes compare spans."""

from __future__ import annotations

import calendar
import re
from typing import NamedTuple

from sandbox.fhir.refusals import Refusal

_DATE = re.compile(r"(?P<prefix>eq|ne|gt|ge|lt|le)?(?P<year>\d{4})(-(?P<month>\d{2})(-(?P<day>\d{2}))?)?")


class Span(NamedTuple):
    """First and last day, as YYYY-MM-DD."""

    first: str
    last: str


def span(date: str) -> Span:
    """The days that a FHIR date means."""
    year, month, day, *_ = *date.split("-"), "", ""
    if day:
        return Span(date, date)
    if month:
        return Span(f"{date}-01", f"{date}-{calendar.monthrange(int(year), int(month))[1]:02}")
    return Span(f"{date}-01-01", f"{date}-12-31")


def matches(date: str, question: str) -> bool:
    """Whether a resource's date meets a search value such as `1980-02-03`, `ge1980` or `lt1990-05`."""
    found = _DATE.fullmatch(question)
    if found is None or not "01" <= (found["month"] or "01") <= "12":
        raise Refusal(400, "value", "a date is YYYY, YYYY-MM or YYYY-MM-DD, with a prefix eq, ne, gt, ge, lt or le")
    prefix = found["prefix"] or "eq"
    asked, has = span(question.removeprefix(found["prefix"] or "")), span(date)
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
