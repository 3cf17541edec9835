"""What `docs/failure-behaviour.md` says of answers as a whole, on the house in memory with the real policies."""

from __future__ import annotations

from typing import Any

import pytest

from portico.records.errors import (
    PolicyUnavailable,
    SourceError,
    SourceInvalid,
    SourceTimeout,
    SourceUnavailable,
    StoreUnavailable,
)
from portico.records.references import Tenant
from tests.house import BILLING, MemoryHouse, house, whole_again

__all__ = ["house", "whole_again"]

QUERY = "{ patients(first: 5) { edges { node { name { family } claims(first: 2) { edges { node { status } } } } } } }"
SECRET_WORD = "a value that nobody may read"


async def refused(house: MemoryHouse, code: str) -> None:
    """Nothing is released, one error says why, and no row says that anything was."""
    rows = len(house.trail.entries)
    answer = await house.ask("physician", QUERY)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == [code]
    assert len(house.trail.entries) == rows


async def claims(house: MemoryHouse) -> dict[str, Any]:
    """Everything is released: each patient's claims, by the patient's family name."""
    answer = await house.ask("physician", QUERY)
    assert "errors" not in answer
    return {edge["node"]["name"]["family"]: edge["node"]["claims"] for edge in answer["data"]["patients"]["edges"]}


async def test_without_an_audit_row_nothing_is_released(house: MemoryHouse) -> None:
    assert await claims(house)
    house.trail.available = False
    await refused(house, "AUDIT_UNAVAILABLE")
    house.trail.available = True
    assert await claims(house)


async def test_without_policies_nothing_is_released(house: MemoryHouse) -> None:
    house.engine.failure = PolicyUnavailable()
    house.decisions._known.clear()
    await refused(house, "POLICY_UNAVAILABLE")
    house.engine.failure = None
    assert await claims(house)


async def test_without_the_crosswalk_nothing_is_released(house: MemoryHouse) -> None:
    house.crosswalk.failure = StoreUnavailable()
    await refused(house, "STORE_UNAVAILABLE")
    house.crosswalk.failure = None
    assert await claims(house)


@pytest.mark.parametrize("failure", [SourceUnavailable, SourceTimeout, SourceInvalid])
async def test_a_failing_source_costs_its_own_fields_and_one_error_for_a_path(
    house: MemoryHouse, failure: type[SourceError]
) -> None:
    well = await claims(house)
    house.sources[Tenant("riverbend")][BILLING].failure = failure(BILLING)
    answer = await house.ask("physician", QUERY)
    nodes = {edge["node"]["name"]["family"]: edge["node"] for edge in answer["data"]["patients"]["edges"]}
    assert nodes.keys() == well.keys()
    # Of whom billing knows nothing, billing need not be asked.
    lost = {family for family, found in well.items() if found["edges"]}
    assert len(lost) > 1
    assert {family for family, node in nodes.items() if node["claims"] is None} == lost
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == failure.code
    assert error["extensions"]["affectedPath"] == "patients.edges.@.node.claims"
    assert error["extensions"]["source"] == BILLING
    assert house.trail.entries[-1].outcome == "partial"


async def test_a_bug_tells_nothing_of_itself(house: MemoryHouse) -> None:
    house.crosswalk.failure = RuntimeError(SECRET_WORD)
    answer = await house.answer("physician", QUERY)
    assert b"INTERNAL" in answer.body
    assert SECRET_WORD.encode() not in answer.body
    assert [str(fault) for fault in house.faults] == [SECRET_WORD]
    house.faults.clear()
