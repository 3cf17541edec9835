"""Executors that are wrong in one small way each: what the comparison of both must find, or it compares nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from graph.batches import Batch
from graph.context import Context, Found
from graph.examination import Key
from graph.execution import Executor
from graph.levels import Levels
from graph.plan import Objects, Step, Value
from graph.plans import Arguments, Bound
from portico.access.guard import Released
from resolvers.edges import Edge
from tests.worlds.twins import Executing


class OncePerRecord(Levels):
    """Takes an edge from each parent by itself: the right answer by too many calls."""

    async def _followed(
        self, edge: Edge, arguments: Arguments, parents: Sequence[Released]
    ) -> Sequence[Found | Exception]:
        return [(await super()._followed(edge, arguments, [one]))[0] for one in parents]


class WithholdsSilently(Levels):
    """Says nothing of an edge that the caller may not follow."""

    def _permitted(self, step: Step, batch: Batch) -> list[int]:
        return [number for number, record in enumerate(batch.records) if step.edge.name not in record.denied]


class _Batched(Levels):
    """Writes what it finds with other batches."""

    kind: ClassVar[type[Batch]]

    def _batch(self, objects: Objects, above: Batch | None, lead: tuple[Key, ...], tail: tuple[Key, ...]) -> Batch:
        if objects not in self._batches:
            self._batches[objects] = self.kind(objects, above, lead, tail)
        return super()._batch(objects, above, lead, tail)


class _Forgetful(Batch):
    def _finish_column(self, one: Value, context: Context) -> None:
        known = one.coordinate in context.released
        super()._finish_column(one, context)
        if len(self.records) == 1 and not known:
            context.released.discard(one.coordinate)


class RecordsTooLittle(_Batched):
    """Forgets in the audit row what was written last."""

    kind = _Forgetful


class _Brief(Batch):
    def _value(self, one: Value, value: Any, number: int, context: Context) -> Any:
        told = len(context.faults)
        written = super()._value(one, value, number, context)
        del context.faults[told + 1 :]
        return written


class StopsAtTheFirstFault(_Batched):
    """Tells only one thing that is wrong with a value."""

    kind = _Brief


class OrdersByName(Levels):
    """Answers the right fields in another order."""

    async def run(self) -> dict[str, Any]:
        return dict(sorted((await super().run()).items(), reverse=True))


def executing(levels: type[Levels]) -> Executing:
    """An executor that executes plans in this way."""

    class Deviating(Executor):
        def _levels(self, context: Context, bound: Bound) -> Levels:
            return levels(context, bound)

    return Deviating


ALL: Final = (OncePerRecord, WithholdsSilently, RecordsTooLittle, StopsAtTheFirstFault, OrdersByName)
