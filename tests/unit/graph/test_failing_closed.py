"""What decides or records and fails costs the whole answer: nothing is released that is not decided and recorded."""

from __future__ import annotations

import asyncio

import pytest

from portico.access.engine import Rule, Verdict
from portico.access.masks import Mask
from portico.records.errors import PolicyUnavailable, StoreUnavailable
from portico.records.exchange import GraphQLRequest
from sandbox.population.planted import Planted
from tests.house import MemoryHouse

JOINED = """{ patients(first: 10) { edges { node { gender
  appointments(first: 3) { edges { node { start practitioner { npi } } } }
  claims(first: 3) { edges { node { status provider { npi } coverage { payer } } } } } } } }"""


@pytest.mark.parametrize("rule", list(Rule)[:3])
async def test_a_policy_engine_that_fails_releases_nothing(house: MemoryHouse, rule: Rule) -> None:
    house.engine.publish()

    def refuse(asked: Rule, verdict: Verdict) -> Verdict:
        if asked is rule:
            raise PolicyUnavailable
        return verdict

    house.engine.twist = refuse
    answer = await house.ask("biller", JOINED)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "POLICY_UNAVAILABLE"
    assert house.trail.entries == []


async def test_an_engine_that_misses_a_key_releases_nothing(house: MemoryHouse) -> None:
    house.engine.publish()

    def forget(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        kept = dict(list(verdict.result.items())[:-1])
        return Verdict(kept, verdict.revision, verdict.decision_id)

    house.engine.twist = forget
    answer = await house.ask("biller", JOINED)
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "POLICY_UNAVAILABLE")


async def test_a_scope_by_what_nobody_declared_is_no_scope_at_all(house: MemoryHouse) -> None:
    house.engine.publish()

    def widen(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.SCOPE:
            return verdict
        rows = [{"moon": "full"}]
        return Verdict({"rows": rows}, verdict.revision, verdict.decision_id)

    house.engine.twist = widen
    answer = await house.ask("biller", "{ patients { edges { cursor } } }")
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "POLICY_UNAVAILABLE")
    assert house.asked() == []


async def test_an_engine_that_fails_half_way_takes_back_what_was_found(house: MemoryHouse) -> None:
    """The patients were decided and read before the claims were asked about: still nothing is said of them."""
    house.engine.publish()
    await house.ask("biller", "{ patients(first: 10) { edges { node { gender } } } }")
    house.engine.failure = PolicyUnavailable()
    answer = await house.ask("biller", "{ patients(first: 10) { edges { node { gender } } } viewer { subject } }")
    assert answer["data"] is None


async def test_a_warm_engine_that_does_not_know_its_revision_releases_nothing(house: MemoryHouse) -> None:
    class Lost:
        @property
        def revision(self) -> str:
            raise PolicyUnavailable

    await house.ask("biller", JOINED)
    engine = house.decisions._engine
    house.decisions._engine = Lost()  # type: ignore[assignment]  # nothing but its revision is asked for
    try:
        answer = await house.ask("biller", JOINED)
    finally:
        house.decisions._engine = engine
    assert (answer["data"], answer["errors"][0]["extensions"]["code"]) == (None, "POLICY_UNAVAILABLE")


