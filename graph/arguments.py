"""Arguments of lists, from what GraphQL coerced to what resolvers understand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from enum import Enum
from typing import Any

from portico.records.errors import BadArgument
from portico.records.search import Condition, Op
from resolvers.criteria import Ordering, instant, written
from resolvers.pages import DEFAULT_PAGE, ListArguments

TEXT_LIMIT = 128
"""Characters of a name or an identifier in a filter."""

IDS_LIMIT = 100

_CONDITIONS: dict[str, tuple[str, Op]] = {
    "family": ("family", Op.PREFIX),
    "given": ("given", Op.PREFIX),
    "birthDate": ("birth_date", Op.IN),
    "identifier": ("identifier", Op.IN),
    "mrn": ("mrn", Op.IN),
    "npi": ("npi", Op.IN),
    "startFrom": ("start", Op.FROM),
    "startBefore": ("start", Op.BEFORE),
    "createdFrom": ("created", Op.FROM),
    "createdBefore": ("created", Op.BEFORE),
    "status": ("status", Op.IN),
    "patient": ("patient", Op.IN),
    "practitioner": ("practitioner", Op.IN),
    "provider": ("provider", Op.IN),
    "location": ("location", Op.IN),
    "reviewed": ("reviewed", Op.IN),
    "from": ("at", Op.FROM),
    "until": ("at", Op.BEFORE),
}
_PERIOD = ("from", "until")
"""Arguments of their own that are conditions nevertheless."""
_DATES = frozenset({"birthDate", "createdFrom", "createdBefore"})
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


def list_arguments(arguments: Mapping[str, Any]) -> ListArguments:
    """A connection's arguments. Raises `BadArgument` for a value out of range."""
    order = arguments.get("orderBy")
    given = {**(arguments.get("filter") or {}), **{name: arguments.get(name) for name in _PERIOD}}
    return ListArguments(
        first=arguments.get("first", DEFAULT_PAGE),
        after=arguments.get("after"),
        conditions=tuple(_condition(name, value) for name, value in sorted(given.items()) if value is not None),
        ordering=Ordering("id") if order is None else Ordering(*order.value),
    )


def ids(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """The ids that `nodes` is asked for."""
    asked: list[str] = arguments["ids"]
    if len(asked) > IDS_LIMIT:
        raise BadArgument(f"ids takes at most {IDS_LIMIT} ids.")
    return tuple(asked)


def _condition(name: str, value: Any) -> Condition:
    field, op = _CONDITIONS[name]
    values: tuple[str, ...]
    match value:
        case datetime():
            if value.tzinfo is None:
                raise BadArgument(f"{_called(name)} needs an offset from UTC.")
            values = (_instant(name, value),)
        case bool():
            values = (str(value).lower(),)
        case list():
            if not value:
                raise BadArgument(f"filter.{name} must not be empty.")
            values = tuple(dict.fromkeys(_text(name, item) for item in value))
        case _:
            values = (_text(name, value),)
    return Condition(field, op, values)


def _instant(name: str, value: datetime) -> str:
    try:
        return written(instant(value))
    except OverflowError:
        raise BadArgument(f"{_called(name)} must lie in the years 1 to 9999 of UTC.") from None


def _called(name: str) -> str:
    return name if name in _PERIOD else f"filter.{name}"


def _text(name: str, value: Any) -> str:
    text = str(value.value) if isinstance(value, Enum) else str(value)
    if name in _DATES and not _is_day(text):
        raise BadArgument(f"filter.{name} must be a day, YYYY-MM-DD.")
    limit = TEXT_LIMIT if name not in ("patient", "practitioner", "provider", "location") else 4 * TEXT_LIMIT
    if not text.strip() or len(text) > limit or not text.isprintable():
        raise BadArgument(f"filter.{name} must be 1 to {limit} printable characters.")
    return text


def _is_day(text: str) -> bool:
    if not _DAY.fullmatch(text):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
