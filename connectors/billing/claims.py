"""Rows of the billing system, made into canonical records: only what is wanted, and nothing guessed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import zip_longest
from typing import Any, Final, cast
from zoneinfo import ZoneInfo

import orjson

from connectors.billing.database import Row
from connectors.billing.mapping import BillingMapping
from connectors.making import Make, Origin, maker
from portico.records import sensitivity
from portico.records.people import Person
from portico.records.references import By, RecordType, Reference, SourceName
from portico.records.types import Claim, Record
from portico.records.values import ClaimLine, Coding, Identifier, Money, Period

_DAY_ENDS: Final = time(23, 59, 59)
_CENT: Final = Decimal("0.01")
_REMEMBERED: Final = 4_096
_REMEMBERED_CODES_LENGTH: Final = 1_024
"""Claims with more codes are judged anew each time: what is remembered must stay small whatever is answered."""


class Translation:
    """Turns rows into records, by one mapping and the calendar of one clinic group.

    A value that can't be read is absent. A row that doesn't say what or whose it is, or whose lines can't be read,
    raises KeyError, TypeError or ValueError: the answer is not what was asked for.
    """

    def __init__(self, source: SourceName, mapping: BillingMapping, zone: ZoneInfo) -> None:
        self._source = source
        self._mapping = mapping
        self._zone = zone
        self._remembered_labels_of = lru_cache(_REMEMBERED)(self._labels_of)
        self._attributes: Mapping[str, Callable[[Row], Any]] = {
            "status": lambda row: mapping.statuses.get(row["stat_cd"] or ""),
            "claim_type": lambda row: mapping.claim_types.get(row["clm_typ"] or ""),
            "created": lambda row: row["ent_dt"],
            "service_period": self._service_period,
            "diagnoses": self._diagnoses,
            "lines": self._lines,
            "billed": lambda row: self._dollars(row["billed"]),
            "allowed": lambda row: self._cents(row["allowed"]),
            "paid": lambda row: self._cents(row["paid"]),
            "patient_responsibility": lambda row: self._cents(row["patient"]),
            "visit": lambda row: row["visit_no"] or None,
            "provider": lambda row: _reference(RecordType.PRACTITIONER, By.NPI, row["rndr_npi"]),
            "coverage": lambda row: _reference(RecordType.COVERAGE, By.MEMBER, row["mbr_id"]),
        }

    def claims(self, rows: Sequence[Row], attributes: frozenset[str], retrieved_at: datetime) -> list[Claim]:
        """The claims of some rows, each with these attributes filled."""
        reads = {name: read for name, read in self._attributes.items() if name in attributes}
        origin = Origin(source=self._source, retrieved_at=retrieved_at, mapping_version=self._mapping.version)
        make = maker(RecordType.CLAIM, reads, origin)
        return [cast("Claim", self._claim(row, make)) for row in rows]

    def _claim(self, row: Row, make: Make) -> Record:
        number = _present(row["clm_no"])
        return make(row, number, number, _present(row["sbscr_no"]), self._labels(row))

    def person(self, row: Row) -> Person:
        """A subscriber, for linking."""
        kinds = self._mapping.identifiers
        return Person(
            source=self._source,
            source_id=_present(row["sbscr_no"]),
            identifiers=tuple(
                Identifier(system=kind.system, value=value, type=kind.type)
                for column, kind in kinds.items()
                if (value := row[column])
            ),
            family=row["lst_nm"] or None,
            given=row["fst_nm"] or None,
            birth_date=_iso_date(row["dob"]),
        )

    def _labels(self, row: Row) -> frozenset[str]:
        """What billing set and what the codes say; the same codes are billed again and again."""
        said = row["sens_cd"] or "", row["dx_list"] or "", row["services"] or "[]"
        is_short = sum(map(len, said)) <= _REMEMBERED_CODES_LENGTH
        return self._remembered_labels_of(*said) if is_short else self._labels_of(*said)

    def _labels_of(self, set_by_billing: str, diagnoses: str, services: str) -> frozenset[str]:
        kinds, systems = self._mapping.diagnosis_systems, self._mapping.service_systems
        entries = [entry.partition(":") for entry in diagnoses.split(";") if entry]
        codes: list[sensitivity.Code] = [(kinds.get(qualifier), code) for qualifier, _, code in entries]
        codes += [(systems.get(kind), code) for kind, code in orjson.loads(services)]
        return sensitivity.labels_of(codes, set_by_source=self._mapping.labels_of(set_by_billing))

    def _service_period(self, row: Row) -> Period | None:
        """From the first instant of the first day to the last second of the last: a FHIR period includes its end."""
        start, end = _date(row["svc_fr_dt"]), _date(row["svc_to_dt"])
        if start is None and end is None:
            return None
        return Period(start=self._instant(start, time()), end=self._instant(end, _DAY_ENDS))

    def _instant(self, day: date | None, hour: time) -> datetime | None:
        return None if day is None else datetime.combine(day, hour, self._zone)

    def _diagnoses(self, row: Row) -> tuple[Coding, ...]:
        entries = list(filter(None, (row["dx_list"] or "").split(";")))
        displays = (row["dx_txt"] or "").split("\n")[: len(entries)]
        return tuple(self._diagnosis(entry, display) for entry, display in zip_longest(entries, displays))

    def _diagnosis(self, entry: str, display: str | None) -> Coding:
        qualifier, _, code = entry.partition(":")
        return Coding(system=self._mapping.diagnosis_systems.get(qualifier), code=code or None, display=display or None)

    def _lines(self, row: Row) -> tuple[ClaimLine, ...]:
        return tuple(self._line(line) for line in orjson.loads(row["lines"] or "[]"))

    def _line(self, line: Mapping[str, Any]) -> ClaimLine:
        return ClaimLine(
            number=int(line["number"]),
            service=Coding(
                system=self._mapping.service_systems.get(line["kind"]),
                code=line["code"] or None,
                display=line["display"] or None,
            ),
            service_date=_iso_date(line["service_date"]),
            units=line["units"],
            billed=self._dollars(line["billed"]),
            allowed=self._cents(line["allowed_cents"]),
            paid=self._cents(line["paid_cents"]),
        )

    def _dollars(self, amount: str | None) -> Money | None:
        return None if amount is None else Money(amount=Decimal(amount), currency=self._mapping.currency)

    def _cents(self, amount: str | None) -> Money | None:
        return None if amount is None else Money(amount=Decimal(amount) * _CENT, currency=self._mapping.currency)


def _present(value: str | None) -> str:
    if not value:
        raise ValueError("a row doesn't say what or whose it is")
    return value


def _reference(type_: RecordType, by: By, value: str | None) -> Reference | None:
    return Reference(type_, by, value) if value else None


def _date(value: str | None) -> date | None:
    """A CCYYMMDD date; zeros, blanks and days that never were are no date."""
    if not value or len(value) != len("CCYYMMDD") or not (value.isascii() and value.isdigit()):
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def _iso_date(value: str | None) -> str | None:
    day = _date(value)
    return day.isoformat() if day else None
