"""How an operation was executed is told, and what is remembered of plans stays small."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from graph.execution import Executor
from graph.plan import Way
from graph.plans import CHARACTERS, Plans
from portico.access.engine import Rule
from portico.records.exchange import GraphQLRequest
from portico.records.references import RecordType
from tests.house import EXECUTOR, MemoryHouse

BY_PLAN = Way.PLANNED if EXECUTOR == "planned" else Way.REFERENCE
"""How the environment has queries executed."""


def why(way: Way) -> Way:
    """Why graphql-core executes: because it is to execute everything, or for this reason."""
    return way if EXECUTOR == "planned" else Way.REFERENCE


async def ways(house: MemoryHouse, query: str, persona: str = "physician", **variables: Any) -> list[Way]:
    house.ways.clear()
    await house.ask(persona, query, **variables)
    return house.ways


@pytest.mark.parametrize(
    ("query", "way"),
    [
        ("{ viewer { kind } }", BY_PLAN),
        ("{ __typename }", BY_PLAN),
        ('{ node(id: "x") { __typename } }', BY_PLAN),
        ("{ viewer { kind } __schema { queryType { name } } }", why(Way.INTROSPECTION)),
        ('{ ...F } fragment F on Query { __type(name: "Patient") { name } }', why(Way.INTROSPECTION)),
    ],
)
async def test_how_an_operation_was_executed_is_told(house: MemoryHouse, query: str, way: Way) -> None:
    assert await ways(house, query) == [way]


async def test_a_command_is_executed_by_graphql_core(house: MemoryHouse) -> None:
    id_ = house.name(RecordType.PATIENT, "portico", await house.patient_id("person-1"))
    command = 'mutation ($id: ID!) { breakTheGlass(input: { patient: $id, reason: "Unconscious" }) { __typename } }'
    assert await ways(house, command, id=id_) == [why(Way.MUTATION)]


@pytest.mark.parametrize("query", ["{ viewer { kind }", "{ nothing }", "query ($x: ID!) { node(id: $x) { id } }"])
async def test_what_is_refused_is_not_executed(house: MemoryHouse, query: str) -> None:
    assert await ways(house, query) == []


async def test_a_skipped_introspection_is_planned(house: MemoryHouse) -> None:
    query = "query ($all: Boolean!) { viewer { kind } __schema @include(if: $all) { queryType { name } } }"
    assert await ways(house, query, all=False) == [BY_PLAN]
    assert await ways(house, query, all=True) == [why(Way.INTROSPECTION)]


class TestWhatIsRemembered:
    """A client can't make it much, by large documents or by many."""

    def remembering(self, house: MemoryHouse, capacity: int) -> Executor:
        executor = Executor(house.schema, replace(house.executor._parts, planned=True))
        executor._plans = Plans(house.schema, capacity=capacity)
        return executor

    async def ask(self, house: MemoryHouse, executor: Executor, query: str, **variables: Any) -> dict[str, Any]:
        answer = await executor.answer(GraphQLRequest(query=query, variables=variables), house.caller("physician"))
        decoded: dict[str, Any] = orjson.loads(answer.body)
        return decoded

    async def test_plans_weigh_what_their_fields_and_their_documents_do(self, house: MemoryHouse) -> None:
        executor = self.remembering(house, capacity=500)
        for number in range(60):
            await self.ask(house, executor, f"{{ patients {{ edges {{ node {{ a{number}: mrn gender }} }} }} }}")
        plans = executor._plans
        assert 10 < len(plans._known) < 60
        assert sum(one.weight for one in plans._known.values()) == plans._weight <= 500
        assert all(one.weight > one.plan.size for one in plans._known.values())

    async def test_a_long_document_of_few_fields_weighs_too(self, house: MemoryHouse) -> None:
        executor = self.remembering(house, capacity=1_000)
        answer = await self.ask(house, executor, "{ viewer { kind } } #" + "x" * 1_100 * CHARACTERS)
        assert answer["data"] == {"viewer": {"kind": "person"}}
        assert not executor._plans._known

    async def test_ways_of_filtering_weigh_too(self, house: MemoryHouse) -> None:
        query = """query ($filter: ClaimFilter, $by: ClaimOrder!) {
          patients(first: 1) { edges { node { claims(filter: $filter, orderBy: $by) { edges { node { id } } } } } } }"""
        executor = self.remembering(house, capacity=1_000)
        plans = executor._plans
        weights: list[int] = []
        for filter_ in ({}, {"status": ["PAID"]}, {"createdFrom": "2020-01-01"}, {}, {"status": ["PAID"]}):
            await self.ask(house, executor, query, filter=filter_, by="CREATED_ASC")
            weights.append(plans._weight)
        before, *after = weights
        assert len(set(after)) == 1, "the order judges the date already"
        assert after[0] > before
        (remembered,) = plans._known.values()
        assert remembered.weight == plans._weight

    async def test_conditions_make_plans_of_their_own(self, house: MemoryHouse) -> None:
        query = "query ($a: Boolean!, $b: Boolean!) { viewer { kind @include(if: $a) subject @skip(if: $b) tenant } }"
        executor = self.remembering(house, capacity=1_000)
        for _ in range(2):
            for a in (True, False):
                for b in (True, False):
                    (viewer,) = (await self.ask(house, executor, query, a=a, b=b))["data"].values()
                    assert viewer.keys() == {"tenant", *(["kind"] if a else []), *([] if b else ["subject"])}

    async def test_operations_of_one_document_are_told_apart(self, house: MemoryHouse) -> None:
        query = "query A { viewer { kind } } query B { viewer { tenant } }"
        executor = self.remembering(house, capacity=1_000)
        for name, field in (("A", "kind"), ("B", "tenant"), ("A", "kind")):
            request = GraphQLRequest(query=query, operation_name=name)
            answer = await executor.answer(request, house.caller("physician"))
            assert orjson.loads(answer.body)["data"]["viewer"].keys() == {field}


async def test_an_operation_that_is_out_of_time_leaves_no_work_behind(house: MemoryHouse) -> None:
    query = "{ patients { edges { node { claims { edges { node { status } } } } } } appointments { edges { cursor } } }"
    before = asyncio.all_tasks()
    house.engine.publish()
    house.engine.gated = frozenset({Rule.CLASSES})
    house.engine.gate.clear()
    answer = await house.executor.answer(GraphQLRequest(query=query), house.caller("biller", seconds=0.5))
    assert b"DEADLINE_EXCEEDED" in answer.body
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()
