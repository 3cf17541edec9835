"""The records of one type at one place of the answer, and the objects that are written for them.

A row is written at once, by a function compiled for what is released of it. What is withheld or masked is written
column by column, and noted at the first row where it is; so is a row with a value that is not of its type.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from graph.context import Context
from graph.examination import Key, examine
from graph.plan import Id, Objects, Value
from graph.projection import RowProjection
from graph.rows import Row, below, put
from portico.access.guard import Masked, Released, Withheld

_MISSING: Final = object()
_PARTLY: Final = attrgetter("partly")


@dataclass(frozen=True, slots=True)
class Place:
    """A path of the answer, as graphql-core's `Path` says it."""

    keys: tuple[Key, ...]

    def as_list(self) -> list[Key]:
        """The path's keys."""
        return list(self.keys)

    def add_key(self, key: Key, _: object) -> Place:
        """The place below."""
        return Place((*self.keys, key))


@dataclass(slots=True, eq=False)
class Batch:
    """One place's records. They are put there in runs: under one object above, in rows that follow each other."""

    objects: Objects
    above: Batch | None
    lead: tuple[Key, ...]
    """The response keys from the object above to the row, or to the object itself where there are no rows."""
    tail: tuple[Key, ...]
    records: list[Released] = field(default_factory=list)
    written: list[Row] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    """The number of each run's first record."""
    _runs: list[tuple[int, int | None]] = field(default_factory=list)
    """For each run the number of the object above, and its first row; no row where there are none."""
    _writers: dict[frozenset[str], RowProjection] = field(default_factory=dict)
    _odd: list[int] = field(default_factory=list)
    """Records with a value that is not of its type."""

    def put(self, runs: Iterable[tuple[int, int | None, Sequence[Released]]]) -> list[Row]:
        """The objects of records that follow each other in runs: each below one object, from one row on.

        A run is the number of the object above it, its first row or none, and its records.
        """
        first = len(self.records)
        for origin, row, records in runs:
            self._starts.append(len(self.records))
            self._runs.append((origin, row))
            self.records += records
        written = self._rows(self.records[first:], first)
        self.written += written
        return written

    def _rows(self, records: Sequence[Released], first: int) -> list[Row]:
        """Records' objects, each written once; `first` is the number of the first."""
        written: list[Row] = []
        for partly, alike in groupby(records, _PARTLY):
            write = self._writers.get(partly) or self._writer(partly)
            while not self._goes_on(write, alike, written):
                self._odd.append(first + len(written))
                written.append(self._blank())
        return written

    def _goes_on(self, write: RowProjection, records: Iterable[Released], written: list[Row]) -> bool:
        """Write rows to their end, or to one that can't be written."""
        try:
            for record in records:
                written.append(write(record.values))  # noqa: PERF401  what is written up to a failure counts
        except Exception:  # noqa: BLE001  whatever it is, it is one of this row's values
            return False
        return True

    def _writer(self, partly: frozenset[str]) -> RowProjection:
        write = self._writers[partly] = self.objects.columns.writer(partly)
        return write

    def _blank(self) -> Row:
        """An object of which no value is written yet."""
        attributes = frozenset(one.attribute for one in self.objects.fields if isinstance(one, Value))
        return self.objects.columns.writer(attributes)({})

    def place(self, number: int, key: str) -> Place:
        """Where in the answer a field of the object is."""
        return Place((*self.path(number), key))

    def path(self, number: int) -> list[Key]:
        """Where in the answer the object is."""
        run = bisect_right(self._starts, number) - 1
        origin, row = self._runs[run]
        start = [] if self.above is None else self.above.path(origin)
        if row is None:
            return [*start, *self.lead]
        return [*start, *self.lead, row + number - self._starts[run], *self.tail]

    # -- what is not written at once -----------------------------------------------------------------------------

    def finish(self, context: Context, data: dict[str, Any]) -> None:
        """Write what is still missing of the rows, and note what is released of them and what is not."""
        for one in self.objects.fields if self.records else ():
            if isinstance(one, Value):
                self._finish_column(one, context)
            elif isinstance(one, Id):
                self._write_ids(one, context, data)

    def _finish_column(self, one: Value, context: Context) -> None:
        attribute, odd = one.attribute, set(self._odd)
        partly = any(attribute in writer for writer in self._writers)
        withheld = masked = False
        for number in range(len(self.records)) if partly else self._odd:
            record = self.records[number]
            if attribute not in record.partly and number not in odd:
                continue
            value = record.values.get(attribute, _MISSING)
            if value is _MISSING:
                context.faults.append((self.place(number, one.key).as_list(), KeyError(attribute)))
                continue
            if isinstance(value, Withheld):
                if not withheld:
                    withheld = True
                    context.withhold(self.place(number, one.key), value)
                continue
            if isinstance(value, Masked):
                if not masked:
                    masked = True
                    context.mask(self.place(number, one.key), value)
                value = value.value
            else:
                context.released.add(one.coordinate)
            put(self.written[number], one.key, self._value(one, value, number, context))
        if self._is_plain(attribute, odd):
            context.released.add(one.coordinate)

    def _is_plain(self, attribute: str, odd: Collection[int]) -> bool:
        """Whether some row was written at once with this value."""
        if not odd:
            return not all(attribute in writer for writer in self._writers)
        return any(attribute not in one.partly and number not in odd for number, one in enumerate(self.records))

    def _value(self, one: Value, value: Any, number: int, context: Context) -> Any:
        """What is written of a value; of one that is not of its type, as far as it can be."""
        try:
            return one.column.write(value)
        except Exception:  # noqa: BLE001  whatever it is, it is this value's
            written, faults = examine(one.column.type_, one.column.parts, value)
            place = self.place(number, one.key)
            context.faults.extend(([*place.keys, *fault.path], fault.error) for fault in faults)
            return written

    def _write_ids(self, one: Id, context: Context, data: dict[str, Any]) -> None:
        global_id = context.session.global_id
        for number, (record, written) in enumerate(zip(self.records, self.written, strict=True)):
            try:
                put(written, one.key, global_id(record))
            except Exception as error:  # noqa: BLE001  a release that the session didn't make has no id, and is none
                context.faults.append((self.place(number, one.key).as_list(), error))
                self._annul(number, data)
        context.released.add(one.coordinate)

    def _annul(self, number: int, data: dict[str, Any]) -> None:
        """Null where the object stands; where there can be none, in the connection that it is a node of."""
        path = self.path(number)
        if self.tail:
            path = path[: -len(self.tail) - len(self.lead)]
        container: Any = data
        for key in path[:-1]:
            container = None if container is None else below(container, key)
        if container is not None:
            put(container, path[-1], None)
