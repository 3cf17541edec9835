"""The short way for leaves gives what graphql-core gives: data, errors, order and audit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest
from graphql.execution import Executor as CoreExecutor

from graph.execution import Executor
from graph.leaves import LeafExecutor
from portico.records.exchange import GraphQLRequest
from portico.records.types import Claim
from portico.records.values import Money
from tests.contract.truth import Truth
from tests.house import MemoryHouse, memory_house

EVERYTHING = """{ patients(first: 8) { pageInfo { hasNextPage endCursor } edges { cursor node { __typename id mrn
  name { family given prefix } n: name { __typename given } birthDate gender deceased ssn phone
  address { line city postalCode } identifiers { system value type } provenance { source retrievedAt }
  appointments(first: 3) { edges { node { start status serviceType { code display } reason } } }
  encounters(first: 3) { edges { node { class { code } period { start end } reasons { display } } } }
  coverages { edges { node { status plan period { start } } } }
  claims(first: 3) { edges { node { status type created billed { amount currency } diagnoses { code }
    lines { number service { display } billed { amount } } } } } } } } }"""

QUERIES = (
    EVERYTHING,
    "{ viewer { subject roles } sources { name status serves } }",
    "{ practitioners { edges { node { name { ...N } name { given } } } } } fragment N on HumanName { family }",
    "{ slots(first: 5) { edges { node { start status practitioner { name { family } } location { site } } } } }",
    "{ patients(first: 2) { edges { node { name { f: family g: given @skip(if: true) } } } } }",
)

PERSONAS = ("patient", "physician", "front-desk", "biller", "researcher", "website", "operator")


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house() as house:
        yield house


@pytest.fixture(scope="module")
def reference(house: MemoryHouse) -> Executor:
    """The same parts, walked by graphql-core's own executor."""
    return Executor(house.schema, replace(house.executor._parts, executor_class=CoreExecutor))


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    errors = [
        {**error, "extensions": {**error["extensions"], "decisionId": "", "requestId": ""}}
        for error in answer.get("errors", ())
    ]
    told = answer.get("extensions", {}).get("portico", {})
    said = {"data": answer["data"], "errors": errors, "masked": told.get("masked")}
    return _without(said, {"retrievedAt", "latencyMilliseconds"})


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize("query", QUERIES)
async def test_both_executors_say_the_same(house: MemoryHouse, reference: Executor, persona: str, query: str) -> None:
    one = await house.executor.answer(GraphQLRequest(query=query), house.caller(persona))
    other = await reference.answer(GraphQLRequest(query=query), house.caller(persona))
    assert _said(orjson.loads(one.body)) == _said(orjson.loads(other.body))


async def test_what_is_wrong_with_a_leaf_of_a_part_is_said_at_the_leaf() -> None:
    def unpriced(_: object, truth: Truth) -> Truth:
        broken = Money(amount="much", currency="USD")  # type: ignore[arg-type]  # what no connector gives
        return replace(
            truth,
            records=tuple(replace(one, billed=broken) if isinstance(one, Claim) else one for one in truth.records),
        )

    query = "{ claims(first: 1) { edges { node { billed { currency amount } } } } }"
    async with memory_house(distort=unpriced) as house:
        answers = []
        for executor_class in (LeafExecutor, CoreExecutor):
            executor = Executor(house.schema, replace(house.executor._parts, executor_class=executor_class))
            answer = await executor.answer(GraphQLRequest(query=query), house.caller("biller"))
            answers.append(_said(orjson.loads(answer.body)))
    assert answers[0] == answers[1]


def _without(value: Any, names: set[str]) -> Any:
    match value:
        case dict():
            return {key: _without(one, names) for key, one in value.items() if key not in names}
        case list():
            return [_without(one, names) for one in value]
    return value
