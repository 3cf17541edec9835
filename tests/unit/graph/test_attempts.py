"""An attempt to open the chart of somebody watched is noted, in the audit row and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from graph.execution import Executor
from portico.audit.entry import Outcome
from portico.records.exchange import Answer, GraphQLRequest
from portico.records.references import PORTICO, PatientId, RecordType
from sandbox.population.planted import Planted
from tests.house import SCHEDULING, MemoryHouse

NEVER = PatientId("00000000-0000-4000-8000-00000000dead")
WAYS = {
    "patient": "query ($id: ID!) { patient(id: $id) { mrn name { family } } }",
    "node": "query ($id: ID!) { node(id: $id) { id ... on Patient { mrn } } }",
    "nodes": "query ($id: ID!) { nodes(ids: [$id, $id]) { id } }",
    "filter": "query ($id: ID!) { appointments(filter: {patient: $id}) { edges { node { start } } } }",
    "another filter": "query ($id: ID!) { claims(filter: {patient: $id}) { edges { node { status } } } }",
    "accesses": "query ($id: ID!) { accesses(patient: $id) { edges { node { at } } } }",
}
CURIOUS = ("front-desk", "biller", "guardian", "patient")


@pytest.fixture(params=["plans", "graphql-core"])
def executor(house: MemoryHouse, request: pytest.FixtureRequest) -> Executor:
    """Both ways of executing, on the same parts."""
    parts = replace(house.executor._parts, explain=False, planned=request.param == "plans")
    return Executor(house.schema, parts)


async def _asked(house: MemoryHouse, executor: Executor, persona: str, query: str, name: str) -> Answer:
    return await executor.answer(GraphQLRequest(query=query, variables={"id": name}), house.caller(persona))


@pytest.mark.parametrize("persona", CURIOUS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("key", [Planted.RESTRICTED, Planted.EMPLOYEE])
async def test_an_attempt_at_a_watched_patient_is_noted_and_answered_like_one_at_nobody(
    house: MemoryHouse, executor: Executor, persona: str, way: str, key: Planted
) -> None:
    if (persona, way) == ("front-desk", "another filter"):
        way = "filter"  # it sees no claims of anybody, so that its filter is not even read
    patient = await house.patient_id(key)
    nobody = house.name(RecordType.PATIENT, PORTICO, NEVER)
    await _asked(house, executor, persona, WAYS[way], nobody)  # so that both find the decisions made
    answers, asked, calls = [], [], []
    for name in (house.name(RecordType.PATIENT, PORTICO, patient), nobody):
        house.asked()
        house.engine.asked.clear()
        answers.append((await _asked(house, executor, persona, WAYS[way], name)).body)
        asked.append(house.asked())
        calls.append(len(house.engine.asked))
    assert answers[0] == answers[1]
    assert asked[0] == asked[1]

    tried, in_vain = house.trail.entries[-2:]
    assert (tried.attempts, in_vain.attempts) == ({patient}, frozenset())
    assert tried.patients == in_vain.patients == frozenset()
    assert tried.outcome is in_vain.outcome is Outcome.RELEASED


@pytest.mark.parametrize(
    ("persona", "key"),
    [
        ("physician", Planted.RESTRICTED),  # who is cleared for the label, and cares for them
        ("front-desk", Planted.STRANGER),  # whom nobody watches
        ("front-desk", Planted.PATIENT),
    ],
)
async def test_no_other_look_is_an_attempt(house: MemoryHouse, executor: Executor, persona: str, key: Planted) -> None:
    for query in WAYS.values():
        await _asked(house, executor, persona, query, await house.patient_name(key))
        assert house.trail.entries[-1].attempts == frozenset()


async def test_to_be_without_a_right_to_one_kind_of_record_is_no_attempt_at_the_patient(
    house: MemoryHouse, executor: Executor
) -> None:
    """The front desk sees no claims of anybody, and the auditor sees who looked at the patient and nothing of them."""
    await _asked(house, executor, "front-desk", WAYS["another filter"], await house.patient_name(Planted.PATIENT))
    assert house.trail.entries[-1].attempts == frozenset()
    await _asked(house, executor, "auditor", WAYS["accesses"], await house.patient_name(Planted.RESTRICTED))
    assert house.trail.entries[-1].attempts == frozenset()


async def test_whoever_opens_a_record_of_a_watched_patient_by_its_id_is_noted_too(
    house: MemoryHouse, executor: Executor
) -> None:
    patient = await house.patient_id(Planted.RESTRICTED)
    query = "{ patients(first: 100) { edges { node { id appointments(first: 1) { edges { node { id } } } } } } }"
    seen = await house.ask("physician", query)
    own = house.name(RecordType.PATIENT, PORTICO, patient)
    (node,) = (one["node"] for one in seen["data"]["patients"]["edges"] if one["node"]["id"] == own)
    if not node["appointments"]["edges"]:
        pytest.fail("the population has no appointment of the watched patient")
    appointment = node["appointments"]["edges"][0]["node"]["id"]
    never = house.name(RecordType.APPOINTMENT, SCHEDULING, "never-issued")
    query = "query ($id: ID!) { node(id: $id) { id } appointment(id: $id) { start } }"
    bodies = [(await _asked(house, executor, "front-desk", query, name)).body for name in (appointment, never)]
    assert bodies[0] == bodies[1]
    assert [entry.attempts for entry in house.trail.entries[-2:]] == [{patient}, frozenset()]


async def test_an_attempt_is_no_access_that_the_patient_reads(house: MemoryHouse, executor: Executor) -> None:
    patient = await house.patient_id(Planted.RESTRICTED)
    before = (await house.trail.accesses(house.caller("auditor").principal.tenant, {patient: None}, limit=99))[patient]
    await _asked(house, executor, "front-desk", WAYS["patient"], await house.patient_name(Planted.RESTRICTED))
    after = (await house.trail.accesses(house.caller("auditor").principal.tenant, {patient: None}, limit=99))[patient]
    assert house.trail.entries[-1].attempts == {patient}
    assert after == before


def test_every_way_of_asking_by_name_is_tried(house: MemoryHouse) -> None:
    def takes_a_patient(name: str, field: Any) -> bool:
        arguments = field.args
        by_filter = "filter" in arguments and "patient" in getattr(arguments["filter"].type, "fields", {})
        return by_filter or (bool({"id", "ids", "patient"} & arguments.keys()) and name in {
            "node", "nodes", "patient", "accesses",
        })  # fmt: skip

    query = house.schema.core.query_type
    assert query is not None
    roots = {name for name, field in query.fields.items() if takes_a_patient(name, field)}
    assert roots == {"node", "nodes", "patient", "accesses", "appointments", "claims"}
