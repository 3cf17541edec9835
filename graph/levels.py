"""Executes a plan: each edge once for all records of its place, and the answer written column by column.

No resolver is called for a field and no future is made for an object. A step waits for the objects that it leads on
from and for nothing else, so a slow source holds up its own branch alone; like steps of one depth are one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from inspect import isawaitable
from typing import Any, Final

from graph.context import Context, Found, along
from graph.plan import Id, Name, Objects, Pages, Root, Rows, Seat, Several, Shape, Step, Value, seats
from graph.plans import Arguments, Bound
from graph.projection import Key, examine
from portico.access.guard import Masked, Released, Withheld
from portico.records.errors import CallerError
from resolvers.edges import Edge
from resolvers.pages import Connection

_MISPLACED: Final = "a value that is no release of its type"
_MISSING: Final = object()


@dataclass(slots=True, eq=False)
class Batch:
    """The records of one type at one place of the answer, and the objects that are written for them."""

    above: Batch | None
    lead: tuple[Key, ...]
    """The response keys from the object above to the row, or to the object itself where there are no rows."""
    tail: tuple[Key, ...]
    records: list[Released] = field(default_factory=list)
    written: list[dict[str, Any]] = field(default_factory=list)
    origins: list[int] = field(default_factory=list)
    """For each record, the number of the object above."""
    rows: list[int] = field(default_factory=list)
    """For each record, its row; empty where there are none."""

    def add(self, record: Released, origin: int, row: int | None) -> dict[str, Any]:
        """A place for a record's object."""
        place: dict[str, Any] = {}
        self.records.append(record)
        self.written.append(place)
        self.origins.append(origin)
        if row is not None:
            self.rows.append(row)
        return place

    def place(self, number: int, key: str) -> Place:
        """Where in the answer a field of the object is."""
        return Place((*self.path(number), key))

    def path(self, number: int) -> list[Key]:
        """Where in the answer the object is."""
        start = [] if self.above is None else self.above.path(self.origins[number])
        return [*start, *self.lead, self.rows[number], *self.tail] if self.rows else [*start, *self.lead]


@dataclass(frozen=True, slots=True)
class Info:
    """What a reader of the query root needs to know of its place."""

    context: Context
    path: Place


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


