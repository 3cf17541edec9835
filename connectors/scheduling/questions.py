"""Canonical look-ups and searches, put as the vendor wants to be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.scheduling.mapping import SchedulingMapping
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Search

_LISTS: Final = {"patient": "clientIds", "practitioner": "npis", "location": "siteCodes", "status": "states"}
"""Names of the search vocabulary and the vendor's filters for them."""

ORDERS: Final = {"start": "starts", "id": "id"}
"""Names of orders and the vendor's sorts for them; it breaks ties by id."""

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
class Position:
    """Where a search goes on: so many items after where a page of the vendor's begins (None: its first)."""

    skip: int
    cursor: str | None

    @classmethod
    def parse(cls, text: str | None) -> Position:
        """The position that a hit gave."""
        skip, _, cursor = (text or "0.").partition(".")
        return cls(int(skip), cursor or None)

    def __str__(self) -> str:
        return f"{self.skip}.{self.cursor or ''}"


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


def question(asked: Mapping[str, object], fields: set[str], *, size: int, cursor: str | None) -> dict[str, object]:
    """A page of what is asked, with these fields of each item."""
    page = {"size": size} | ({"cursor": cursor} if cursor else {})
    return {**asked, "fields": sorted(fields), "page": page}


def _values(type_: RecordType, condition: Condition, mapping: SchedulingMapping) -> frozenset[str]:
    """The vendor's values for a condition's: a canonical status may be several states, or none."""
    if condition.field != "status":
        return frozenset(condition.values)
    states: Mapping[str, str] = (
        mapping.appointment_states if type_ is RecordType.APPOINTMENT else mapping.opening_states
    )
    return frozenset(state for state, status in states.items() if status in condition.values)
