"""What fails costs its own fields; what decides or records and fails costs the whole answer."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest

from portico.records.errors import (
    SourceError,
    SourceInvalid,
    SourceTimeout,
    SourceUnavailable,
)
from portico.records.references import RecordType, SourceName, Tenant
from portico.records.types import Patient, Record
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.house import BILLING, EHR, SCHEDULING, MemoryHouse, RecordingConnector

JOINED = """{ patients(first: 10) { edges { node { gender
  appointments(first: 3) { edges { node { start practitioner { npi } } } }
  claims(first: 3) { edges { node { status provider { npi } coverage { payer } } } } } } } }"""
SECRET_TEXT = "the words of a record"


class Unheard(Enum):
    """A word that no enumeration of the graph knows."""

    OF = SECRET_TEXT


FAILURES: dict[str, type[SourceError]] = {
    "SOURCE_UNAVAILABLE": SourceUnavailable,
    "SOURCE_TIMEOUT": SourceTimeout,
    "SOURCE_INVALID": SourceInvalid,
}


def _source(house: MemoryHouse, name: SourceName) -> RecordingConnector:
    return house.sources[Tenant("riverbend")][name]


@pytest.mark.parametrize("code", FAILURES)
async def test_a_failing_source_costs_its_own_fields_and_one_error_for_each_path(house: MemoryHouse, code: str) -> None:
    whole = await house.ask("biller", JOINED)
    _source(house, BILLING).failure = FAILURES[code](BILLING)
    answer = await house.ask("biller", JOINED)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == code
    assert error["extensions"]["source"] == "billing"
    assert error["extensions"]["affectedPath"] == "patients.edges.@.node.claims"
    assert error["path"] == ["patients", "edges", 0, "node", "claims"]
    for edge, before in zip(answer["data"]["patients"]["edges"], whole["data"]["patients"]["edges"], strict=True):
        assert edge["node"].pop("claims") is None
        before["node"].pop("claims")
        assert edge == before


async def test_two_failing_sources_are_two_errors(house: MemoryHouse) -> None:
    _source(house, BILLING).failure = SourceUnavailable(BILLING)
    _source(house, SCHEDULING).failure = SourceTimeout(SCHEDULING)
    answer = await house.ask("biller", JOINED)
    assert {(one["extensions"]["source"], one["extensions"]["code"]) for one in answer["errors"]} == {
        ("billing", "SOURCE_UNAVAILABLE"),
        ("scheduling", "SOURCE_TIMEOUT"),
    }
    assert len(answer["errors"]) == 2
    assert all(edge["node"]["gender"] for edge in answer["data"]["patients"]["edges"])


async def test_a_failing_source_behind_a_root_costs_that_root(house: MemoryHouse) -> None:
    _source(house, EHR).failure = SourceUnavailable(EHR)
    query = """query ($id: ID!) { patients { edges { cursor } } viewer { subject } patient(id: $id) { gender }
      nodes(ids: [$id, $id, "x"]) { id } slots(first: 1) { edges { node { status practitioner { npi } } } } }"""
    answer = await house.ask("physician", query, id=await house.patient_name(Planted.PATIENT))
    data = answer["data"]
    assert (data["patients"], data["patient"], data["nodes"]) == (None, None, [None, None, None])
    assert data["viewer"] == {"subject": "usr-physician"}
    assert data["slots"]["edges"][0]["node"]["status"]
    assert data["slots"]["edges"][0]["node"]["practitioner"] is None
    assert {one["extensions"]["affectedPath"] for one in answer["errors"]} == {
        "patients", "patient", "nodes.@", "slots.edges.@.node.practitioner",
    }  # fmt: skip
    assert {one["extensions"]["source"] for one in answer["errors"]} == {"ehr"}


async def test_a_source_that_a_filter_needs_costs_the_filtered_list(house: MemoryHouse) -> None:
    doctor = house.name(RecordType.PRACTITIONER, EHR, "prac-1")
    _source(house, EHR).failure = SourceUnavailable(EHR)
    query = (
        "query ($d: ID!) { appointments(filter: {practitioner: $d}) { edges { cursor } } slots { edges { cursor } } }"
    )
    answer = await house.ask("physician", query, d=doctor)
    assert answer["data"]["appointments"] is None
    assert answer["data"]["slots"]["edges"]
    assert [one["extensions"]["source"] for one in answer["errors"]] == ["ehr"]


async def test_the_operator_sees_which_source_is_down_and_the_others_up(house: MemoryHouse) -> None:
    _source(house, BILLING).failure = SourceUnavailable(BILLING)
    _source(house, SCHEDULING).failure = SourceTimeout(SCHEDULING)
    answer = await house.ask("operator", "{ sources { name status serves latencyMilliseconds } }")
    assert {one["name"]: one["status"] for one in answer["data"]["sources"]} == {
        "ehr": "UP",
        "scheduling": "SLOW",
        "billing": "DOWN",
    }
    assert "errors" not in answer


async def test_nobody_is_pinged_for_a_caller_who_may_not_know(house: MemoryHouse) -> None:
    assert (await house.ask("physician", "{ sources { name } }"))["data"] == {"sources": []}
    assert house.asked() == []


def _mixed_up(records: Any) -> Any:
    """The source answers with the right ids and somebody else's record inside."""
    return [records[1], *records[1:]] if len(records) > 1 else records


