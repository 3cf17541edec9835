"""Executes a plan: each edge once for all records of its place, and the answer written batch by batch.

No resolver is called for a field and no future is made for an object. A step waits for the objects that it leads on
from and for nothing else, so a slow source holds up its own branch alone; like steps of one depth are one batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import isawaitable
from itertools import groupby, islice, repeat
from operator import itemgetter
from typing import Any, Final

from graph.batches import Batch, Place
from graph.context import Context, Found, along
from graph.examination import Key
from graph.plan import Name, Objects, Pages, Root, Rows, Seat, Several, Shape, Step, seats
from graph.plans import Arguments, Bound
from graph.rows import Row, put_each
from portico.access.guard import Released
from portico.records.errors import CallerError
from resolvers.edges import Edge
from resolvers.pages import Connection

_MISPLACED: Final = "a value that is no release of its type"
_UNEVEN: Final = "not a value for each row"


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
        (self._data[root.key],) = self._placed(root.shape, [found], None, [0], root.key)
        self._finish(root.shape)

    async def _take(self, edge: Edge, arguments: Arguments, places: Sequence[tuple[Objects, Step]]) -> None:
        """Take an edge from every record of these places at once."""
        await asyncio.wait({self._filling[objects] for objects, _ in places})
        takers = [
            (step, batch, numbers)
            for objects, step in places
            if (batch := self._batches.get(objects)) is not None and (numbers := self._permitted(step, batch))
        ]
        if not takers:
            return
        parents = list(dict.fromkeys(batch.records[number] for _, batch, numbers in takers for number in numbers))
        found = dict(zip(parents, await self._followed(edge, arguments, parents), strict=True))
        for step, batch, numbers in takers:
            self._reach(step, batch, numbers, [found[batch.records[number]] for number in numbers])
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

    def _reach(self, step: Step, batch: Batch, numbers: Sequence[int], found: Sequence[Found | Exception]) -> None:
        """Write what a step found for each of these records."""
        reached: list[tuple[int, Found]] = []
        for number, one in zip(numbers, found, strict=True):
            if isinstance(one, CallerError):
                self._context.fail(batch.place(number, step.key), one)
            elif isinstance(one, Exception):
                self._context.faults.append((batch.place(number, step.key).as_list(), one))
            else:
                reached.append((number, one))
        if not reached:
            return
        self._context.released.add(step.coordinate)
        origins = [number for number, _ in reached]
        placed = self._placed(step.shape, [one for _, one in reached], batch, origins, step.key)
        put_each([batch.written[number] for number in origins], step.key, placed)

    # -- writing -------------------------------------------------------------------------------------------------

    def _placed(
        self, shape: Shape, found: Sequence[Any], above: Batch | None, origins: Sequence[int], key: str
    ) -> Sequence[Any]:
        """What was found for each object above, with a place for each of its records; null where nothing was.

        It is all put at once. Where that can't be, nothing was put yet, and each is put by itself: what can't be costs
        its own field.
        """
        if None in found:
            there = [(one, origin) for one, origin in zip(found, origins, strict=True) if one is not None]
            present = iter(self._placed(shape, [one for one, _ in there], above, [origin for _, origin in there], key))
            return [None if one is None else next(present) for one in found]
        try:
            return self._put(shape, found, above, origins, key)
        except Exception as error:  # noqa: BLE001  a bug costs its own field
            if len(found) > 1:
                return [self._placed(shape, [one], above, [at], key)[0] for one, at in zip(found, origins, strict=True)]
            start = [] if above is None else above.path(origins[0])
            self._context.faults.append(([*start, key], error))
            return [None]

    def _put(
        self, shape: Shape, found: Sequence[Any], above: Batch | None, origins: Sequence[int], key: str
    ) -> Sequence[Any]:
        match shape:
            case Seat():
                alone = [[one] for one in found]
                return [one for (one,) in self._seated(shape, alone, above, origins, None, (key,), ())]
            case Several(seat=seat):
                return self._seated(seat, found, above, origins, 0, (key,), ())
            case Pages():
                return self._pages(shape, found, above, origins, key)

    def _pages(
        self, pages: Pages, found: Sequence[Connection], above: Batch | None, origins: Sequence[int], key: str
    ) -> list[Any]:
        """Connections, one for each object above."""
        columns: dict[str, Sequence[Any]] = {
            name: [part(one) for one in found] for name, part in pages.fields if not isinstance(part, Rows)
        }
        for name, part in pages.fields:
            if isinstance(part, Rows):
                columns[name] = self._rows(part, found, above, origins, (key, name))
        return _made(pages.make, [columns[name] for name, _ in pages.fields], len(found))

    def _rows(
        self,
        rows: Rows,
        found: Sequence[Connection],
        above: Batch | None,
        origins: Sequence[int],
        lead: tuple[Key, ...],
    ) -> list[list[Row]]:
        """The rows of connections, page by page."""
        columns: dict[str, Sequence[Sequence[Any]]] = {
            key: [[field(edge) for edge in one.edges] for one in found]
            for key, field in rows.fields
            if not isinstance(field, Seat)
        }
        for key, field in rows.fields:
            if isinstance(field, Seat):
                nodes = [one.nodes for one in found]
                columns[key] = self._seated(field, nodes, above, origins, 0, lead, (key,))
        ordered = [columns[key] for key, _ in rows.fields]
        return [
            _made(rows.make, [column[page] for column in ordered], len(one.nodes)) for page, one in enumerate(found)
        ]

    def _seated(
        self,
        seat: Seat,
        lists: Sequence[Sequence[Released | None]],
        above: Batch | None,
        origins: Sequence[int],
        row: int | None,
        lead: tuple[Key, ...],
        tail: tuple[Key, ...],
    ) -> list[list[Row | None]]:
        """The objects that records' fields are written to, list by list; null where there is none.

        `row` is the first of each list, or none where a record is put without rows.
        """
        written: list[list[Row | None]] = []
        if len(seat.objects) == 1 and not any(None in records for records in lists):
            ((type_name, objects),) = seat.objects.items()
            if any(one.__class__ is not Released or one.type != type_name for records in lists for one in records):
                raise TypeError(_MISPLACED)
            runs = zip(origins, repeat(row), lists)
            rows = iter(self._batch(objects, above, lead, tail).put(runs))  # type: ignore[arg-type]  # none is null
            return [list(islice(rows, len(records))) for records in lists]
        kinds = [[None if record is None else self._objects(seat, record) for record in records] for records in lists]
        for origin, records, of in zip(origins, lists, kinds, strict=True):
            here: list[Row | None] = []
            for kind, run in groupby(zip(of, records, strict=True), key=itemgetter(0)):
                found = [record for _, record in run]
                if kind is None:
                    here.extend([None] * len(found))
                else:
                    batch = self._batch(kind, above, lead, tail)
                    here += batch.put([(origin, None if row is None else row + len(here), found)])  # type: ignore[list-item]  # no record is no kind
            written.append(here)
        return written

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


def _made(make: type[Row], columns: Sequence[Sequence[Any]], number: int) -> list[Row]:
    """So many rows, of which these are the columns."""
    if any(len(column) != number for column in columns):
        raise ValueError(_UNEVEN)
    return list(map(make, *columns)) if columns else [make() for _ in range(number)]


def _nothing(*_: object, **__: object) -> None:
    """What a field gives to which no reader was bound."""