class Levels:
    """One execution of a plan."""

    def __init__(self, context: Context, bound: Bound) -> None:
        self._context = context
        self._bound = bound
        self._data: dict[str, Any] = {}
        self._batches: dict[Objects, Batch] = {}
        self._filling: dict[Objects, asyncio.Task[None]] = {}

    async def run(self) -> dict[str, Any]:
        """The answer's data; what is to be said besides is noted in the context."""
        data = self._data
        entrances: list[tuple[Root, Any]] = []
        for root in self._bound.plan.roots:
            data[root.key] = root.value if isinstance(root, Name) else None
            if isinstance(root, Root):
                entrances.append((root, self._opened(root)))
        async with asyncio.TaskGroup() as group:
            for root, found in entrances:
                self._promise(root.shape, group.create_task(self._enter(root, found)))
            for (_, edge, arguments), places in self._batched().items():
                task = group.create_task(self._take(edge, arguments, places))
                for _, step in places:
                    self._promise(step.shape, task)
        return data

    def _promise(self, shape: Shape, task: asyncio.Task[None]) -> None:
        """Note which task fills a shape's objects."""
        for seat in seats(shape):
            self._filling.update((objects, task) for objects in seat.objects.values())

    def _batched(self) -> dict[tuple[int, Edge, Arguments], list[tuple[Objects, Step]]]:
        """The steps that are taken together: the same edge with the same arguments at the same depth."""
        batched: dict[tuple[int, Edge, Arguments], list[tuple[Objects, Step]]] = {}
        for objects in self._bound.plan.objects:
            for step in objects.steps:
                together = (objects.depth, step.edge, self._bound.steps[step])
                batched.setdefault(together, []).append((objects, step))
        return batched

    def _opened(self, root: Root) -> Any:
        """What a field of the query root gives, or the work that finds it: all are asked before any is waited for."""
        resolve: Callable[..., Any] = root.definition.resolve or _nothing
        try:
            return resolve(None, Info(self._context, Place((root.key,))), **self._bound.roots[root])
        except Exception as error:  # noqa: BLE001  a bug costs its own field
            return error

    async def _enter(self, root: Root, found: Any) -> None:
        """Fill a field of the query root."""
        place = Place((root.key,))
        try:
            if isawaitable(found):
                found = await found
        except Exception as error:  # noqa: BLE001  a bug costs its own field
            found = error
        if isinstance(found, CallerError):
            self._context.fail(place, found)
            return
        if isinstance(found, Exception):
            self._context.faults.append((place.as_list(), found))
            return
        self._data[root.key] = self._placed(root.shape, found, None, 0, root.key)
        self._write(root.shape)

    async def _take(self, edge: Edge, arguments: Arguments, places: Sequence[tuple[Objects, Step]]) -> None:
        """Take an edge from every record of these places at once."""
        await asyncio.wait({self._filling[objects] for objects, _ in places})
        takers = [
            (step, batch, number)
            for objects, step in places
            if (batch := self._batches.get(objects)) is not None
            for number in self._permitted(step, batch)
        ]
        if not takers:
            return
        parents = list(dict.fromkeys(batch.records[number] for _, batch, number in takers))
        found = dict(zip(parents, await self._followed(edge, arguments, parents), strict=True))
        for step, batch, number in takers:
            batch.written[number][step.key] = self._reached(step, found[batch.records[number]], batch, number)
        for _, step in places:
            self._write(step.shape)

    def _permitted(self, step: Step, batch: Batch) -> list[int]:
        """The records from which the caller may follow the edge; that there are others is said once."""
        permitted: list[int] = []
        said = False
        for number, record in enumerate(batch.records):
            denied = record.denied.get(step.edge.name)
            if denied is None:
                permitted.append(number)
            elif not said:
                said = True
                self._context.withhold(batch.place(number, step.key), denied)
        return permitted

    async def _followed(
        self, edge: Edge, arguments: Arguments, parents: Sequence[Released]
    ) -> Sequence[Found | Exception]:
        """What each parent's edge leads to; one failure for all where the batch failed."""
        if isinstance(arguments, CallerError):
            return [arguments] * len(parents)
        try:
            return await along(self._context.session, edge, parents, arguments)
        except Exception as error:  # noqa: BLE001  a bug costs its own fields
            return [error] * len(parents)

    def _reached(self, step: Step, found: Found | Exception, batch: Batch, number: int) -> Any:
        """What a step writes for one record."""
        if isinstance(found, CallerError):
            self._context.fail(batch.place(number, step.key), found)
            return None
        if isinstance(found, Exception):
            self._context.faults.append((batch.place(number, step.key).as_list(), found))
            return None
        self._context.released.add(step.coordinate)
        return self._placed(step.shape, found, batch, number, step.key)

    # -- writing -------------------------------------------------------------------------------------------------

    def _placed(self, shape: Shape, found: Any, above: Batch | None, origin: int, key: str) -> Any:
        """What was found, with a place for each of its records."""
        if found is None:
            return None
        try:
            match shape:
                case Seat():
                    return self._seated(shape, found, above, origin, (key,), None, ())
                case Several(seat=seat):
                    return [
                        None if one is None else self._seated(seat, one, above, origin, (key,), row, ())
                        for row, one in enumerate(found)
                    ]
                case Pages():
                    return self._page(shape, found, above, origin, key)
        except Exception as error:  # noqa: BLE001  a bug costs its own field
            start = [] if above is None else above.path(origin)
            self._context.faults.append(([*start, key], error))
            return None

    def _page(self, pages: Pages, found: Connection, above: Batch | None, origin: int, key: str) -> dict[str, Any]:
        written: dict[str, Any] = {}
        for name, part in pages.fields:
            if isinstance(part, Rows):
                lead = (key, name)
                written[name] = [
                    {
                        below: self._seated(field, edge.node, above, origin, lead, row, (below,))
                        if isinstance(field, Seat)
                        else field(edge)
                        for below, field in part.fields
                    }
                    for row, edge in enumerate(found.edges)
                ]
            else:
                written[name] = part(found)
        return written

    def _seated(
        self,
        seat: Seat,
        record: Released,
        above: Batch | None,
        origin: int,
        lead: tuple[Key, ...],
        row: int | None,
        tail: tuple[Key, ...],
    ) -> dict[str, Any]:
        """The object that a record's fields will be written to."""
        objects = seat.objects.get(record.type) if record.__class__ is Released else None
        if objects is None:
            raise TypeError(_MISPLACED)
        batch = self._batches.get(objects)
        if batch is None:
            batch = self._batches[objects] = Batch(above, lead, tail)
        return batch.add(record, origin, row)

    def _write(self, shape: Shape) -> None:
        """Write the fields of all records that were put into a shape's seats."""
        for seat in seats(shape):
            for objects in seat.objects.values():
                batch = self._batches.get(objects)
                if batch is not None:
                    self._write_fields(objects, batch)

    def _write_fields(self, objects: Objects, batch: Batch) -> None:
        for one in objects.fields:
            match one:
                case Value():
                    self._write_values(one, batch)
                case Id():
                    self._write_ids(one, batch)
                case Name(key=key, value=name):
                    for written in batch.written:
                        written[key] = name
                case Step(key=key):
                    for written in batch.written:
                        written[key] = None

    def _write_ids(self, one: Id, batch: Batch) -> None:
        global_id = self._context.session.global_id
        for number, (record, written) in enumerate(zip(batch.records, batch.written, strict=True)):
            try:
                written[one.key] = global_id(record)
            except Exception as error:  # noqa: BLE001  a release that the session didn't make has no id, and is none
                self._context.faults.append((batch.place(number, one.key).as_list(), error))
                self._annul(batch, number)
        self._context.released.add(one.coordinate)

    def _annul(self, batch: Batch, number: int) -> None:
        """Null where the object stands; where there can be none, in the connection that it is a node of."""
        path = batch.path(number)
        while len(path) > 1 and batch.tail and path[-1] != batch.lead[0]:
            path.pop()
        container: Any = self._data
        for key in path[:-1]:
            container = None if container is None else container[key]
        if container is not None:
            container[path[-1]] = None

    def _write_values(self, one: Value, batch: Batch) -> None:
        """One column. What policy withholds or masks is noted at the first row where it does."""
        key, attribute, write = one.key, one.attribute, one.write
        withheld = masked = plain = False
        for number, (record, written) in enumerate(zip(batch.records, batch.written, strict=True)):
            value = record.values.get(attribute, _MISSING)
            kind = value.__class__
            if kind is Withheld:
                written[key] = None
                if not withheld:
                    withheld = True
                    self._context.withhold(batch.place(number, key), value)
                continue
            if kind is Masked:
                if not masked:
                    masked = True
                    self._context.mask(batch.place(number, key), value)
                value = value.value
            elif value is _MISSING:
                written[key] = None
                self._context.faults.append((batch.place(number, key).as_list(), KeyError(attribute)))
                continue
            else:
                plain = True
            try:
                written[key] = write(value)
            except Exception:  # noqa: BLE001  whatever it is, it is this value's
                written[key] = self._examined(one, value, batch, number)
        if plain:
            self._context.released.add(one.coordinate)

    def _examined(self, one: Value, value: Any, batch: Batch, number: int) -> Any:
        """A value that is not of its type, as far as it can be written."""
        written, faults = examine(one.type_, one.parts, value)
        place = batch.place(number, one.key)
        self._context.faults.extend(([*place.keys, *fault.path], fault.error) for fault in faults)
        return written


def _nothing(*_: object, **__: object) -> None:
    """What a field gives to which no reader was bound."""