async def test_an_unknown_mask_withholds(house: MemoryHouse) -> None:
    house.engine.publish()

    def invent(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        return Verdict(
            {
                key: {
                    **answer,
                    "mask": {"CONTACT": "sepia"},
                    "allow": [tag for tag in answer["allow"] if tag != "CONTACT"],
                    "deny": {tag: why for tag, why in answer["deny"].items() if tag != "CONTACT"},
                    "overrides": {**answer["overrides"], "Patient.gender": {"effect": "mask", "mask": "sepia"}},
                }
                if answer["visible"]
                else answer
                for key, answer in verdict.result.items()
            },
            verdict.revision,
            verdict.decision_id,
        )

    house.engine.twist = invent
    answer = await house.ask("physician", "{ patients(first: 2) { edges { node { phone gender mrn } } } }")
    house.engine.publish()
    assert "sepia" not in list(Mask)
    for edge in answer["data"]["patients"]["edges"]:
        assert (edge["node"]["phone"], edge["node"]["gender"]) == (None, None)
        assert edge["node"]["mrn"]
    reasons = {one["extensions"]["coordinate"]: one["extensions"]["reason"] for one in answer["errors"]}
    assert reasons == {"Patient.phone": "unknown_mask", "Patient.gender": "unknown_effect"}


async def test_a_mask_that_does_not_fit_its_value_withholds_it(house: MemoryHouse) -> None:
    house.engine.publish()

    def misapply(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        override = {"Patient.gender": {"effect": "mask", "mask": "year"}}
        classes = {
            key: {**answer, "overrides": {**answer["overrides"], **override}} if answer["visible"] else answer
            for key, answer in verdict.result.items()
        }
        return Verdict(classes, verdict.revision, verdict.decision_id)

    house.engine.twist = misapply
    answer = await house.ask("physician", "{ patients(first: 2) { edges { node { gender } } } }")
    house.engine.publish()
    assert {edge["node"]["gender"] for edge in answer["data"]["patients"]["edges"]} == {None}
    assert [one["extensions"]["reason"] for one in answer["errors"]] == ["mask_not_applicable"]
    assert "masked" not in answer["extensions"]["portico"]


async def test_a_record_whose_id_may_not_be_told_is_not_told_of(house: MemoryHouse) -> None:
    house.engine.publish()

    def nameless(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        override = {"Patient.id": {"effect": "deny", "reason": "minimum_necessary"}}
        classes = {
            key: {**answer, "overrides": {**answer["overrides"], **override}} if answer["visible"] else answer
            for key, answer in verdict.result.items()
        }
        return Verdict(classes, verdict.revision, verdict.decision_id)

    house.engine.twist = nameless
    query = "query ($id: ID!) { patients { edges { node { gender } } } patient(id: $id) { gender } }"
    answer = await house.ask("physician", query, id=await house.patient_name(Planted.PATIENT))
    house.engine.publish()
    assert answer["data"] == {"patients": {"edges": []}, "patient": None}


async def test_an_audit_trail_that_refuses_releases_nothing(house: MemoryHouse) -> None:
    house.trail.available = False
    answer = await house.ask("biller", JOINED)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "AUDIT_UNAVAILABLE"


async def test_no_answer_is_given_before_its_row_is_committed(house: MemoryHouse) -> None:
    house.trail.gate.clear()
    asking = asyncio.ensure_future(house.ask("biller", JOINED))
    await asyncio.wait_for(house.trail.reached.wait(), 5)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not asking.done()
    assert house.trail.entries == []
    house.trail.gate.set()
    answer = await asking
    assert answer["data"]["patients"]["edges"]
    assert len(house.trail.entries) == 1


async def test_a_trail_that_never_answers_ends_at_the_deadline_with_nothing(house: MemoryHouse) -> None:
    house.trail.gate.clear()
    request = GraphQLRequest(query=JOINED)
    answer = await house.executor.answer(request, house.caller("biller", seconds=0.6))
    assert b'"data":null' in answer.body
    assert b"AUDIT_UNAVAILABLE" in answer.body


@pytest.mark.parametrize("known", [False, True])
async def test_a_request_out_of_time_is_told_so_and_given_nothing(house: MemoryHouse, known: bool) -> None:
    """Whatever hangs: the ceiling, or what comes after it."""
    house.engine.publish()
    if known:
        house.engine.gated = frozenset({Rule.CLASSES})
    house.engine.gate.clear()
    answer = await house.executor.answer(GraphQLRequest(query=JOINED), house.caller("biller", seconds=0.4))
    assert b'"data":null' in answer.body
    assert b"DEADLINE_EXCEEDED" in answer.body
    assert house.trail.entries == []


async def test_a_crosswalk_that_fails_releases_nothing(house: MemoryHouse) -> None:
    house.crosswalk.failure = StoreUnavailable()
    answer = await house.ask("biller", JOINED)
    assert answer["data"] is None
    assert [one["extensions"]["code"] for one in answer["errors"]] == ["STORE_UNAVAILABLE"]
    assert house.trail.entries == []


async def test_what_needs_no_crosswalk_is_answered_without_it(house: MemoryHouse) -> None:
    house.crosswalk.failure = StoreUnavailable()
    answer = await house.ask("website", "{ practitioners(first: 1) { edges { node { npi } } } viewer { subject } }")
    assert "errors" not in answer
