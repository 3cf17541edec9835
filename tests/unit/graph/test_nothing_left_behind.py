"""What was found for a request goes with it, and doesn't wait for the collector of garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from graph.execution import Executor
from portico.records.exchange import GraphQLRequest
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.house import MemoryHouse

QUERIES = [
    "{ patients(first: 3) { edges { cursor node { mrn claims { edges { node { status } } } } } } }",
    "query ($id: ID!) { patient(id: $id) { name { family } mrn } }",
    "query ($id: ID!) { node(id: $id) { ... on Patient { encounters { edges { node { status } } } } } }",
]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Garbage is collected when the test asks for it, and kept then."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("query", QUERIES)
async def test_what_a_plan_has_answered_leaves_no_session_behind(house: MemoryHouse, query: str) -> None:
    id_ = await house.patient_name(Planted.PATIENT)
    executor = Executor(house.schema, replace(house.executor._parts, planned=True))
    request = GraphQLRequest(query=query, variables={"id": id_} if "$id" in query else {})
    answer = await executor.answer(request, house.caller("biller"))
    assert b"errors" not in answer.body
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    left = {type(one).__name__ for one in gc.garbage}
    assert left.isdisjoint({"Session", "Context", "Released", "Levels"})
