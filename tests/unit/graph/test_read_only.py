"""A read-only request may ask a query; whatever else it asks has no effect and is told that the method is wrong."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from graph.cost import Budgets
from graph.documents import Documents
from graph.errors import DocumentRefused
from graph.schema import build
from portico.records.errors import MethodRefused
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse

WIDE = " ".join(f"a{number}: __typename" for number in range(100))

EFFECTS: dict[str, GraphQLRequest] = {
    "mutation": GraphQLRequest(query="mutation { __typename }"),
    "command": GraphQLRequest(query='mutation { endBreakTheGlass(input: {access: "x"}) { id } }'),
    "subscription": GraphQLRequest(query="subscription { __typename }"),
    "named": GraphQLRequest(query="query A { __typename } mutation B { erase }", operation_name="B"),
    "unknown field": GraphQLRequest(query="mutation { erase(everything: true) }"),
    "missing variable": GraphQLRequest(query="mutation ($id: ID!) { erase(id: $id) }"),
    "over budget": GraphQLRequest(query=f"mutation {{ {WIDE} }}"),
    "beside a namesake": GraphQLRequest(query="query A { __typename } mutation A { erase }", operation_name="A"),
}


@pytest.fixture(scope="module")
def documents() -> Documents:
    return Documents(build().core, Budgets())


@pytest.mark.parametrize("name", EFFECTS)
def test_only_the_method_is_told_of_when_a_read_only_request_asks_for_an_effect(
    documents: Documents, name: str
) -> None:
    asked = replace(EFFECTS[name], read_only=True)

    for _ in range(2):
        with pytest.raises(MethodRefused):
            documents.prepare(asked)


@pytest.mark.parametrize("name", EFFECTS.keys() - {"mutation", "command"})
def test_by_another_method_the_document_is_refused(documents: Documents, name: str) -> None:
    with pytest.raises(DocumentRefused):
        documents.prepare(EFFECTS[name])


@pytest.mark.parametrize(
    "request_",
    [
        GraphQLRequest(query="{ __typename }", read_only=True),
        GraphQLRequest(query="query A { __typename } mutation B { erase }", operation_name="A", read_only=True),
    ],
    ids=["query", "query beside a mutation"],
)
def test_a_query_is_judged_as_by_any_method(documents: Documents, request_: GraphQLRequest) -> None:
    def judged(request: GraphQLRequest) -> str:
        try:
            return documents.prepare(request)[0].digest
        except DocumentRefused as refused:
            return orjson.dumps(refused.errors).decode()

    assert judged(request_) == judged(replace(request_, read_only=False))


@pytest.mark.parametrize(
    ("query", "operation_name"),
    [("query A { __typename } mutation B { erase }", None), ("mutation B { erase }", "C"), ("mutation {", None)],
    ids=["ambiguous", "no such name", "no document"],
)
def test_where_no_operation_can_be_told_the_document_is_refused(
    documents: Documents, query: str, operation_name: str | None
) -> None:
    with pytest.raises(DocumentRefused):
        documents.prepare(GraphQLRequest(query=query, operation_name=operation_name, read_only=True))


async def test_a_refused_method_asks_no_source_and_leaves_no_audit_row(house: MemoryHouse) -> None:
    with pytest.raises(MethodRefused):
        await house.executor.answer(replace(EFFECTS["mutation"], read_only=True), house.caller("physician"))

    assert house.asked() == []
    assert house.trail.entries == []


async def test_a_read_only_query_gets_the_answer_of_any_other(house: MemoryHouse) -> None:
    query = GraphQLRequest(query="{ patients(first: 3) { edges { node { id birthDate } } } }")

    answers = [
        orjson.loads((await house.executor.answer(request, house.caller("physician"))).body)["data"]
        for request in (query, replace(query, read_only=True))
    ]

    assert answers[0] == answers[1]
    assert len(house.trail.entries) == 2
