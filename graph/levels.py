"""Executes a plan: each edge once for all records of its place, and the answer written batch by batch.

No resolver is called for a field and no future is made for an object. A step waits for the objects that it leads on
from and for nothing else, so a slow source holds up its own branch alone; like steps of one depth are one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from graph.batches import Batch, Place
from graph.context import Context, Found, along
from graph.examination import Key
from graph.plan import Name, Objects, Pages, Root, Rows, Seat, Several, Shape, Step, seats
from graph.plans import Arguments, Bound
from portico.access.guard import Released
from portico.records.errors import CallerError
from resolvers.edges import Edge
from resolvers.pages import Connection, ReleasedEdge

_MISPLACED: Final = "a value that is no release of its type"


@dataclass(frozen=True, slots=True)
class Info:
    """What a reader of the query root needs to know of its place."""

    context: Context
    path: Place


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
        self._finish(root.shape)

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
            self._finish(step.shape)

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
                    batch = self._batch(self._objects(shape, found), above, (key,), ())
                    return batch.put([found], origin, None)[0]
                case Several(seat=seat):
                    return self._in_rows(seat, found, above, origin, (key,), ())
                case Pages():
                    return self._page(shape, found, above, origin, key)
        except Exception as error:  # noqa: BLE001  a bug costs its own field
            start = [] if above is None else above.path(origin)
            self._context.faults.append(([*start, key], error))
            return None

    def _page(self, pages: Pages, found: Connection, above: Batch | None, origin: int, key: str) -> dict[str, Any]:
        return {
            name: self._rows(part, found.edges, above, origin, (key, name)) if isinstance(part, Rows) else part(found)
            for name, part in pages.fields
        }

    def _rows(
        self, rows: Rows, edges: Sequence[ReleasedEdge], above: Batch | None, origin: int, lead: tuple[Key, ...]
    ) -> list[dict[str, Any]]:
        columns = [
            (key, self._in_rows(field, [edge.node for edge in edges], above, origin, lead, (key,)))
            if isinstance(field, Seat)
            else (key, [field(edge) for edge in edges])
            for key, field in rows.fields
        ]
        if len(columns) == 1:
            ((key, values),) = columns
            return [{key: value} for value in values]
        return [{key: values[row] for key, values in columns} for row in range(len(edges))]

    def _in_rows(
        self,
        seat: Seat,
        records: Sequence[Released | None],
        above: Batch | None,
        origin: int,
        lead: tuple[Key, ...],
        tail: tuple[Key, ...],
    ) -> list[dict[str, Any] | None]:
        """The objects that records' fields are written to, row by row; null where there is none."""
        if len(seat.objects) == 1:
            present = [record for record in records if record is not None]
            if len(present) == len(records):
                return [*self._alike(seat, present, above, origin, lead, tail)]
        places = [None if record is None else self._objects(seat, record) for record in records]
        written: list[dict[str, Any] | None] = []
        for objects, run in groupby(zip(places, records, strict=True), key=itemgetter(0)):
            found = [record for _, record in run]
            if objects is None:
                written.extend([None] * len(found))
            else:
                batch = self._batch(objects, above, lead, tail)
                written.extend(batch.put(found, origin, len(written)))  # type: ignore[arg-type]  # no record is no objects
        return written

    def _alike(
        self,
        seat: Seat,
        records: Sequence[Released],
        above: Batch | None,
        origin: int,
        lead: tuple[Key, ...],
        tail: tuple[Key, ...],
    ) -> list[dict[str, Any]]:
        """The same for records of the one type that this seat is for, all of them there."""
        ((type_name, objects),) = seat.objects.items()
        for record in records:
            if record.__class__ is not Released or record.type != type_name:
                raise TypeError(_MISPLACED)
        return self._batch(objects, above, lead, tail).put(records, origin, 0)

    def _objects(self, seat: Seat, record: Released) -> Objects:
        """What is written of a record in this seat."""
        objects = seat.objects.get(record.type) if record.__class__ is Released else None
        if objects is None:
            raise TypeError(_MISPLACED)
        return objects

    def _batch(self, objects: Objects, above: Batch | None, lead: tuple[Key, ...], tail: tuple[Key, ...]) -> Batch:
        batch = self._batches.get(objects)
        if batch is None:
            batch = self._batches[objects] = Batch(objects, above, lead, tail)
        return batch

    def _finish(self, shape: Shape) -> None:
        """Finish the objects of all records that were put into a shape's seats."""
        for seat in seats(shape):
            for objects in seat.objects.values():
                batch = self._batches.get(objects)
                if batch is not None:
                    batch.finish(self._context, self._data)


def _nothing(*_: object, **__: object) -> None:
    """What a field gives to which no reader was bound."""