async def test_a_source_that_answers_with_the_same_record_twice_is_invalid(house: MemoryHouse) -> None:
    _source(house, BILLING).twist = _mixed_up
    answer = await house.ask("biller", JOINED)
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"SOURCE_INVALID"}
    assert {edge["node"]["claims"] for edge in answer["data"]["patients"]["edges"]} == {None}


def _strangers(records: Any) -> Any:
    """Somebody who was not asked for."""
    return [replace(one, subject="pt-1004") if isinstance(one, Record) else one for one in records]


async def test_a_source_that_answers_about_somebody_else_is_invalid(house: MemoryHouse) -> None:
    _source(house, BILLING).twist = _strangers
    answer = await house.ask("biller", JOINED)
    assert {one["extensions"]["code"] for one in answer["errors"]} == {"SOURCE_INVALID"}
    assert {edge["node"]["claims"] for edge in answer["data"]["patients"]["edges"]} == {None}


async def test_a_bug_behind_an_edge_is_noted_and_its_words_are_not_shown(house: MemoryHouse) -> None:
    house.crosswalk.failure = RuntimeError(SECRET_TEXT)
    answer = await house.ask("biller", "{ patients { edges { cursor } } viewer { subject } }")
    (fault,) = house.faults
    house.faults.clear()
    assert isinstance(fault, RuntimeError)
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "INTERNAL"
    assert error["extensions"]["requestId"] == answer["extensions"]["portico"]["requestId"]
    assert error["path"] == ["patients"]
    assert answer["data"] == {"patients": None, "viewer": {"subject": "usr-biller"}}
    assert SECRET_TEXT not in str(answer)


@pytest.mark.parametrize("place", ["engine", "trail"])
async def test_a_bug_in_what_decides_or_records_releases_nothing(house: MemoryHouse, place: str) -> None:
    house.engine.publish()
    if place == "engine":
        house.engine.failure = RuntimeError(SECRET_TEXT)
    else:
        house.trail._numbers = None  # type: ignore[assignment]  # a trail that is broken inside
    try:
        answer = await house.ask("biller", JOINED)
    finally:
        house.trail._numbers = {}
    (fault,) = house.faults
    house.faults.clear()
    assert isinstance(fault, RuntimeError | TypeError)
    assert answer["data"] is None
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["INTERNAL"]
    assert answer["errors"][0]["extensions"]["requestId"]
    assert SECRET_TEXT not in str(answer)


async def test_a_value_that_its_type_can_not_hold_is_a_noted_bug_and_its_words_are_not_shown(
    house: MemoryHouse,
) -> None:
    """A connector that breaks its contract inside a record: the field is lost, and nothing of it is repeated."""

    def spoil(records: Any) -> Any:
        gender: Any = Unheard.OF
        return [replace(one, gender=gender) if isinstance(one, Patient) else one for one in records]

    _source(house, EHR).twist = spoil
    name = await house.patient_name(Planted.PATIENT)
    answer = await house.ask("patient", "query ($id: ID!) { patient(id: $id) { gender language } }", id=name)
    assert answer["data"]["patient"]["gender"] is None
    assert answer["data"]["patient"]["language"]
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["INTERNAL"]
    assert SECRET_TEXT not in str(answer)
    assert len(house.faults) == 1
    house.faults.clear()


async def test_a_tenant_without_sources_is_answered_with_nothing(house: MemoryHouse) -> None:
    channels = house.executor._parts.channels
    kept = channels[Tenant("harbor")]
    channels.pop(Tenant("harbor"))  # type: ignore[attr-defined]  # the parts only promise to read it
    try:
        answer = await house.ask("other-clinic", "{ practitioners { edges { cursor } } viewer { tenant } }")
    finally:
        channels[Tenant("harbor")] = kept  # type: ignore[index]  # put back
    assert answer["data"] == {"practitioners": None, "viewer": {"tenant": "harbor"}}
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["SOURCE_UNAVAILABLE"]
