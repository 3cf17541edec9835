"""Canonical look-ups and searches, put as the vendor wants to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from connectors.scheduling.mapping import SchedulingMapping
from portico.records.errors import UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Search

_LISTS: Final = {"patient": "clientIds", "practitioner": "npis", "location": "siteCodes", "status": "states"}
"""Names of the search vocabulary and the vendor's filters for them."""

ORDERS: Final = {"start": "starts", "id": "id"}
"""Names of orders and the vendor's sorts for them; it breaks ties by id."""

PLACES: Final[Mapping[str, tuple[str, ...]]] = {"start": ("starts", "startsFold", "tz"), "id": ()}
"""The fields that, besides the id, say where an item stands in an order."""

LOOKUPS: Final[Mapping[RecordType, Mapping[By, tuple[str, str]]]] = {
    RecordType.APPOINTMENT: {
        By.ID: ("ids", "apptId"),
        By.PATIENT: ("clientIds", "clientId"),
        By.VISIT: ("visitNumbers", "visitNo"),
    },
    RecordType.SLOT: {By.ID: ("ids", "openingId")},
}
"""For each key, the vendor's name of the list of them, and the field in which an item shows its own."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item stands in a sort, in the item's own words: its id, and its time where the sort is by time.

    Written as JSON: `["A-1", "2026-03-08T01:30:00", 0, "America/New_York"]`, or `["A-1"]`.
    """

    words: tuple[str | int | None, ...]

    @classmethod
    def parse(cls, text: str, order: str) -> Place:
        """The place that `str` wrote. Raises `UnsupportedPredicate` for anything else."""
        try:
            words = tuple(orjson.loads(text))
        except (TypeError, ValueError):
            words = ()
        if len(words) != len(PLACES[order]) + 1:
            raise UnsupportedPredicate("a position that this connector never gave")
        return cls(words)

    @classmethod
    def of(cls, item: Mapping[str, Any], name: str, order: str) -> Place:
        """An item's place; `name` is the field with its id."""
        return cls(tuple(item.get(field) for field in (name, *PLACES[order])))

    def __str__(self) -> str:
        return orjson.dumps(self.words).decode()

    def asked(self, order: str) -> dict[str, str | int | None]:
        """The place as the vendor takes it."""
        return dict(zip(("id", *PLACES[order]), self.words, strict=True))


def filters(search: Search, mapping: SchedulingMapping) -> dict[str, Sequence[str]] | None:
    """The vendor's filter for all conditions at once; None where nothing can meet them."""
    lists: dict[str, frozenset[str]] = {}
    bounds: dict[str, datetime] = {}
    for condition in search.where:
        if condition.op is Op.IN:
            name = _LISTS[condition.field]
            values = _values(search.type, condition, mapping)
            lists[name] = lists.get(name, values) & values
        else:
            name, tightest = ("from", max) if condition.op is Op.FROM else ("to", min)
            instant = datetime.fromisoformat(condition.values[0])
            bounds[name] = tightest(bounds.get(name, instant), instant)
    if not all(lists.values()):
        return None
    listed: dict[str, Sequence[str]] = {name: sorted(values) for name, values in lists.items()}
    return listed | {name: instant.isoformat() for name, instant in bounds.items()}


def question(
    asked: Mapping[str, object],
    fields: set[str],
    *,
    size: int,
    cursor: str | None = None,
    after: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """A page of what is asked, with these fields of each item: from a cursor of the vendor's on, or after an item."""
    start = {"cursor": cursor} if cursor else {"after": after} if after else {}
    return {**asked, "fields": sorted(fields), "page": {"size": size, **start}}


def _values(type_: RecordType, condition: Condition, mapping: SchedulingMapping) -> frozenset[str]:
    """The vendor's values for a condition's: a canonical status may be several states, or none."""
    if condition.field != "status":
        return frozenset(condition.values)
    states: Mapping[str, str] = (
        mapping.appointment_states if type_ is RecordType.APPOINTMENT else mapping.opening_states
    )
    return frozenset(state for state, status in states.items() if status in condition.values)
