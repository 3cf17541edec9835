"""Executors that are wrong in one small way each: what the comparison of both must find, or it compares nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from graph.context import Context, Found
from graph.execution import Executor
from graph.levels import Batch, Levels
from graph.plan import Step, Value
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


class RecordsTooLittle(Levels):
    """Forgets in the audit row what was written last."""

    def _write_values(self, one: Value, batch: Batch) -> None:
        known = one.coordinate in self._context.released
        super()._write_values(one, batch)
        if len(batch.records) == 1 and not known:
            self._context.released.discard(one.coordinate)


class StopsAtTheFirstFault(Levels):
    """Tells only one thing that is wrong with a value."""

    def _examined(self, one: Value, value: Any, batch: Batch, number: int) -> Any:
        told = len(self._context.faults)
        written = super()._examined(one, value, batch, number)
        del self._context.faults[told + 1 :]
        return written


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
