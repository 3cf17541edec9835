"""Random pairs of worlds, random questions to both: whatever tells the two apart is shown in its smallest form."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from hypothesis import strategies as st

from tests.oracles.reply import Reply
from tests.worlds.bindings import Pools, Values
from tests.worlds.differences import Differences
from tests.worlds.documents import PAGED, SHRINKS, Draw, operations, page_through
from tests.worlds.searching import search
from tests.worlds.sight import Who
from tests.worlds.stage import Stage, alike
from tests.worlds.variations import Difference

DOCUMENTS: Final = 4
BINDINGS: Final = 5
"""Questions that one document asks."""
PAGES_LIMIT: Final = 60


class Interference(AssertionError):
    """Two worlds that are the same to somebody gave them different answers."""

    def __init__(
        self,
        who: Who,
        question: tuple[str, Mapping[str, Any]],
        differences: Sequence[Difference],
        replies: tuple[Reply, Reply],
    ) -> None:
        self.differences = differences
        query, variables = question
        told = [f"{reply.status} {reply.body.decode()}" for reply in replies]
        super().__init__(
            f"{who.persona.name} for {who.purpose} tells two worlds apart by\n{query}\nwith {json.dumps(variables)}\n"
            f"The second world differs in:\n{chr(10).join(one.said for one in differences)}\n"
            f"{told[0]}\n{told[1]}"
        )


@dataclass(slots=True)
class Comparison:
    """One person's questions to pairs of worlds."""

    stage: Stage
    who: Who
    shrink: bool = SHRINKS
    salt: str = ""
    """Other questions, and other pairs, for another one."""
    asked: int = 0
    refused: int = 0
    _differences: Differences = field(init=False)
    _values: Values = field(init=False)

    def __post_init__(self) -> None:
        self._differences = Differences(self.stage, self.who)
        self._values = Values(self.stage.base, self.stage.left.house.seal)

    def ask(self, operations_: int) -> None:
        """Ask at least so many questions. Raises `Interference`."""
        name = f"{self.salt} {self.who.persona.name} {self.who.purpose}"
        search(name, self._compare, enough=lambda: self.asked >= operations_, shrink=self.shrink)

    def _compare(self, draw: Draw) -> None:
        """One pair of worlds, and some questions."""
        world, differences = self._differences.pair(draw)
        self.stage.hold(self.stage.base, world)
        values = self._values.beside(world)
        for _ in range(DOCUMENTS):
            operation = draw(operations(self.stage.text))
            for _ in range(BINDINGS):
                self._question(operation.query, values.draw(draw, operation.variables), values, differences)
        self._page_through(draw, values, differences)

    def _page_through(self, draw: Draw, values: Pools, differences: Sequence[Difference]) -> None:
        """A list from its beginning to its end."""
        operation = page_through(self.stage.text, draw(st.sampled_from(PAGED)))
        variables = values.draw(draw, operation.variables)
        names = {one.argument: one.name for one in operation.variables}
        variables[names["first"]] = draw(st.integers(1, 6))
        variables[names["filter"]] = None if draw(st.integers(0, 3)) else variables[names["filter"]]
        after = None
        for _ in range(PAGES_LIMIT):
            answer = self._question(operation.query, {**variables, names["after"]: after}, values, differences)
            (page,) = (answer.get("data") or {"": None}).values()
            if page is None or not page["pageInfo"]["hasNextPage"]:
                return
            after = page["pageInfo"]["endCursor"]

    def _question(
        self, query: str, variables: Mapping[str, Any], values: Pools, differences: Sequence[Difference]
    ) -> dict[str, Any]:
        replies = self.stage.ask(self.who, query, variables)
        self.asked += 1
        if not alike(replies):
            raise Interference(self.who, (query, variables), differences, replies)
        values.hear(replies[0].body)
        answer = replies[0].json()
        self.refused += answer.get("data") is None
        return answer
