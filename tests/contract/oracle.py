"""The naive reading of the connector contract, against which every connector's answers are held."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from portico.records.references import By, RecordId, RecordType, Reference
from portico.records.search import Condition, Op
from portico.records.types import RECORD_CLASSES, Record
from portico.records.values import HumanName
from tests.contract.truth import Truth

_ATTRIBUTES: Final = {
    "patient": "subject",
    "family": "name",
    "given": "name",
    "identifier": "identifiers",
    "organization": "managing_organization",
}
"""The attributes of records behind the names of the search vocabulary, where they differ."""

_ALWAYS: Final = frozenset(Record.__struct_fields__)


def attributes_of(type_: RecordType) -> frozenset[str]:
    """The attributes of a type that can be asked for."""
    return frozenset(RECORD_CLASSES[type_].__struct_fields__) - _ALWAYS


def key_of(record: Record, by: By) -> str | None:
    """The value under which `find` finds the record."""
    match by:
        case By.ID:
            return record.id.value
        case By.PATIENT:
            return record.subject
        case By.VISIT | By.NPI | By.SITE:
            return _text(getattr(record, by.value))
        case By.MEMBER:
            return _text(getattr(record, "member_id"))  # noqa: B009 - only some types have one


def found(truth: Truth, type_: RecordType, by: By, keys: Iterable[str]) -> list[Record]:
    """What `find` is to give."""
    wanted = set(keys)
    return [record for record in truth.records if record.type is type_ and key_of(record, by) in wanted]


def known_keys(truth: Truth, type_: RecordType, by: By) -> list[str]:
    """Every key of a kind that the source knows, in order."""
    keys = {key_of(record, by) for record in truth.records if record.type is type_}
    return sorted(key for key in keys if key is not None)


def comparable(record: Record, wanted: Iterable[str], *, with_id: bool = True) -> dict[str, object]:
    """The record as asked for: what isn't wanted is None, and what differs between readings is left out.

    A record that can't be looked up by its id may have any id (`with_id=False`); the suite checks that it is unique.
    """
    asked = set(wanted)
    values: dict[str, object] = {name: getattr(record, name) for name in attributes_of(record.type)}
    if values.get("identifiers") is not None:
        values["identifiers"] = frozenset(getattr(record, "identifiers"))  # noqa: B009 - only patients have them
    return {
        "type": record.type,
        "id": record.id if with_id else None,
        "subject": record.subject,
        "labels": record.labels,
        **{name: value if name in asked else None for name, value in values.items()},
    }


def unasked(record: Record, wanted: Iterable[str]) -> set[str]:
    """The attributes that the record has although nobody asked for them."""
    return {name for name in attributes_of(record.type) - set(wanted) if getattr(record, name) is not None}


def in_order(items: Iterable[dict[str, object]]) -> list[dict[str, object]]:
    """The same comparables in one order, for comparing answers that have none."""
    return sorted(items, key=repr)


def matches(record: Record, condition: Condition) -> bool:
    """Whether a record meets a condition of the search vocabulary."""
    values = search_values(record, condition.field)
    operand = condition.values[0].replace("+00:00", "Z")
    match condition.op:
        case Op.IN:
            return any(value in condition.values for value in values)
        case Op.PREFIX:
            return any(value.casefold().startswith(operand.casefold()) for value in values)
        case Op.FROM:
            return any(value >= operand for value in values)
        case Op.BEFORE:
            return any(value < operand for value in values)


def search_values(record: Record, field: str) -> Sequence[str]:
    """A record's values under a name of the search vocabulary; instants in UTC with a Z."""
    value: object = getattr(record, _ATTRIBUTES.get(field, field))
    match value:
        case RecordId():
            return (value.value,)
        case HumanName():
            return value.given if field == "given" else _texts(value.family)
        case Reference():
            return (value.value,)
        case datetime():
            return (value.isoformat().replace("+00:00", "Z"),)
        case tuple():
            return tuple(one.value for one in value)
        case _:
            return _texts(value)


def order_value(record: Record, order: str) -> str:
    """What a search's order compares: text without regard to case or accents."""
    text = search_values(record, order)[0]
    marked = unicodedata.normalize("NFD", text.casefold())
    return "".join(letter for letter in marked if not unicodedata.combining(letter))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    return () if value is None else (str(value),)
