"""The vendor's items, read as canonical records.

A value that can't be read is absent. What names an item or restricts it is another matter: without a readable id,
client or list of privacy flags there is no record, and the answer is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, Final, TypeAlias

from connectors.making import Make, Origin, maker
from connectors.scheduling.mapping import SchedulingMapping
from connectors.scheduling.vendor import Json
from connectors.scheduling.walltimes import instant
from portico.records import sensitivity, systems
from portico.records.people import Person, Relation, RelationKind
from portico.records.references import By, RecordType, Reference, SourceName
from portico.records.types import Record
from portico.records.values import Coding, Identifier

_UNFLAGGED: Final = frozenset[str]()


class Malformed(Exception):
    """What is wrong with an item, in words without its values."""


Read: TypeAlias = Callable[[Json], Any]
"""Reads a value off an item; None for one that can't be."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The vendor's fields behind an attribute, and what makes the reader of them."""

    fields: tuple[str, ...]
    reader: Callable[[SchedulingMapping], Read]


def _time(name: str) -> Attribute:
    fold = f"{name}Fold"

    def reader(mapping: SchedulingMapping) -> Read:
        zones = mapping.zones

        def read(item: Json) -> datetime | None:
            zone = item.get("tz")
            return instant(item.get(name), item.get(fold), zones.get(zone) if isinstance(zone, str) else None)

        return read

    return Attribute((name, fold, "tz"), reader)


def _state(words: Callable[[SchedulingMapping], Mapping[str, Any]]) -> Attribute:
    """The state that an item is in, as the mapping translates it."""

    def reader(mapping: SchedulingMapping) -> Read:
        known = words(mapping)
        return lambda item: known.get(str(item.get("state")))

    return Attribute(("state",), reader)


def _service(mapping: SchedulingMapping) -> Read:
    def read(item: Json) -> Coding | None:
        kind = item.get("visitType")
        written, display = _text(_member(kind, "code")), _text(_member(kind, "name"))
        if written is None:
            return Coding(display=display) if display else None
        system, code = _coded(written, mapping)
        return Coding(system=system, code=code, display=display)

    return read


def _coded(written: str, mapping: SchedulingMapping) -> sensitivity.Code:
    """A visit type's code, after the system that its prefix names."""
    prefix, _, rest = written.partition(":")
    return mapping.services.get(prefix), rest or written


def _practitioner(item: Json) -> Reference | None:
    npi = _text(_member(item.get("provider"), "npi"))
    return Reference(RecordType.PRACTITIONER, By.NPI, npi) if npi else None


def _location(item: Json) -> Reference | None:
    code = _text(_member(item.get("site"), "code"))
    return Reference(RecordType.LOCATION, By.SITE, code) if code else None


_START, _END = _time("starts"), _time("ends")
_SERVICE = Attribute(("visitType",), _service)
_PRACTITIONER = Attribute(("provider",), lambda _: _practitioner)
_LOCATION = Attribute(("site",), lambda _: _location)

APPOINTMENT: Final[Mapping[str, Attribute]] = {
    "start": _START,
    "end": _END,
    "status": _state(lambda mapping: mapping.appointment_states),
    "service_type": _SERVICE,
    "reason": Attribute(("note",), lambda _: lambda item: _text(item.get("note"))),
    "visit": Attribute(("visitNo",), lambda _: lambda item: _text(item.get("visitNo"))),
    "practitioner": _PRACTITIONER,
    "location": _LOCATION,
}
SLOT: Final[Mapping[str, Attribute]] = {
    "start": _START,
    "end": _END,
    "status": _state(lambda mapping: mapping.opening_states),
    "service_type": _SERVICE,
    "practitioner": _PRACTITIONER,
    "location": _LOCATION,
}


