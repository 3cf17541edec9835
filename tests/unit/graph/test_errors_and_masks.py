"""What a client is told besides the data: one error for each schema path, and which paths are masked."""

from __future__ import annotations

from typing import Any

import pytest

from graph.errors import failed, schema_path
from portico.records.errors import BadArgument, SourceTimeout
from sandbox.population.planted import Planted
from tests.house import MemoryHouse


def _by_path(answer: dict[str, Any]) -> dict[str, Any]:
    paths = [error["extensions"]["affectedPath"] for error in answer.get("errors", ())]
    assert len(paths) == len(set(paths)), "one error for each schema path"
    return {error["extensions"]["affectedPath"]: error for error in answer.get("errors", ())}


async def test_a_withheld_field_of_many_rows_is_one_error_that_says_all(house: MemoryHouse) -> None:
    answer = await house.ask(
        "front-desk", "{ patients(first: 30) { edges { node { gender identifiers { value } } } } }"
    )
    edges = answer["data"]["patients"]["edges"]
    assert len(edges) > 10
    assert {edge["node"]["identifiers"] for edge in edges} == {None}
    (error,) = answer["errors"]
    decision = error["extensions"].pop("decisionId")
    assert error == {
        "message": "Not released under the policy for this purpose of use.",
        "path": ["patients", "edges", 0, "node", "identifiers"],
        "extensions": {
            "code": "UNAUTHORIZED_FIELD_OR_TYPE",
            "affectedPath": "patients.edges.@.node.identifiers",
            "coordinate": "Patient.identifiers",
            "reason": "repeats_masked_value",
        },
    }
    assert decision in house.trail.entries[-1].decision_ids


async def test_masked_paths_are_listed_and_are_no_errors(house: MemoryHouse) -> None:
    query = """{ patients(first: 5) { edges { node { ssn
      appointments(first: 1) { edges { node { start patient { ssn } } } } } } } }"""
    answer = await house.ask("physician", query)
    assert "errors" not in answer
    assert answer["extensions"]["portico"]["masked"] == [
        "patients.edges.@.node.appointments.edges.@.node.patient.ssn",
        "patients.edges.@.node.ssn",
    ]
    assert all(edge["node"]["ssn"].startswith("***-**-") for edge in answer["data"]["patients"]["edges"])


async def test_what_is_neither_masked_nor_withheld_says_nothing(house: MemoryHouse) -> None:
    answer = await house.ask("patient", "{ patients { edges { node { ssn birthDate email } } } }")
    assert "errors" not in answer
    assert "masked" not in answer["extensions"]["portico"]


@pytest.mark.parametrize("persona", ["front-desk", "biller", "researcher", "physician", "guardian"])
async def test_a_value_and_its_denial_exclude_each_other(house: MemoryHouse, persona: str) -> None:
    query = """{ patients(first: 40) { edges { node {
      name { family } birthDate mrn ssn identifiers { value } phone email address { city } language deceased
      provenance { source } appointments(first: 3) { edges { node { start reason } } }
      claims(first: 3) { edges { node { created diagnoses { code } provenance { sourceId } } } } } } } }"""
    answer = await house.ask(persona, query)
    errors = _by_path(answer)
    masked = set(answer["extensions"]["portico"].get("masked", ()))
    assert not masked & set(errors)
    values: dict[str, list[Any]] = {}
    _gather(answer["data"], (), values)
    for path, seen in values.items():
        if path in errors:
            assert set(map(str, seen)) == {"None"}, path
        if path in masked:
            assert any(one is not None for one in seen), path


def _gather(value: Any, path: tuple[str, ...], found: dict[str, list[Any]]) -> None:
    found.setdefault(".".join(path), []).append(value)
    match value:
        case dict():
            for name, one in value.items():
                _gather(one, (*path, name), found)
        case list():
            for one in value:
                _gather(one, (*path, "@"), found)


async def test_aliases_are_told_by_the_names_that_the_answer_uses(house: MemoryHouse) -> None:
    query = """{ people: patients(first: 3) { edges { one: node { number: ssn list: identifiers { value } } } }
      others: patients(first: 3) { edges { node { identifiers { value } } } } }"""
    answer = await house.ask("physician", query)
    errors = _by_path(answer)
    assert set(errors) == {"people.edges.@.one.list", "others.edges.@.node.identifiers"}
    assert errors["people.edges.@.one.list"]["extensions"]["coordinate"] == "Patient.identifiers"
    assert errors["people.edges.@.one.list"]["path"] == ["people", "edges", 0, "one", "list"]
    assert answer["extensions"]["portico"]["masked"] == ["people.edges.@.one.number"]


async def test_fragments_and_interfaces_change_nothing_of_what_is_withheld(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.PATIENT)
    query = """query ($id: ID!) {
      plain: patient(id: $id) { ssn identifiers { value } }
      node(id: $id) { ... on Patient { ssn ...List } }
      nodes(ids: [$id]) { ...All }
      visits: patient(id: $id) { appointments(first: 1) { edges { node { patient { ssn ...List } } } } } }
    fragment List on Patient { identifiers { value } }
    fragment All on Node { __typename ... on Patient { ssn ...List } }"""
    answer = await house.ask("physician", query, id=name)
    data = answer["data"]
    reached = [
        data["plain"],
        data["node"],
        data["nodes"][0],
        data["visits"]["appointments"]["edges"][0]["node"]["patient"],
    ]
    assert {one["ssn"] for one in reached} == {"***-**-0001"}
    assert {str(one["identifiers"]) for one in reached} == {"None"}
    assert set(_by_path(answer)) == {
        "plain.identifiers",
        "node.identifiers",
        "nodes.@.identifiers",
        "visits.appointments.edges.@.node.patient.identifiers",
    }


async def test_a_withheld_edge_is_one_error_and_its_inside_says_nothing(house: MemoryHouse) -> None:
    query = "{ patients(first: 5) { edges { node { claims { edges { node { billed { amount } status } } } } } } }"
    answer = await house.ask("front-desk", query)
    (error,) = answer["errors"]
    assert error["extensions"]["coordinate"] == "Patient.claims"
    assert error["extensions"]["affectedPath"] == "patients.edges.@.node.claims"


async def test_errors_come_in_one_order(house: MemoryHouse) -> None:
    query = """{ patients(first: 5) { edges { node { ssn phone email address { city } name { family } mrn
      provenance { source } identifiers { value } } } } }"""
    answers = [await house.ask("researcher", query) for _ in range(2)]
    paths = [[error["extensions"]["affectedPath"] for error in answer["errors"]] for answer in answers]
    assert paths[0] == paths[1] == sorted(paths[0])


async def test_no_error_repeats_a_value_of_a_record(house: MemoryHouse) -> None:
    query = """{ patients(first: 40) { edges { node { ssn phone email address { city } name { family } mrn
      provenance { source } identifiers { value } } } } }"""
    answer = await house.ask("researcher", query)
    told = str(answer["errors"])
    for person in house.populations["riverbend"].people:
        for value in (person.ssn, person.phone, person.email, person.mrn, person.address.line):
            assert value not in told


def test_a_schema_path_names_every_row_alike() -> None:
    assert schema_path(["patients", "edges", 17, "node", "ssn"]) == "patients.edges.@.node.ssn"
    assert schema_path([]) == ""


def test_only_a_sources_failure_names_a_source() -> None:
    assert failed(SourceTimeout("ehr"), ["a", 1])["extensions"] == {
        "code": "SOURCE_TIMEOUT",
        "affectedPath": "a.@",
        "source": "ehr",
    }
    assert "source" not in failed(BadArgument("No."), ["a"])["extensions"]
