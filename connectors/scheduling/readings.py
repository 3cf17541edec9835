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

from connectors.scheduling.mapping import SchedulingMapping
from connectors.scheduling.vendor import Json
from connectors.scheduling.walltimes import instant
from portico.records import sensitivity, systems
from portico.records.people import Person, Relation, RelationKind
from portico.records.references import By, RecordId, RecordType, Reference, SourceName
from portico.records.types import Appointment, Slot
from portico.records.values import Coding, Identifier, Provenance

_UNFLAGGED: Final = frozenset[str]()


class Malformed(Exception):
    """What is wrong with an item, in words without its values."""


Reading: TypeAlias = Callable[[Json, SchedulingMapping], Any]
"""How a value is read; None for one that can't be."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """The vendor's fields behind an attribute, and how they are read."""

    fields: tuple[str, ...]
    read: Reading


def _time(name: str) -> Attribute:
    fold = f"{name}Fold"

    def read(item: Json, mapping: SchedulingMapping) -> datetime | None:
        zone = item.get("tz")
        return instant(item.get(name), item.get(fold), mapping.zones.get(zone) if isinstance(zone, str) else None)

    return Attribute((name, fold, "tz"), read)


def _service(item: Json, mapping: SchedulingMapping) -> Coding | None:
    kind = item.get("visitType")
    written, display = _text(_member(kind, "code")), _text(_member(kind, "name"))
    if written is None:
        return Coding(display=display) if display else None
    system, code = _coded(written, mapping)
    return Coding(system=system, code=code, display=display)


def _coded(written: str, mapping: SchedulingMapping) -> sensitivity.Code:
    """A visit type's code, after the system that its prefix names."""
    prefix, _, rest = written.partition(":")
    return mapping.services.get(prefix), rest or written


def _practitioner(item: Json, _: SchedulingMapping) -> Reference | None:
    npi = _text(_member(item.get("provider"), "npi"))
    return Reference(RecordType.PRACTITIONER, By.NPI, npi) if npi else None


def _location(item: Json, _: SchedulingMapping) -> Reference | None:
    code = _text(_member(item.get("site"), "code"))
    return Reference(RecordType.LOCATION, By.SITE, code) if code else None


_START, _END = _time("starts"), _time("ends")
_SERVICE = Attribute(("visitType",), _service)
_PRACTITIONER = Attribute(("provider",), _practitioner)
_LOCATION = Attribute(("site",), _location)

APPOINTMENT: Final[Mapping[str, Attribute]] = {
    "start": _START,
    "end": _END,
    "status": Attribute(("state",), lambda item, mapping: mapping.appointment_states.get(str(item.get("state")))),
    "service_type": _SERVICE,
    "reason": Attribute(("note",), lambda item, _: _text(item.get("note"))),
    "visit": Attribute(("visitNo",), lambda item, _: _text(item.get("visitNo"))),
    "practitioner": _PRACTITIONER,
    "location": _LOCATION,
}
SLOT: Final[Mapping[str, Attribute]] = {
    "start": _START,
    "end": _END,
    "status": Attribute(("state",), lambda item, mapping: mapping.opening_states.get(str(item.get("state")))),
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

    def appointments(self, items: Iterable[Json], attributes: Collection[str]) -> Iterator[Appointment]:
        """Appointments with these attributes, in the order of their items."""
        mapping, readings = self.mapping, _readings(APPOINTMENT, attributes)
        labels_of = cache(self._labels_of)  # an answer's visit types are few
        start, end, status, service_type, reason, visit, practitioner, location = readings
        for item in items:
            number = _named(item, "apptId")
            yield Appointment(
                id=RecordId(RecordType.APPOINTMENT, self.source, number),
                provenance=self._provenance(number),
                subject=_named(item, "clientId"),
                labels=labels_of(_text(_member(item.get("visitType"), "code")), self._flagged(item.get("flags"))),
                start=start and start(item, mapping),
                end=end and end(item, mapping),
                status=status and status(item, mapping),
                service_type=service_type and service_type(item, mapping),
                reason=reason and reason(item, mapping),
                visit=visit and visit(item, mapping),
                practitioner=practitioner and practitioner(item, mapping),
                location=location and location(item, mapping),
            )

    def slots(self, items: Iterable[Json], attributes: Collection[str]) -> Iterator[Slot]:
        """Slots with these attributes, in the order of their items."""
        mapping, readings = self.mapping, _readings(SLOT, attributes)
        start, end, status, service_type, practitioner, location = readings
        for item in items:
            number = _named(item, "openingId")
            yield Slot(
                id=RecordId(RecordType.SLOT, self.source, number),
                provenance=self._provenance(number),
                start=start and start(item, mapping),
                end=end and end(item, mapping),
                status=status and status(item, mapping),
                service_type=service_type and service_type(item, mapping),
                practitioner=practitioner and practitioner(item, mapping),
                location=location and location(item, mapping),
            )

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
        start, end = _START.read(item, self.mapping), _END.read(item, self.mapping)
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

    def _provenance(self, name: str) -> Provenance:
        return Provenance(
            source=self.source,
            source_id=name,
            retrieved_at=self.retrieved_at,
            mapping_version=self.mapping.version,
        )


def reader(source: SourceName, mapping: SchedulingMapping) -> Reader:
    """A reader of what arrives now."""
    return Reader(source, mapping, datetime.now(UTC))


def _readings(table: Mapping[str, Attribute], attributes: Collection[str]) -> list[Reading | None]:
    """How each attribute of a table is read; None for one that is not wanted."""
    return [attribute.read if name in attributes else None for name, attribute in table.items()]


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
