"""Filters and orderings: which field of the search vocabulary reveals which attribute, and how both are judged here.

A source judges a list root's criteria itself (`Connector.search`). Behind an edge the records are already at hand, and
the same criteria are judged on them. Either way a criterion counts only for rows of which the caller may know the
revealed attribute in full; for any other row the value is as good as absent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any, Final, NamedTuple, TypeAlias, TypeVar

from portico.records.references import RecordType, Reference
from portico.records.search import Condition, Op
from portico.records.types import RECORD_CLASSES, Record
from portico.records.values import Period

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Ordering:
    """By which field of the vocabulary; ties go by the record's id. `id` is the order that reveals nothing."""

    field: str
    descending: bool = False


REVEALS: dict[RecordType, dict[str, str]] = {
    RecordType.PATIENT: {
        "family": "name",
        "given": "name",
        "birth_date": "birth_date",
        "identifier": "identifiers",
        "mrn": "mrn",
    },
    RecordType.PRACTITIONER: {"family": "name", "given": "name", "npi": "npi"},
    RecordType.APPOINTMENT: {
        "start": "start",
        "status": "status",
        "patient": "patient",
        "practitioner": "practitioner",
    },
    RecordType.SLOT: {"start": "start", "status": "status", "practitioner": "practitioner", "location": "location"},
    RecordType.ENCOUNTER: {"start": "period", "status": "status"},
    RecordType.CLAIM: {"created": "created", "status": "status", "patient": "patient", "provider": "provider"},
    RecordType.COVERAGE: {"status": "status"},
    RecordType.ACCESS: {"at": "at"},
    RecordType.EMERGENCY_ACCESS: {"at": "at", "reviewed": "reviewed_at"},
}
"""The attribute to which one needs the full right before one may filter or order by a field."""


def revealed(type_: RecordType, conditions: Iterable[Condition], ordering: Ordering | None) -> frozenset[str]:
    """The attributes that a filter and an ordering would reveal."""
    fields = {condition.field for condition in conditions}
    if ordering is not None and ordering.field != "id":
        fields.add(ordering.field)
    return frozenset(REVEALS[type_][field] for field in fields)


def matches(record: Record, conditions: Sequence[Condition]) -> bool:
    """Whether a record at hand meets every condition; an absent value meets none."""
    return all(_meets(reader(record.type, condition.field)(record), condition) for condition in conditions)


Value: TypeAlias = str | datetime
"""What is filtered and ordered by: a text, or an instant in UTC, to the second, so that both compare as sources do."""


class Place(NamedTuple):
    """Where a record stands in an ordering: by its value, None where it has none that may be used, and by its id."""

    id: str
    value: str | None = None

    def precedes(self, other: Place, ordering: Ordering) -> bool:
        """Whether the other stands after this one: ties go by id, records without the value come last."""
        if self.value is None or other.value is None:
            return (self.value is None, self.id) < (other.value is None, other.id)
        here, there = (self.value, self.id), (other.value, other.id)
        return there < here if ordering.descending else here < there


Placed: TypeAlias = tuple[Value | None, str, T]
"""What stands in a place: the place's value and id, and it."""


def in_order(rows: list[Placed[T]], ordering: Ordering) -> list[Placed[T]]:
    """Whatever stands in these places, in order."""
    if len(rows) < 2:  # noqa: PLR2004  one alone is in order
        return rows
    present = [row for row in rows if row[0] is not None]
    try:
        present.sort(key=_BY_VALUE, reverse=ordering.descending)
    except TypeError:  # a source that gives texts for instants
        present.sort(key=_by_text, reverse=ordering.descending)
    if len(present) == len(rows):
        return present
    absent = [row for row in rows if row[0] is None]
    absent.sort(key=_BY_ID)
    return present + absent


def _by_text(row: Placed[object]) -> tuple[str, str]:
    return written(row[0] or ""), row[1]


_BY_VALUE: Final = itemgetter(0, 1)
_BY_ID: Final = itemgetter(1)


def written(value: Value) -> str:
    """A value as the vocabulary writes it: an instant as ISO 8601 in UTC, to the second."""
    return value if isinstance(value, str) else value.isoformat(timespec="seconds")


def _meets(value: Value | None, condition: Condition) -> bool:
    if value is None:
        return False
    text = written(value)
    match condition.op:
        case Op.IN:
            return text in condition.values
        case Op.PREFIX:
            return text.casefold().startswith(condition.values[0].casefold())
        case Op.FROM:
            return text >= condition.values[0]
        case Op.BEFORE:
            return text < condition.values[0]


@lru_cache
def reader(type_: RecordType, field: str) -> Callable[[Record], Value | None]:
    """Reads a field of the vocabulary off records of a type."""
    read = _READ.get((type_, field)) or _by_name(type_, field)

    def value(record: Record) -> Value | None:
        found = read(record)
        if found.__class__ is datetime:
            return found if found.tzinfo is UTC and not found.microsecond else instant(found)
        match found:
            case None:
                return None
            case Period(start=datetime() as start):
                return instant(start)
            case Reference(value=name):
                return name
            case str() as said:
                return str(said)
        return None

    return value


def instant(moment: datetime) -> datetime:
    """An instant in UTC, to the second."""
    there = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return there.replace(microsecond=0) if there.microsecond else there


_READ: Final[dict[tuple[RecordType, str], Callable[[Record], Any]]] = {
    (RecordType.ENCOUNTER, "start"): attrgetter("period"),
}
"""Where a field of the vocabulary is another attribute's."""


def _by_name(type_: RecordType, field: str) -> Callable[[Record], Any]:
    match field:
        case "id":
            return attrgetter("id.value")
        case "patient":
            return attrgetter("subject")
    return attrgetter(field) if field in RECORD_CLASSES[type_].__struct_fields__ else lambda _: None
