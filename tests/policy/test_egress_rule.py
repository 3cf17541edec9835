"""The register of destinations as both engines read it."""

from __future__ import annotations

from typing import Any

import pytest

from portico.access.bundle import read_bundle
from portico.access.engine import PolicyEngine, Rule
from portico.access.tags import ALL_TAGS
from portico.main import CONNECTORS
from tests.policy.engines import POLICIES

REGISTER: Any = read_bundle(POLICIES).data["portico"]["destinations"]  # type: ignore[index,call-overload]  # a table of tables


async def sent(engine: PolicyEngine, **changes: Any) -> tuple[set[str], str | None]:
    question = {"destination": "scheduling", "purpose": "TREAT", "tags": sorted(ALL_TAGS), "date": "2026-01-01"}
    answer = (await engine.ask(Rule.EGRESS, {**question, **changes})).result
    return set(answer["tags"]), answer["reason"]


async def test_the_scheduling_vendor_is_told_nothing_that_names_a_patient(engine: PolicyEngine) -> None:
    assert await sent(engine) == ({"PUBLIC", "SCHEDULING"}, "tag_not_registered")
    assert await sent(engine, tags=["SCHEDULING"]) == ({"SCHEDULING"}, None)


async def test_a_system_that_is_not_in_the_register_is_told_nothing(engine: PolicyEngine) -> None:
    for stranger in ("elsewhere", "Scheduling", "scheduling ", "unregistered"):
        assert await sent(engine, destination=stranger, tags=["PUBLIC"]) == (set(), "unknown_destination")


async def test_a_system_is_told_nothing_for_a_purpose_that_it_is_not_registered_for(engine: PolicyEngine) -> None:
    for purpose in ("HMARKT", "PUBHLTH", "treat", "nonsense"):
        assert await sent(engine, purpose=purpose, tags=["PUBLIC"]) == (set(), "purpose_not_registered")
    assert await sent(engine, destination="billing", purpose="HOPERAT") == (set(), "purpose_not_registered")


async def test_before_the_agreements_first_day_nothing_is_sent(engine: PolicyEngine) -> None:
    assert await sent(engine, date="2024-12-31") == (set(), "no_agreement")
    assert (await sent(engine, date="2025-01-01"))[0]


@pytest.mark.parametrize("kind", CONNECTORS)
def test_every_kind_of_source_has_its_entry(kind: str) -> None:
    assert REGISTER[kind]["for"]
    assert REGISTER[kind]["baa"]
