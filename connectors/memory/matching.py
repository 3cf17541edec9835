"""Whether a record in memory meets a condition, and where it stands in an order."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Final

from portico.records.search import Condition, Op
from portico.records.types import Record
from portico.records.values import Identifier

_PATHS: Final = {
    "id": "id.value",
    "patient": "subject",
    "family": "name.family",
    "given": "name.given",
    "identifier": "identifiers",
    "organization": "managing_organization.value",
    "practitioner": "practitioner.value",
    "provider": "provider.value",
    "location": "location.value",
}
"""Where the records keep what the search vocabulary names, where the names differ."""

_KEY_LENGTH: Final = 200
"""Characters by which records are ordered, so that no position is too long to come back to."""


def matches(record: Record, condition: Condition) -> bool:
    """Whether any of the record's values meets the condition; a missing value meets none."""
    values = _values(record, condition.field)
    operand = condition.values[0]
    match condition.op:
        case Op.IN:
            return not values.isdisjoint(condition.values)
        case Op.PREFIX:
            return any(value.casefold().startswith(operand.casefold()) for value in values)
        case Op.FROM:
            return any(value >= _instant(operand) for value in values)
        case Op.BEFORE:
            return any(value < _instant(operand) for value in values)


def sort_key(record: Record, order: str) -> tuple[str, str]:
    """Text without regard to case or accents, what is missing first, ties by the source's own id."""
    value = min(_values(record, order), default="")
    letters = unicodedata.normalize("NFD", value.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))[:_KEY_LENGTH], record.id.value


def _values(record: Record, field: str) -> frozenset[str]:
    value: object = record
    for step in _PATHS.get(field, field).split("."):
        value = getattr(value, step, None)
    match value:
        case None:
            return frozenset()
        case tuple():
            return frozenset(one.value if isinstance(one, Identifier) else str(one) for one in value)
        case datetime():
            return frozenset({_utc(value)})
        case _:
            return frozenset({str(value)})


def _instant(operand: str) -> str:
    """The operand as `_values` writes instants; a date stays a date."""
    return _utc(datetime.fromisoformat(operand)) if "T" in operand else operand


def _utc(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="microseconds")
