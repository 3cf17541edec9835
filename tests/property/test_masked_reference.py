"""What is served equals what an unguarded executor answers, masked and pruned by the independent policy table.

The reference is graphql-core, field by field, on a policy engine that allows everybody everything, with the same
records; `tests/worlds/masking.py` takes from its answer what `tests/worlds/table.py` hides. `WORLDS_REFERENCES` asks
more questions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from tests.worlds import leaks
from tests.worlds.bindings import Pools, Values
from tests.worlds.differences import Differences
from tests.worlds.documents import PAGED, SHRINKS, Draw, operations, page_through
from tests.worlds.reference import Overreach, Reference
from tests.worlds.searching import search
from tests.worlds.sight import Sight, Who
from tests.worlds.stage import Leak, Stage, staged

REFERENCES: Final = int(os.environ.get("WORLDS_REFERENCES", "2000"))
DOCUMENTS, BINDINGS = 5, 4

SHARES: Final = {
    ("physician", "ETREAT"): 250,
    ("physician", "TREAT"): 350,
    ("patient", "PATRQT"): 250,
    ("guardian", "PATRQT"): 250,
    ("front-desk", "HOPERAT"): 250,
    ("biller", "HPAYMT"): 250,
    ("researcher", "HRESCH"): 250,
    ("auditor", "HOPERAT"): 30,
    ("privacy-officer", "HOPERAT"): 30,
    ("operator", "HOPERAT"): 30,
    ("website", "HOPERAT"): 30,
    ("other-clinic", "TREAT"): 30,
}
"""Of 2,000 questions, how many each asks."""


class Check:
    """One person's questions to worlds that they can't tell apart, each judged by the table."""

    def __init__(self, stage: Stage, who: Who, *, shrink: bool = SHRINKS) -> None:
        self.asked = self.executed = 0
        self._shrink = shrink
        self._reference = Reference(stage)
        self._stage = stage
        self._who = who
        self._differences = Differences(stage, who)
        self._values = Values(stage.base, stage.left.house.seal)

    def ask(self, questions: int) -> None:
        """Ask at least so many. Raises `Overreach`."""
        name = f"reference {self._who.persona.name} {self._who.purpose}"
        search(name, self._check, enough=lambda: self.asked >= questions, shrink=self._shrink)

    def _check(self, draw: Draw) -> None:
        """One world, and some questions. In the reference everything shows, so no two records may answer to one key."""
        world, _ = self._differences.pair(draw, twins=False)
        self._reference.hold(world)
        sight, pools = self._stage.sight(world, self._who), self._values.beside(world)
        for _ in range(DOCUMENTS):
            operation = draw(operations(self._stage.text))
            for _ in range(BINDINGS):
                self._question(sight, operation.query, pools.draw(draw, operation.variables))
        self._whole_list(draw, sight, pools)

    def _question(self, sight: Sight, query: str, variables: dict[str, Any]) -> Any:
        self.asked += 1
        served = self._reference.check(self._who, sight, query, variables)
        self.executed += served is not None
        return served

    def _whole_list(self, draw: Draw, sight: Sight, pools: Pools) -> None:
        """A list in one piece, which the table judges, and page by page, which must give the same rows."""
        operation = page_through(self._stage.text, draw(st.sampled_from(PAGED)))
        variables = pools.draw(draw, operation.variables)
        first, after = (
            next(one.name for one in operation.variables if one.argument == name) for name in ("first", "after")
        )
        served = self._question(sight, operation.query, {**variables, first: 100, after: None})
        (whole,) = served.values()
        rows: list[Any] = []
        position, size = None, draw(st.integers(1, 5))
        while True:
            asked = {**variables, first: size, after: position}
            (page,) = self._stage.ask_left(self._who, operation.query, asked).json()["data"].values()
            if whole is None:  # what can't be asked for in one piece can't be in several
                assert page is None
                return
            rows += page["edges"]
            if not page["pageInfo"]["hasNextPage"]:
                break
            assert len(page["edges"]) == size, "a page is full or the last one"
            position = page["pageInfo"]["endCursor"]
        assert rows == whole["edges"]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


@pytest.mark.parametrize(("persona", "purpose"), SHARES)
def test_what_is_served_is_the_unguarded_answer_masked_by_the_independent_table(
    stage: Stage, persona: str, purpose: str
) -> None:
    check = Check(stage, stage.who(persona, purpose))
    share = REFERENCES * SHARES[persona, purpose] // sum(SHARES.values())
    check.ask(share)
    assert check.asked >= share
    assert check.executed >= check.asked * 0.98, "most questions are worth asking"


@pytest.mark.parametrize(
    ("leak", "persona", "purpose"),
    [
        (leaks.mask_that_shows_too_much, "physician", "TREAT"),
        (leaks.hidden_rows_are_counted, "researcher", "HRESCH"),
        (leaks.ordering_by_what_is_hidden, "researcher", "HRESCH"),
    ],
    ids=lambda one: getattr(one, "__name__", one),
)
def test_the_reference_finds_a_leak_within_a_few_shares(leak: Leak, persona: str, purpose: str) -> None:
    with staged(leak) as leaking, pytest.raises(Overreach):
        Check(leaking, leaking.who(persona, purpose), shrink=False).ask(4 * SHARES[persona, purpose])
