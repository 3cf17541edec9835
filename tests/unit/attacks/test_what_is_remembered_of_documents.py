"""What a document's memory tells one caller of another, and what a caller can make it keep."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from graph.execution import Executor
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse

ELSEWHERE = """query Sized($x: Int) { patients(first: $x) { edges { node { id } } } }
  query Named($x: ID!) { patient(id: $x) { id } }
  query Filtered($x: PatientFilter) { patients(filter: $x) { edges { node { id } } } }"""
"""The variable that sizes one operation's list is something else in the others."""

CONDITIONS = """query Conditional($x: Boolean = true) { viewer { kind subject @include(if: $x) } }
  query Filtered($x: PatientFilter) { viewer { kind } patients(filter: $x) { edges { node { id } } } }"""


@pytest.fixture
def executor(house: MemoryHouse) -> Executor:
    """One that remembers nothing yet."""
    return Executor(house.schema, house.executor._parts)


async def asked(house: MemoryHouse, executor: Executor, query: str, operation: str | None, x: Any) -> dict[str, Any]:
    request = GraphQLRequest(query=query, variables={"x": x}, operation_name=operation)
    answer: dict[str, Any] = orjson.loads((await executor.answer(request, house.caller("physician"))).body)
    return answer


async def test_a_variable_that_is_no_size_is_not_kept_with_the_sizes(house: MemoryHouse, executor: Executor) -> None:
    for number in range(3):
        await asked(house, executor, ELSEWHERE, "Named", "x" * 1_000 + str(number))

    (judged,) = executor._documents._known.values()
    assert judged.affordable == {("Named", None)}


async def test_an_object_where_another_operation_has_a_size_is_an_argument_like_any(
    house: MemoryHouse, executor: Executor
) -> None:
    answer = await asked(house, executor, ELSEWHERE, "Filtered", {"family": "a"})
    assert "errors" not in answer


async def test_an_object_where_another_operation_has_a_condition_is_an_argument_like_any(
    house: MemoryHouse, executor: Executor
) -> None:
    answer = await asked(house, executor, CONDITIONS, "Filtered", {"family": "a"})
    assert "errors" not in answer


@pytest.mark.parametrize("before", [None, False, True])
async def test_a_condition_that_is_null_is_refused_whatever_was_asked_before(
    house: MemoryHouse, executor: Executor, before: bool | None
) -> None:
    """Else the answer would tell whether anybody has asked the same with another condition."""
    await asked(house, executor, CONDITIONS, "Conditional", before)

    answer = await asked(house, executor, CONDITIONS, "Conditional", None)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]


@pytest.mark.parametrize(
    "operation",
    [
        "query ($x: Boolean = true) { __typename @skip(if: $x) }",
        "query ($x: Boolean = true) { __schema { queryType { name @include(if: $x) } } viewer @skip(if: $x) { kind } }",
        'mutation ($x: Boolean = true) { endBreakTheGlass(input: { access: "x" }) @include(if: $x) { id } }',
    ],
)
async def test_a_condition_that_is_null_is_refused_by_either_way_of_executing(
    house: MemoryHouse, executor: Executor, operation: str
) -> None:
    answer = await asked(house, executor, operation, None, None)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]