def fields_of(table: Mapping[str, Attribute], attributes: Iterable[str]) -> set[str]:
    """The vendor's fields behind attributes."""
    return {field for name in attributes if name in table for field in table[name].fields}


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads one answer's items: for a source, with a mapping, as of a moment."""

    source: SourceName
    mapping: SchedulingMapping
    retrieved_at: datetime

    def appointments(self, items: Iterable[Json], attributes: Collection[str]) -> Iterator[Record]:
        """Appointments with these attributes, in the order of their items."""
        make = self._maker(RecordType.APPOINTMENT, APPOINTMENT, attributes)
        labels_of = cache(self._labels_of)  # an answer's visit types are few
        for item in items:
            name, subject = _named(item, "apptId"), _named(item, "clientId")
            labels = labels_of(_text(_member(item.get("visitType"), "code")), self._flagged(item.get("flags")))
            yield make(item, name, name, subject, labels)

    def slots(self, items: Iterable[Json], attributes: Collection[str]) -> Iterator[Record]:
        """Slots with these attributes, in the order of their items."""
        make = self._maker(RecordType.SLOT, SLOT, attributes)
        for item in items:
            name = _named(item, "openingId")
            yield make(item, name, name, None, _UNFLAGGED)

    def person(self, item: Json) -> Person:
        """A client, with the chart number as the medical record number that it is."""
        chart = _text(item.get("chartNo"))
        return Person(
            source=self.source,
            source_id=_named(item, "clientId"),
            identifiers=(Identifier(system=systems.MRN, value=chart, type="MR"),) if chart else (),
            family=_text(item.get("lastName")),
            given=_text(item.get("firstName")),
            birth_date=_date(item.get("born")),
        )

    def relation(self, item: Json) -> Relation | None:
        """Whom an appointment makes `scheduled`, and how long; None where it vouches for nothing."""
        npi = _text(_member(item.get("provider"), "npi"))
        start, end = (each.reader(self.mapping)(item) for each in (_START, _END))
        if item.get("state") not in self.mapping.scheduled_states or npi is None:
            return None
        if not isinstance(start, datetime) or not isinstance(end, datetime):
            return None
        return Relation(
            source=self.source,
            source_id=_named(item, "clientId"),
            kind=RelationKind.SCHEDULED,
            party=npi,
            start=start - self.mapping.scheduled_before,
            end=end + self.mapping.scheduled_after,
        )

    def _labels_of(self, visit_type: str | None, flagged: frozenset[str]) -> frozenset[str]:
        """The vendor's flags and what the visit type's code says; the note is free text, which can't be judged."""
        said = () if visit_type is None else (_coded(visit_type, self.mapping),)
        return sensitivity.labels_of(said, set_by_source=flagged)

    def _flagged(self, flags: object) -> frozenset[str]:
        if flags == []:
            return _UNFLAGGED
        if not isinstance(flags, list) or not all(isinstance(flag, str) for flag in flags):
            raise Malformed("an appointment's privacy flags can't be read")
        return frozenset(self.mapping.flags.get(flag, f"scheduling|{flag}") for flag in flags)

    def _maker(self, type_: RecordType, table: Mapping[str, Attribute], attributes: Collection[str]) -> Make:
        reads = {name: each.reader(self.mapping) for name, each in table.items() if name in attributes}
        origin = Origin(source=self.source, retrieved_at=self.retrieved_at, mapping_version=self.mapping.version)
        return maker(type_, reads, origin)


def reader(source: SourceName, mapping: SchedulingMapping) -> Reader:
    """A reader of what arrives now."""
    return Reader(source, mapping, datetime.now(UTC))


def _named(item: Json, field: str) -> str:
    name = item.get(field)
    if isinstance(name, str) and name:
        return name
    raise Malformed(f"an item has no {field}")


def _member(value: object, name: str) -> object:
    return value.get(name) if isinstance(value, dict) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _date(value: object) -> str | None:
    text = _text(value)
    try:
        return text if text and date.fromisoformat(text).isoformat() == text else None
    except ValueError:
        return None
