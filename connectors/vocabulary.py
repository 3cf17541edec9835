"""What a connector refuses before it asks its source: keys it doesn't serve, conditions outside the vocabulary.

A condition that is dropped widens a search, so every connector checks before it translates.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from datetime import date, datetime
from typing import Final

from portico.records.errors import UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, ORDERS, Condition, Op, Search

_DATES: Final = frozenset({"created"})

PAGE_LIMIT: Final = 110
"""The most hits that one page of a search may hold."""


def refuse_unknown_key(keys: Mapping[RecordType, AbstractSet[By]], type_: RecordType, by: By) -> None:
    """Raise `UnsupportedPredicate` unless `keys` (a connector's own) says that it finds `type_` by `by`."""
    if by not in keys.get(type_, frozenset()):
        raise UnsupportedPredicate(f"{type_} can't be found by {by}")


def refuse_unknown_search(searches: AbstractSet[RecordType], search: Search) -> None:
    """Raise `UnsupportedPredicate` unless type, order, limit and every condition are in the search vocabulary."""
    if search.type not in searches:
        raise UnsupportedPredicate(f"{search.type} can't be searched")
    if search.order not in ORDERS[search.type]:
        raise UnsupportedPredicate(f"{search.type} has no such order")
    if not 1 <= search.limit <= PAGE_LIMIT:
        raise UnsupportedPredicate(f"a page holds 1 to {PAGE_LIMIT} hits")
    for condition in search.where:
        _refuse_unknown_condition(search.type, condition)


def _refuse_unknown_condition(type_: RecordType, condition: Condition) -> None:
    if condition.op not in FIELDS[type_].get(condition.field, frozenset()):
        raise UnsupportedPredicate(f"{type_} has no such predicate")
    count = len(condition.values)
    if count == 0 or (condition.op is not Op.IN and count > 1):
        raise UnsupportedPredicate(f"a condition by {condition.op} can't have {count} values")
    if condition.op in {Op.FROM, Op.BEFORE} and not _is_point_in_time(condition.field, condition.values[0]):
        raise UnsupportedPredicate(f"{condition.field} is compared with something else")


def _is_point_in_time(field: str, value: str) -> bool:
    """Whether the value is an aware instant, or for a field that holds dates, a date."""
    try:
        if field in _DATES:
            return date.fromisoformat(value).isoformat() == value
        return datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
