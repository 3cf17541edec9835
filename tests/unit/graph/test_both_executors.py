"""Plans give what graphql-core gives: data, errors, order and audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from graph.execution import Executor
from portico.records.exchange import GraphQLRequest
from portico.records.types import Claim
from portico.records.values import Money
from tests.changed import replace
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
    # Names, kinds of places and ways around.
    "{ __typename patients(first: 2) { __typename edges { __typename node { __typename } } pageInfo { __typename } } }",
    """{ a: patients(first: 2) { x: edges { y: node { z: mrn } c: cursor } e: edges { node { gender } } }
         b: viewer { kind } }""",
    """{ patients(first: 3) { edges { node { ...A ...B mrn ... on Patient { gender } ... @skip(if: true) { ssn } } } } }
       fragment A on Node { id } fragment B on Patient { ...A name { family } }""",
    # Edges under edges, one edge at several places, and back again.
    """{ a: patients(first: 4) { edges { node { claims(first: 2) { edges { node { status } } } } } }
         b: patients(first: 6) { edges { node { claims(first: 2) {
           edges { node { created patient { id mrn } } } } } } } }""",
    """{ appointments(first: 6) { edges { node { patient { name { family } generalPractitioner { name { family } } }
         practitioner { name { family } } encounter { status practitioner { npi } claims { edges { node { id } } } }
         claims { edges { node { coverage { plan } provider { npi } encounter { id } } } } } } } }""",
    # Filters, orders, and arguments that make no sense, at a root and behind an edge.
    """{ patients(filter: { family: "a" }, orderBy: BIRTH_DATE_DESC) { edges { node { birthDate } } }
         claims(first: 3, filter: { status: [PAID] }, orderBy: CREATED_DESC) {
           edges { node { created paid { amount } } } } }""",
    "{ patients(first: 101) { edges { node { id } } } viewer { kind } }",
    "{ patients(first: 3) { edges { node { claims(first: 999) { edges { node { id } } } gender } } } }",
    """{ patients(first: 2) { edges { node { claims(after: "x") { edges { node { id } } } } } } }""",
    # Fragments on what an object is not, inside of what it is.
    """{ patients(first: 2) { edges { node { ... on Node { id ... on Practitioner { npi } ... on Patient { mrn } } } } }
         node(id: "x") { ... on Patient { ... on Node { ... on Slot { start } __typename } } } }""",
    # Ids that name nothing.
    """{ node(id: "x") { id __typename } nodes(ids: ["x", "y"]) { id } patient(id: "z") { mrn } }""",
)

CONDITIONAL = """query ($with: Boolean!, $n: Int = 2) { patients(first: $n) { edges { node { id ssn @include(if: $with)
  name @skip(if: $with) { family } } } } }"""

BY_ID = """query ($ids: [ID!]!, $id: ID!) { node(id: $id) { __typename id ... on Patient { mrn
    encounters { edges { node { status } } } } ... on Practitioner { npi } }
  nodes(ids: $ids) { __typename id ... on Patient { gender appointments(first: 1) { edges { node { start } } } }
    ... on Practitioner { name { family } } }
  patient(id: $id) { name { family } } practitioner(id: $id) { npi } }"""

NOW = datetime(2026, 1, 1, tzinfo=UTC)

PERSONAS = ("patient", "physician", "front-desk", "biller", "researcher", "website", "operator")


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house() as house:
        yield replace(house, executor=Executor(house.schema, replace(house.executor._parts, planned=True)))


@pytest.fixture(scope="module")
def reference(house: MemoryHouse) -> Executor:
    """The same parts, executed by graphql-core."""
    return Executor(house.schema, replace(house.executor._parts, planned=False))


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    errors = [
        {**error, "extensions": {**error["extensions"], "decisionId": "", "requestId": ""}}
        for error in answer.get("errors", ())
    ]
    told = answer.get("extensions", {}).get("portico", {})
    said = {"data": answer["data"], "errors": errors, "masked": told.get("masked")}
    return _without(said, {"retrievedAt", "latencyMilliseconds"})


async def _same(
    house: MemoryHouse, reference: Executor, persona: str, query: str, variables: dict[str, Any] | None = None
) -> Any:
    """The answer that both give, having asked the sources the same and recorded the same."""
    request = GraphQLRequest(query=query, variables=variables or {})
    said, asked, recorded = [], [], []
    caller = house.caller(persona)
    await house.executor.answer(request, caller)  # so that both find the decisions made
    for executor in (house.executor, reference):
        house.asked()
        answer = await executor.answer(request, caller)
        said.append(_said(orjson.loads(answer.body)))
        asked.append(Counter((one.source, one.type) for one in house.asked()))
        recorded.append(replace(house.trail.entries[-1], at=NOW))
    assert said[0] == said[1]
    assert asked[0] == asked[1]
    assert recorded[0] == recorded[1]
    return said[0]


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize("query", QUERIES)
async def test_both_executors_say_ask_and_record_the_same(
    house: MemoryHouse, reference: Executor, persona: str, query: str
) -> None:
    await _same(house, reference, persona, query)


@pytest.mark.parametrize("persona", PERSONAS)
async def test_conditions_are_a_variables_own(house: MemoryHouse, reference: Executor, persona: str) -> None:
    for with_ in (True, False, True):
        await _same(house, reference, persona, CONDITIONAL, {"with": with_})


@pytest.mark.parametrize("persona", PERSONAS)
async def test_records_by_id_are_the_same_whatever_their_type(
    house: MemoryHouse, reference: Executor, persona: str
) -> None:
    query = "{ patients(first: 3) { edges { node { id } } } practitioners(first: 2) { edges { node { id } } } }"
    found = await house.ask("physician", query)
    ids = [edge["node"]["id"] for root in found["data"].values() for edge in root["edges"]]
    for id_ in ids:
        await _same(house, reference, persona, BY_ID, {"ids": [*ids, "none"], "id": id_})


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('query ($n: String! = "Patient") { __type(name: $n) { name } viewer { kind } }', "__type"),
        (
            """query ($n: Boolean = true) { viewer { kind } ...F }
               fragment F on Query { __type(name: "Patient") { fields(includeDeprecated: $n) { name } } }""",
            "fields",
        ),
    ],
)
async def test_an_argument_of_introspection_that_is_null_is_refused_before_anything_is_asked(
    house: MemoryHouse, reference: Executor, query: str, field: str
) -> None:
    for executor in (house.executor, reference):
        answer = await executor.answer(GraphQLRequest(query=query, variables={"n": None}), house.caller("physician"))
        (error,) = orjson.loads(answer.body)["errors"]
        assert error["extensions"]["code"] in ("BAD_ARGUMENT", "GRAPHQL_VALIDATION_FAILED"), field
        assert house.faults == []


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
        for planned in (True, False):
            executor = Executor(house.schema, replace(house.executor._parts, planned=planned))
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
