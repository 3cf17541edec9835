"""Faults to plant, each as one of the seams' implementations: what the oracle must find, or it is no oracle.

Each is a mistake that somebody has made in a system of this kind; see tests/adversarial/holes.toml.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final

from graph.execution import Parts
from portico.access.decisions import DecisionClass, Decisions, Tally
from portico.access.guard import Case, Guard, Masked, Released, Withheld
from portico.access.principal import Caller
from portico.access.rulings import Decision
from portico.access.tags import Coordinate, TagTable
from portico.records.context import CallContext
from portico.records.errors import SourceUnavailable
from portico.records.references import By, RecordType, SourceName
from portico.records.search import Page, Search
from portico.records.types import Record
from resolvers.ports import Channel
from tests.changed import replace
from tests.house import SECRET

_ORDERS: Final = frozenset({"name", "birth_date", "start", "period", "created"})
_NUMBERS: Final = frozenset({"identifiers", "mrn"})


# -- criteria by what is hidden --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class _Lax(Decision):
    """A decision that lets everyone search by some attributes whom it shows the record at all."""

    attributes: frozenset[str] = frozenset()

    def in_full(self, coordinate: Coordinate) -> bool:
        return self.visible if coordinate.attribute in self.attributes else Decision.in_full(self, coordinate)


class _LaxDecisions:
    """Decisions that forget the right that a filter or an order needs."""

    def __init__(self, decisions: Decisions, attributes: frozenset[str]) -> None:
        self._decisions = decisions
        self._attributes = attributes
        self._known: dict[int, tuple[Decision, Decision]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._decisions, name)

    async def classes(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> dict[DecisionClass, Decision]:
        decided = await self._decisions.classes(caller, classes, tally)
        return {class_: self._lax(decision) for class_, decision in decided.items()}

    def _lax(self, decision: Decision) -> Decision:
        if id(decision) not in self._known:
            copied: dict[str, Any] = {one.name: getattr(decision, one.name) for one in fields(Decision)}
            self._known[id(decision)] = decision, _Lax(**copied, attributes=self._attributes)
        return self._known[id(decision)][1]


def _lax(parts: Parts, attributes: frozenset[str]) -> Parts:
    decisions: Any = _LaxDecisions(parts.decisions, attributes)
    return replace(parts, decisions=decisions, guard=Guard(decisions, _tags(parts), mask_secret=SECRET))


def ordering_by_what_is_hidden(parts: Parts) -> Parts:
    """An order needs no right to what it reveals."""
    return _lax(parts, _ORDERS)


def filter_on_a_withheld_field(parts: Parts) -> Parts:
    """A filter by a number needs no right to it."""
    return _lax(parts, _NUMBERS)


# -- rows that may not be seen ---------------------------------------------------------------------------------------


class _Counting(Guard):
    """Lets hidden rows count, and takes them out at the very end."""

    async def admits(
        self,
        caller: Caller,  # noqa: ARG002  the guard's own signature
        classes: Collection[DecisionClass],
        tally: Tally,  # noqa: ARG002  the guard's own signature
    ) -> frozenset[DecisionClass]:
        return frozenset(classes)


class _Telling(Guard):
    """Fails where a record may not be seen."""

    async def release(
        self, caller: Caller, cases: Sequence[Case], wanted: frozenset[str], tally: Tally
    ) -> list[Released | None]:
        released = await super().release(caller, cases, wanted, tally)
        if None in released:
            raise SourceUnavailable(SourceName("ehr"))
        return released


def hidden_rows_are_counted(parts: Parts) -> Parts:
    """Hidden rows take places on pages."""
    return replace(parts, guard=_Counting(parts.decisions, _tags(parts), mask_secret=SECRET))


def hidden_rows_are_errors(parts: Parts) -> Parts:
    """A hidden record is refused, and one that never was is null."""
    return replace(parts, guard=_Telling(parts.decisions, _tags(parts), mask_secret=SECRET))


# -- values that may not be seen -------------------------------------------------------------------------------------


class _Labelling(Guard):
    """Gives the label of a record with the reason for which something of it is withheld."""

    async def release(
        self, caller: Caller, cases: Sequence[Case], wanted: frozenset[str], tally: Tally
    ) -> list[Released | None]:
        released = await super().release(caller, cases, wanted, tally)
        return [one and self._labelled(one, case) for one, case in zip(released, cases, strict=True)]

    def _labelled(self, released: Released, case: Case) -> Released:
        said = " ".join(sorted(case.facts.labels))
        values = {
            name: replace(value, reason=f"{value.reason} {said}") if isinstance(value, Withheld) else value
            for name, value in released.values.items()
        }
        return replace(released, values=values)


class _Revealing(Guard):
    """Masks one letter too few."""

    async def release(
        self, caller: Caller, cases: Sequence[Case], wanted: frozenset[str], tally: Tally
    ) -> list[Released | None]:
        released = await super().release(caller, cases, wanted, tally)
        return [one and self._bared(one, case.record) for one, case in zip(released, cases, strict=True)]

    def _bared(self, released: Released, record: Record) -> Released:
        values = {
            name: Masked(value.coordinate, getattr(record, name)[-6:]) if _is_text(value) else value
            for name, value in released.values.items()
        }
        return replace(released, values=values)


def _is_text(value: object) -> bool:
    return isinstance(value, Masked) and isinstance(value.value, str) and "*" in value.value


def reasons_that_name_a_label(parts: Parts) -> Parts:
    """The reason for a denial tells how sensitive the record is."""
    return replace(parts, guard=_Labelling(parts.decisions, _tags(parts), mask_secret=SECRET))


def mask_that_shows_too_much(parts: Parts) -> Parts:
    """A masked number shows one digit more."""
    return replace(parts, guard=_Revealing(parts.decisions, _tags(parts), mask_secret=SECRET))


# -- cursors ---------------------------------------------------------------------------------------------------------


class _Counted:
    """A source whose positions are preceded by the number of rows that came before."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)

    async def find(
        self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]
    ) -> Mapping[str, tuple[Record, ...]]:
        return await self._channel.find(call, type_, by, keys)

    async def search(self, call: CallContext, search: Search) -> Page:
        before, _, position = (search.after or "").partition("|")
        page = await self._channel.search(call, replace(search, after=position or None))
        start = int(before or 0) + 1
        hits = tuple(replace(hit, position=f"{number}|{hit.position}") for number, hit in enumerate(page.hits, start))
        return replace(page, hits=hits)


def cursors_with_ordinals(parts: Parts) -> Parts:
    """A cursor holds how many rows stand before it, hidden ones among them."""
    channels: Any = {
        tenant: {type_: _Counted(channel) for type_, channel in of.items()} for tenant, of in parts.channels.items()
    }
    return replace(parts, channels=channels)


def _tags(parts: Parts) -> TagTable:
    return parts.guard._tags
