"""Random operations to both executors: whatever differs is an error of one of them."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, Final

import orjson
from hypothesis import strategies as st

from graph.execution import Executor, Parts
from graph.schema import GraphSchema
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse, memory_house
from tests.spec.served_world import SchemaText, schema_text
from tests.worlds import troubles
from tests.worlds.bindings import Pools, Values
from tests.worlds.clinic import World
from tests.worlds.documents import PAGED, SHRINKS, Draw, Operation, operations, page_through
from tests.worlds.elaboration import elaborated
from tests.worlds.features import features
from tests.worlds.scenery import BASE_SIZE, scenery
from tests.worlds.searching import search
from tests.worlds.stage import quiet
from tests.worlds.troubles import FAILURES, NONE, Trouble, broken_values
from tests.worlds.twins import PATIENCE_SECONDS, Executing, Heard, Sayings, Twin, twin

DOCUMENTS: Final = 4
BINDINGS: Final = 8
"""Questions that one document asks."""
PAGES: Final = 3
LOOKED_AT: Final = 0.25
"""The share of documents that are searched for their features."""


class Disagreement(AssertionError):
    """The two executors did not do the same."""

    def __init__(
        self, question: tuple[str, str, str, Mapping[str, Any]], trouble: str, heard: tuple[Heard, Heard]
    ) -> None:
        persona, purpose, query, variables = question
        super().__init__(
            f"{persona} for {purpose}, {trouble}\n{query}\nwith {json.dumps(variables)}\n{chr(10).join(_told(*heard))}"
        )


def _told(planned: Heard, reference: Heard) -> Iterator[str]:
    """In what two executions differ, as briefly as can be."""
    if planned.body != reference.body:
        yield from _bodies(orjson.loads(planned.body), orjson.loads(reference.body))
    if planned.faults != reference.faults:
        yield f"{planned.faults} faults of plans, {reference.faults} of graphql-core"
    for name in ("asked", "questions", "decided"):
        one, other = getattr(planned, name), getattr(reference, name)
        yield from (
            f"{name}, plans alone: {one - other}, graphql-core alone: {other - one}" for _ in "." if one != other
        )
    for one, other in zip(planned.recorded, reference.recorded, strict=False):
        for of in fields(one):
            mine, its = getattr(one, of.name), getattr(other, of.name)
            if isinstance(mine, frozenset) and mine != its:
                yield f"recorded {of.name}, plans alone: {set(mine - its)}, graphql-core alone: {set(its - mine)}"
            elif mine != its:
                yield f"recorded {of.name}, plans: {mine}, graphql-core: {its}"
    if len(planned.recorded) != len(reference.recorded):
        yield f"{len(planned.recorded)} rows recorded of plans, {len(reference.recorded)} of graphql-core"


def _bodies(planned: dict[str, Any], reference: dict[str, Any]) -> Iterator[str]:
    yield from _differing(planned.pop("data", None), reference.pop("data", None), "data")
    one, other = ([repr(error) for error in answer.pop("errors", ())] for answer in (planned, reference))
    yield from (f"error of plans alone: {error}" for error in one if error not in other)
    yield from (f"error of graphql-core alone: {error}" for error in other if error not in one)
    if sorted(one) == sorted(other) != one:
        yield "the errors are in another order"
    if planned != reference:
        yield f"plans: {planned}, graphql-core: {reference}"


def _differing(planned: Any, reference: Any, place: str) -> Iterator[str]:
    match planned, reference:
        case dict(), dict() if list(planned) == list(reference):
            for key, value in planned.items():
                yield from _differing(value, reference[key], f"{place}.{key}")
        case list(), list() if len(planned) == len(reference):
            for row, (one, other) in enumerate(zip(planned, reference, strict=True)):
                yield from _differing(one, other, f"{place}.{row}")
        case _ if planned != reference or isinstance(planned, dict):
            yield f"{place}: plans {str(planned)[:300]}, graphql-core {str(reference)[:300]}"


@dataclass(slots=True)
class Pair:
    """Both executors, on a loop of their own."""

    planned: Twin
    reference: Twin
    base: World
    text: SchemaText
    runner: asyncio.Runner

    def ask(self, persona: str, purpose: str, query: str, variables: Mapping[str, Any]) -> tuple[Heard, Heard]:
        """What both make of an operation."""
        request = GraphQLRequest(query=query, variables=variables)
        caller = self.planned.house.caller(persona, purpose, seconds=PATIENCE_SECONDS)

        async def ask() -> tuple[Heard, Heard]:
            return await self.planned.hear(request, caller), await self.reference.hear(request, caller)

        return self.runner.run(ask())


def by_graphql_core(schema: GraphSchema, parts: Parts) -> Executor:
    """The reference."""
    return Executor(schema, replace(parts, planned=False))


@contextmanager
def paired(executing: Executing = Executor) -> Iterator[Pair]:
    """A pair. `executing` may plant a fault into the side that is executed by plans."""
    with quiet(), asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        stack = AsyncExitStack()
        house = runner.run(stack.enter_async_context(memory_house(size=BASE_SIZE, explain=True)))
        try:
            yield _pair(house, executing, runner)
        finally:
            runner.run(stack.aclose())


def _pair(house: MemoryHouse, executing: Executing, runner: asyncio.Runner) -> Pair:
    base, sayings = scenery(house), Sayings()
    planned = twin(house, sayings, executing)
    reference = twin(house, sayings, by_graphql_core)
    # Of a document alone: what it says, and that it is valid.
    reference.house.executor._documents = planned.house.executor._documents
    for tenant, clinic in base.items():
        clinic.put_into(planned.house, tenant)
        clinic.put_into(reference.house, tenant)
    return Pair(planned, reference, base, schema_text(house.schema.sdl), runner)


@dataclass(slots=True)
class Agreement:
    """One person's questions to both executors."""

    pair: Pair
    persona: str
    purpose: str
    shrink: bool = SHRINKS
    asked: int = 0
    met: Counter[str] = field(default_factory=Counter)
    """How many of the operations had which feature, met which trouble and had which outcome."""
    _pools: Pools = field(init=False)

    def __post_init__(self) -> None:
        self._pools = Values(self.pair.base, self.pair.planned.house.seal).beside(self.pair.base)

    def ask(self, operations_: int) -> None:
        """Ask at least so many questions. Raises `Disagreement`."""
        name = f"{self.persona} {self.purpose}"
        search(name, self._round, enough=lambda: self.asked >= operations_, shrink=self.shrink)

    def _round(self, draw: Draw) -> None:
        """Some documents, with one trouble or none."""
        chance = Random(draw(st.integers(0, 2**32)))  # noqa: S311  reproducible, not secret
        trouble = self._trouble(chance)
        for side in (self.pair.planned, self.pair.reference):
            troubles.calm(side)
            side.restart(self.pair.base)
            trouble.make(side)
        self._pools.cursors.clear()
        for _ in range(DOCUMENTS):
            operation = draw(operations(self.pair.text))
            operation = elaborated(self.pair.text.schema, operation, chance) if chance.random() < 0.8 else operation
            self.met.update(features(self.pair.text.schema, operation.query) if chance.random() < LOOKED_AT else ())
            for _ in range(BINDINGS):
                self._question(operation, self._variables(draw, operation, chance), trouble)
        self._page_through(draw, chance, trouble)

    def _page_through(self, draw: Draw, chance: Random, trouble: Trouble) -> None:
        """The first pages of a list, with the cursors that the answers gave."""
        operation = page_through(self.pair.text, chance.choice(PAGED))
        names = {one.argument: one.name for one in operation.variables}
        values = self._pools.draw(draw, operation.variables)
        values |= {names["first"]: chance.randint(1, 4), names["after"]: None}
        values[names["filter"]] = None if chance.random() < 0.8 else values[names["filter"]]
        for _ in range(PAGES):
            self.met["a page after a cursor"] += values[names["after"]] is not None
            answer = self._question(operation, values, trouble)
            (page,) = (answer.get("data") or {"": None}).values()
            if page is None or page["pageInfo"] is None or not page["pageInfo"]["hasNextPage"]:
                return
            values[names["after"]] = page["pageInfo"]["endCursor"]

    def _trouble(self, chance: Random) -> Trouble:
        number = chance.random()
        if number < 0.6:
            return NONE
        return chance.choice(FAILURES) if number < 0.75 else broken_values(chance.randrange(100))

    def _variables(self, draw: Draw, operation: Operation, chance: Random) -> dict[str, Any]:
        """Values for the operation's variables; none, or null, for some that may have none."""
        values = self._pools.draw(draw, operation.variables)
        for one in operation.variables:
            if str(one.type).endswith("!") or chance.random() > 0.3:
                continue
            if chance.random() < 0.5:
                values[one.name] = None
                self.met["null for a variable"] += 1
            else:
                del values[one.name]
                self.met["no value for a variable"] += 1
        return values

    def _question(self, operation: Operation, variables: Mapping[str, Any], trouble: Trouble) -> dict[str, Any]:
        heard = self.pair.ask(self.persona, self.purpose, operation.query, variables)
        answer: dict[str, Any] = orjson.loads(heard[0].body)
        self.asked += heard[0].executed
        self.met[trouble.name] += 1
        if len(answer.get("data") or ()) == 1:
            self.met["by batch"] += 1
        else:
            heard = heard[0].unhurried(), heard[1].unhurried()
        if heard[0] != heard[1]:
            raise Disagreement((self.persona, self.purpose, operation.query, variables), trouble.name, heard)
        self._pools.hear(heard[0].body)
        self.met.update(outcome(answer))
        return answer


def outcome(answer: Mapping[str, Any]) -> set[str]:
    """What an answer came to, by the codes of its errors."""
    codes = {str(error["extensions"]["code"]) for error in answer.get("errors", ())}
    return {"no data" if answer.get("data") is None else "data", *codes}
