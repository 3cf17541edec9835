"""What patients consent to, what labels keep from whom, and what asks for a step-up, as clients see it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson

from portico.access.engine import Rule, Verdict
from portico.access.principal import Caller
from portico.records.consent import ConsentKind, Provision
from portico.records.exchange import GraphQLRequest
from portico.records.references import Tenant
from sandbox.population.planted import Planted
from tests.house import MemoryHouse

RIVERBEND = Tenant("riverbend")
ASKED = {"acr": ["aal3"], "max_age_seconds": 300}


@asynccontextmanager
async def saying(house: MemoryHouse, key: str, kind: ConsentKind, **words: Any) -> AsyncIterator[None]:
    """A person of the population says something, and takes it back at the end."""
    patient = await house.patient_id(key)
    provision = Provision(kind=kind, **{part: frozenset(named) for part, named in words.items()})
    consent = await house.crosswalk.record_consent(RIVERBEND, patient, provision, by="usr-patient")
    assert consent is not None
    try:
        yield
    finally:
        assert await house.crosswalk.revoke_consent(RIVERBEND, consent, patient=patient, by="usr-patient")


async def _patients(house: MemoryHouse, persona: str) -> list[str]:
    answer = await house.ask(persona, "{ patients(first: 60) { edges { node { id } } } }")
    assert "errors" not in answer
    return [edge["node"]["id"] for edge in answer["data"]["patients"]["edges"]]


async def _served(house: MemoryHouse, caller: Caller, query: str, **variables: Any) -> dict[str, Any]:
    answer = await house.executor.answer(GraphQLRequest(query=query, variables=variables), caller)
    decoded: dict[str, Any] = orjson.loads(answer.body)
    return decoded


async def test_whoever_forbids_everything_is_as_if_they_had_never_been(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.MISSPELT)
    query = "query ($id: ID!) { patient(id: $id) { id name { family } } node(id: $id) { id } }"
    assert (await house.ask("front-desk", query, id=name))["data"]["patient"] is not None
    before = await _patients(house, "front-desk")
    async with saying(house, Planted.MISSPELT, ConsentKind.DENY):
        hidden = await house.ask("front-desk", query, id=name)
        never = await house.ask("front-desk", query, id=house.name("Patient", "portico", "pt-never"))
        assert hidden["data"] == never["data"] == {"patient": None, "node": None}
        assert "errors" not in hidden and "errors" not in never  # noqa: PT018  one condition of both
        assert await _patients(house, "front-desk") == [one for one in before if one != name]
    assert await _patients(house, "front-desk") == before


async def test_what_a_patient_keeps_to_themselves_is_withheld_without_saying_from_whom_else(house: MemoryHouse) -> None:
    query = "query ($id: ID!) { patient(id: $id) { phone email name { family } } }"
    name = await house.patient_name(Planted.MISSPELT)
    async with saying(house, Planted.MISSPELT, ConsentKind.DENY, tags=["CONTACT"], roles=["front-desk"]):
        answer = await house.ask("front-desk", query, id=name)
    assert answer["data"]["patient"]["phone"] is answer["data"]["patient"]["email"] is None
    assert answer["data"]["patient"]["name"]["family"]
    assert {error["extensions"]["reason"] for error in answer["errors"]} == {"not_consented"}
    assert "errors" not in await house.ask("front-desk", query, id=name)


async def test_a_filter_by_what_a_patient_keeps_to_themselves_does_not_find_them(house: MemoryHouse) -> None:
    person = next(one for one in house.populations["riverbend"].people if one.key == Planted.MISSPELT)
    query = "query ($family: String) { patients(filter: {family: $family}) { edges { node { id } } } }"
    name = await house.patient_name(Planted.MISSPELT)

    async def found() -> list[str]:
        answer = await house.ask("front-desk", query, family=person.family)
        return [edge["node"]["id"] for edge in answer["data"]["patients"]["edges"]]

    assert name in await found()
    async with saying(house, Planted.MISSPELT, ConsentKind.DENY, tags=["DEMOGRAPHIC"]):
        assert name not in await found()


async def test_research_finds_those_who_permit_it_and_asks_the_policies_no_more_often(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.STRANGER)
    everyone = await _patients(house, "researcher")
    async with saying(house, Planted.STRANGER, ConsentKind.DENY, purposes=["HRESCH"]):
        assert name not in await _patients(house, "researcher")
        async with saying(house, Planted.STRANGER, ConsentKind.PERMIT):
            assert name not in await _patients(house, "researcher")
    async with saying(house, Planted.STRANGER, ConsentKind.PERMIT, purposes=["HRESCH"]):
        willing = await _patients(house, "researcher")
        assert name in willing
        assert {*willing} - {name} == {*everyone} - {name}
        house.engine.publish()
        cold = await house.ask("researcher", "{ patients(first: 1) { edges { node { id } } } }")
        assert cold["extensions"]["portico"]["policy"]["calls"] <= 5


async def test_what_is_about_substance_use_goes_with_its_notice_and_nothing_else_does(house: MemoryHouse) -> None:
    query = "query ($id: ID!) { patient(id: $id) { encounters { edges { node { id } } } } }"
    treated = await house.ask("physician", query, id=await house.patient_name(Planted.IN_TREATMENT))
    (notice,) = treated["extensions"]["portico"]["notices"]
    assert notice["code"] == "part2_redisclosure"
    assert "42 CFR 2.32" in notice["text"]
    other = await house.ask("physician", query, id=await house.patient_name(Planted.PATIENT))
    assert other["data"]["patient"] is not None
    assert "notices" not in other["extensions"]["portico"]


async def test_a_record_whose_label_hides_it_is_neither_told_nor_noticed(house: MemoryHouse) -> None:
    """Its reason would tell the label."""
    query = "query ($id: ID!) { patient(id: $id) { encounters { edges { node { id } } } } }"
    name = await house.patient_name(Planted.IN_TREATMENT)
    shown = await house.ask("physician", query, id=name)
    async with saying(house, Planted.IN_TREATMENT, ConsentKind.DENY, labels=["SUD"]):
        hidden = await house.ask("physician", query, id=name)
    count = len(shown["data"]["patient"]["encounters"]["edges"])
    assert 0 <= len(hidden["data"]["patient"]["encounters"]["edges"]) < count
    assert "errors" not in hidden
    body = orjson.dumps({key: value for key, value in hidden.items() if key != "data"})
    assert not [word for word in (b"SUD", b"label", b"consent", b"part2", b"notices") if word in body]


async def test_who_authenticated_too_weakly_or_too_long_ago_is_told_how_to(house: MemoryHouse) -> None:
    def stepping(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        classes = {
            key: {**answer, "step_up": {"CONTACT": ASKED}} if answer["visible"] else answer
            for key, answer in verdict.result.items()
        }
        return Verdict(classes, verdict.revision, verdict.decision_id)

    house.engine.twist = stepping
    house.engine.publish()
    query = "query ($id: ID!) { patient(id: $id) { phone name { family } } }"
    name = await house.patient_name(Planted.MISSPELT)
    caller = house.caller("front-desk")
    weak = await _served(house, caller, query, id=name)
    (error,) = weak["errors"]
    assert weak["data"]["patient"]["phone"] is None
    assert error["extensions"]["code"] == "UNAUTHORIZED_FIELD_OR_TYPE"
    assert error["extensions"]["reason"] == "step_up_required"
    assert error["extensions"]["challenge"] == {"acrValues": ["aal3"], "maxAge": 300}
    strong = replace(caller, principal=replace(caller.principal, acr="aal3"))
    assert (await _served(house, strong, query, id=name))["data"]["patient"]["phone"]
    old = replace(strong, principal=replace(strong.principal, auth_time=1_000_000_000))
    assert (await _served(house, old, query, id=name))["data"]["patient"]["phone"] is None
    house.engine.twist = lambda _, verdict: verdict
    house.engine.publish()
