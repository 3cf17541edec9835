"""What may be wrong while an answer is made: sources that are down or lie, a store or policies that are away, and
values that are not of their type.

A value is broken by the record that has it, so that both sides of a comparison meet the same, whoever asks in which
order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, TypeAlias
from zlib import crc32

from portico.records.errors import SourceTimeout, SourceUnavailable, StoreUnavailable
from portico.records.references import SourceName
from portico.records.search import Page
from portico.records.types import Record
from portico.records.values import Address, Coding, HumanName, Identifier, Money, Period
from tests.changed import replace
from tests.house import BILLING, EHR, SCHEDULING, RecordingConnector
from tests.worlds.twins import Twin

SOURCES: Final = (EHR, SCHEDULING, BILLING)
KEPT: Final = frozenset({"id", "provenance", "subject", "labels", "visit"})
"""What makes a record this one; a source that breaks these is refused as a whole."""

_WRONG: Final[tuple[Any, ...]] = (object(), {"a": 1}, "no such word", 7, (None,), ("x", None))
_PARTS: Final[Mapping[type, tuple[dict[str, Any], ...]]] = {
    HumanName: ({"given": None}, {"given": ("a", None)}, {"family": object()}, {"given": 5}),
    Address: ({"line": None}, {"line": (object(),)}),
    Identifier: ({"system": None}, {"value": None}, {"value": {}}, {"system": None, "value": None}),
    Coding: ({"code": []}, {"display": object()}),
    Period: ({"start": "yesterday"}, {"start": 3, "end": 4}),
    Money: ({"amount": None}, {"amount": "much"}, {"currency": None}, {"amount": None, "currency": None}),
}

Make: TypeAlias = Callable[[Twin], None]


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong on both sides."""

    name: str
    make: Make


def _breaking(salt: int) -> Callable[[Record], Record]:
    """What breaks some attributes of some records."""

    def broken(record: Record) -> Record:
        chance = Random(crc32(f"{salt} {record.id}".encode()))  # noqa: S311  reproducible, not secret
        if chance.random() < 0.5:
            return record
        names = [name for name in record.__struct_fields__ if name not in KEPT and getattr(record, name) is not None]
        chosen = chance.sample(names, min(len(names), 3))
        return replace(record, **{name: _broken(getattr(record, name), chance) for name in chosen})

    return broken


def _broken(value: Any, chance: Random) -> Any:
    """Something else than the value: nothing that it could be."""
    if isinstance(value, tuple) and value and chance.random() < 0.8:
        number = chance.randrange(len(value))
        return (*value[:number], chance.choice([None, _broken(value[number], chance)]), *value[number + 1 :])
    if type(value) in _PARTS and chance.random() < 0.8:
        return replace(value, **chance.choice(_PARTS[type(value)]))
    return chance.choice(_WRONG)


@dataclass(slots=True)
class _Twist:
    """Sources whose records come out changed."""

    change: Callable[[Record], Record]
    sources: Sequence[SourceName] = field(default=SOURCES)

    def __call__(self, twin: Twin) -> None:
        for source in _of(twin, self.sources):
            source.twist = self._records
            source.twist_page = self._page

    def _records(self, records: Sequence[Record]) -> Sequence[Record]:
        return [self.change(record) for record in records]

    def _page(self, page: Page) -> Page:
        return replace(page, hits=tuple(replace(hit, record=self.change(hit.record)) for hit in page.hits))


def _of(twin: Twin, names: Sequence[SourceName]) -> list[RecordingConnector]:
    return [of[name] for of in twin.house.sources.values() for name in names]


def _failing(error: Exception, *names: SourceName) -> Make:
    def make(twin: Twin) -> None:
        for source in _of(twin, names):
            source.failure = error

    return make


def _lying(*names: SourceName) -> Make:
    """Answers with everything twice."""

    def make(twin: Twin) -> None:
        for source in _of(twin, names):
            source.twist = lambda records: [*records, *records]
            source.twist_page = lambda page: replace(page, hits=(*page.hits, *page.hits))

    return make


def _without_store(twin: Twin) -> None:
    twin.house.crosswalk.failure = StoreUnavailable()


def _without_policies(twin: Twin) -> None:
    twin.engine.failing = True


def broken_values(salt: int) -> Trouble:
    """Values that are not of their type."""
    return Trouble("broken values", _Twist(_breaking(salt)))


def _also_broken(make: Make, salt: int) -> Make:
    def both(twin: Twin) -> None:
        _Twist(_breaking(salt))(twin)
        make(twin)

    return both


NONE: Final = Trouble("none", lambda _: None)
FAILURES: Final = (
    *(Trouble(f"{name} is down", _failing(SourceUnavailable(name), name)) for name in SOURCES),
    *(Trouble(f"{name} lies", _lying(name)) for name in SOURCES),
    Trouble("ehr is slow, broken values", _also_broken(_failing(SourceTimeout(EHR), EHR), 1)),
    Trouble("billing is down, broken values", _also_broken(_failing(SourceUnavailable(BILLING), BILLING), 2)),
    Trouble("a bug in a source", _failing(RuntimeError("a bug"), SCHEDULING)),
    Trouble("no store", _without_store),
    Trouble("no policies", _without_policies),
)


def calm(twin: Twin) -> None:
    """Nothing is wrong any more."""
    for source in _of(twin, SOURCES):
        source.failure, source.twist = None, lambda records: records
        source.twist_page = lambda page: page
    twin.house.crosswalk.failure, twin.engine.failing = None, False
