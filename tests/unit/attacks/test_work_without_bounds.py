"""What a known caller can make the server do or keep, beyond what any request needs."""

from __future__ import annotations

import itertools

import pytest

from graph.cost import Budgets
from graph.documents import Documents
from graph.errors import DocumentRefused
from graph.schema import GraphSchema, build
from portico.access.decisions import Decisions, Tally
from portico.access.tags import Coordinate
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse


@pytest.fixture(scope="module")
def schema() -> GraphSchema:
    return build()


@pytest.mark.parametrize(
    "fragments",
    [
        f"fragment F on Patient {{ {'ssn ' * 501} }}",
        f"fragment F on Patient {{ ...G {'ssn ' * 250} }} fragment G on Patient {{ {'ssn ' * 250} }}",
        f"fragment F on Patient {{ {'appointments { edges { node { patient { ' * 4} id {' } ' * 16} }}",
        f"fragment F on Patient {{ {' '.join(f'a{number}: ssn' for number in range(21))} }}",
    ],
)
def test_a_fragment_that_nothing_spreads_has_a_budget_all_the_same(schema: GraphSchema, fragments: str) -> None:
    """Validation compares every pair of like fields, whether they are used or not."""
    with pytest.raises(DocumentRefused) as refused:
        Documents(schema.core, Budgets()).prepare(GraphQLRequest(query=f"{{ viewer {{ kind }} }} {fragments}"))
    assert [error["extensions"]["code"] for error in refused.value.errors] == ["COST_EXCEEDED"]


def _coordinates(schema: GraphSchema) -> list[tuple[str, Coordinate]]:
    return [(type_, coordinate) for type_, of_type in schema.tags.items() for coordinate in of_type.values()]


async def test_remembered_ceilings_are_bounded_by_what_they_hold(house: MemoryHouse) -> None:
    """Every selection of fields is another ceiling, and there are more of them than any memory holds."""
    capacity = 500
    decisions = Decisions(house.engine, capacity=capacity)
    everything = [(type_, one) for type_, one in _coordinates(house.schema) if type_ not in ("Query", "Viewer")]
    caller = house.caller("physician")
    for left_out in itertools.islice(everything, 20):
        selected = [one for one in everything if one is not left_out]
        await decisions.ceiling(caller, selected, Tally())
    held = decisions.__dict__["_known"]
    assert 0 < len(held) * len(everything) <= capacity


async def test_the_ceiling_asked_for_last_is_still_remembered(house: MemoryHouse) -> None:
    decisions, caller, tally = Decisions(house.engine, capacity=500), house.caller("physician"), Tally()
    selected = _coordinates(house.schema)[:5]
    for size in range(1, 6):
        await decisions.ceiling(caller, selected[:size], tally)
    asked = tally.calls
    await decisions.ceiling(caller, selected, tally)
    assert tally.calls == asked
