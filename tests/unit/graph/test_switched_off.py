"""What an operator has switched off stops, and nothing else does; however an operation is executed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from portico.access.engine import Rule
from portico.audit.entry import Outcome
from portico.records.references import RecordType, Tenant
from portico.records.switches import SwitchKind
from sandbox.population.planted import Planted
from tests.house import MemoryHouse
from tests.unit.graph.switching import Answer, ask, executor, off, on

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
__all__ = ["ask", "executor"]

JOINED = """{ patients(first: 10) { edges { node { gender mrn
  appointments(first: 3) { edges { node { start practitioner { npi } } } }
  claims(first: 3) { edges { node { status provider { npi } coverage { payer } } } } } } } viewer { subject } }"""
BY_ID = """query ($id: ID!) { node(id: $id) { ... on Patient { mrn gender } ...F } patient(id: $id) { m: mrn }
  nodes(ids: [$id]) { ...F } patients(first: 100) { edges { node { ...F claims(first: 1) {
    edges { node { patient { mrn gender } } } } } } } } fragment F on Patient { mrn gender }"""


def _codes(answer: Answer) -> list[tuple[str, str]]:
    return [(one["extensions"]["affectedPath"], one["extensions"]["code"]) for one in answer.get("errors", ())]


@pytest.mark.parametrize(
    ("kind", "name", "tenant", "going_on"),
    [
        (SwitchKind.TENANT, "riverbend", RIVERBEND, "other-clinic"),
        (SwitchKind.SUBJECT, "usr-biller", RIVERBEND, "front-desk"),
        (SwitchKind.CLIENT, "workstation", RIVERBEND, "patient"),
    ],
)
async def test_a_tenant_a_subject_or_a_client_that_is_off_is_given_nothing_and_all_others_go_on(
    house: MemoryHouse, ask: Any, kind: SwitchKind, name: str, tenant: Tenant, going_on: str
) -> None:
    before = await ask(going_on, JOINED)
    named = house.caller("biller").principal.client if kind is SwitchKind.CLIENT else name
    assert house.caller(going_on).principal.client != named
    await off(house, kind, named, tenant)
    house.asked()

    answer = await ask("biller", JOINED)
    assert answer["data"] is None
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "SWITCHED_OFF"
    assert named not in error["message"]
    assert house.asked() == []
    assert house.trail.entries == []
    assert (await ask(going_on, JOINED))["data"] == before["data"]
    await on(house, kind, named, tenant)
    assert "errors" not in await ask("biller", JOINED)


async def test_a_switch_of_one_tenant_is_none_of_another(house: MemoryHouse, ask: Any) -> None:
    before = await ask("biller", JOINED)
    subject = house.caller("biller").principal
    for kind, name in (
        (SwitchKind.TENANT, "harbor"),
        (SwitchKind.SUBJECT, subject.subject),
        (SwitchKind.CLIENT, subject.client),
        (SwitchKind.SOURCE, "ehr"),
        (SwitchKind.FIELD, "Patient.mrn"),
    ):
        await off(house, kind, name, HARBOR)
    assert (await ask("biller", JOINED))["data"] == before["data"]


async def test_a_command_of_whoever_is_off_has_no_effect(house: MemoryHouse) -> None:
    caller = house.caller("physician", "ETREAT").principal
    await off(house, SwitchKind.SUBJECT, caller.subject)
    query = """mutation ($id: ID!) { breakTheGlass(input: {patient: $id, reason: "unconscious, no history known"}) {
      id } }"""
    answer = await house.ask("physician", query, "ETREAT", id=await house.patient_name(Planted.PATIENT))
    assert answer["data"] is None
    assert await house.alerts.waiting([RIVERBEND]) == 0


# -- a source


async def test_a_source_that_is_off_is_not_called_and_costs_its_own_fields(house: MemoryHouse, ask: Any) -> None:
    whole = await ask("biller", JOINED)
    await off(house, SwitchKind.SOURCE, "billing")
    house.asked()
    answer = await ask("biller", JOINED)

    (error,) = answer["errors"]
    assert error["extensions"] | {"code": "SOURCE_SWITCHED_OFF", "source": "billing"} == error["extensions"]
    assert error["extensions"]["affectedPath"] == "patients.edges.@.node.claims"
    assert {one.source for one in house.asked()} == {"ehr", "scheduling"}
    for edge, before in zip(answer["data"]["patients"]["edges"], whole["data"]["patients"]["edges"], strict=True):
        assert edge["node"].pop("claims") is None
        before["node"].pop("claims")
        assert edge == before
    assert house.trail.entries[-1].sources == {"ehr", "scheduling"}
    await on(house, SwitchKind.SOURCE, "billing")
    assert (await ask("biller", JOINED)).get("errors") is None


async def test_a_source_that_is_off_costs_every_root_that_it_serves(house: MemoryHouse, ask: Any) -> None:
    await off(house, SwitchKind.SOURCE, "ehr")
    house.asked()
    query = """query ($id: ID!) { patients { edges { cursor } } patient(id: $id) { gender } nodes(ids: [$id]) { id }
      viewer { subject } }"""
    answer = await ask("biller", query, id=await house.patient_name(Planted.PATIENT))
    assert answer["data"] == {"patients": None, "patient": None, "nodes": [None], "viewer": {"subject": "usr-biller"}}
    assert {code for _, code in _codes(answer)} == {"SOURCE_SWITCHED_OFF"}
    assert house.asked() == []


async def test_the_operator_reads_which_source_is_off_and_it_is_not_asked(house: MemoryHouse, ask: Any) -> None:
    await off(house, SwitchKind.SOURCE, "scheduling")
    house.asked()
    answer = await ask("operator", "{ sources { name status serves } }")
    found = {one["name"]: (one["status"], bool(one["serves"])) for one in answer["data"]["sources"]}
    assert found == {"ehr": ("UP", True), "scheduling": ("OFF", True), "billing": ("UP", True)}
    assert {one.source for one in house.asked()} == {"ehr", "billing"}


async def test_what_is_portico_s_own_is_answered_whatever_source_is_off(house: MemoryHouse, ask: Any) -> None:
    for source in ("ehr", "scheduling", "billing", "portico"):
        await off(house, SwitchKind.SOURCE, source)
    answer = await ask("privacy-officer", "{ emergencyAccesses { edges { node { id } } } viewer { kind } }")
    assert "errors" not in answer


# -- a field


async def test_a_field_that_is_off_is_withheld_on_every_path_and_asked_of_no_source(
    house: MemoryHouse, ask: Any
) -> None:
    name = await house.patient_name(Planted.PATIENT)
    before = await ask("biller", BY_ID, id=name)
    assert "errors" not in before
    await off(house, SwitchKind.FIELD, "Patient.mrn")
    house.asked()
    answer = await ask("biller", BY_ID, id=name)

    assert all("mrn" not in one.attributes for one in house.asked() if one.type is RecordType.PATIENT)
    assert _without_mrn(before["data"]) == _without_mrn(answer["data"])
    assert set(_values(answer["data"], {"mrn", "m"})) == {None}
    withheld = {one["extensions"]["affectedPath"]: one["extensions"] for one in answer["errors"]}
    assert withheld.keys() == {
        "node.mrn", "patient.m", "nodes.@.mrn", "patients.edges.@.node.mrn",
        "patients.edges.@.node.claims.edges.@.node.patient.mrn",
    }  # fmt: skip
    assert {(one["code"], one["coordinate"], one["reason"]) for one in withheld.values()} == {
        ("UNAUTHORIZED_FIELD_OR_TYPE", "Patient.mrn", "switched_off")
    }
    row = house.trail.entries[-1]
    assert ("Patient.mrn" in row.withheld, "Patient.mrn" in row.released) == (True, False)


async def test_what_is_remembered_of_releases_is_of_what_is_on_then(house: MemoryHouse, ask: Any) -> None:
    query = "{ patients(first: 3) { edges { node { mrn gender } } } }"
    for _ in range(3):
        shown = await ask("biller", query)
        await off(house, SwitchKind.FIELD, "Patient.mrn")
        hidden = await ask("biller", query)
        await on(house, SwitchKind.FIELD, "Patient.mrn")
        assert all(_values(shown["data"], {"mrn"}))
        assert set(_values(hidden["data"], {"mrn"})) == {None}
        assert all(_values(hidden["data"], {"gender"}))


@pytest.mark.parametrize("field", ["family", "given", "birthDate", "identifier", "mrn"])
async def test_no_filter_finds_anybody_by_a_field_that_is_off_and_no_source_is_asked(
    house: MemoryHouse, ask: Any, field: str
) -> None:
    person = next(one for one in house.populations["riverbend"].people if one.key == Planted.PATIENT)
    values = {
        "family": person.family, "given": person.given, "birthDate": person.birth_date, "identifier": person.mrn,
        "mrn": person.mrn,
    }  # fmt: skip
    coordinate = {"family": "name", "given": "name", "identifier": "identifiers"}.get(field, field)
    query = "query ($f: PatientFilter) { patients(filter: $f) { edges { node { id } } } }"
    assert (await ask("biller", query, f={field: values[field]}))["data"]["patients"]["edges"]
    await off(house, SwitchKind.FIELD, f"Patient.{coordinate}")
    house.asked()
    assert (await ask("biller", query, f={field: values[field]}))["data"] == {"patients": {"edges": []}}
    assert house.asked() == []


async def test_no_order_tells_of_a_field_that_is_off(house: MemoryHouse, ask: Any) -> None:
    query = "query ($o: PatientOrder) { patients(first: 100, orderBy: $o) { edges { node { id } } } }"
    rising, falling = [await ask("biller", query, o=f"BIRTH_DATE_{way}") for way in ("ASC", "DESC")]
    assert rising["data"] != falling["data"]
    await off(house, SwitchKind.FIELD, "Patient.birthDate")
    rising, falling = [await ask("biller", query, o=f"BIRTH_DATE_{way}") for way in ("ASC", "DESC")]
    assert rising["data"] == falling["data"]


async def test_no_filter_behind_an_edge_finds_by_a_field_that_is_off(house: MemoryHouse, ask: Any) -> None:
    query = """{ patients(first: 100) { edges { node { claims(filter: {status: [PAID, DENIED, ACCEPTED, PENDED]}) {
      edges { node { id } } } } } } }"""
    assert _values((await ask("biller", query))["data"]["patients"]["edges"], {"id"})
    await off(house, SwitchKind.FIELD, "Claim.status")
    assert _values((await ask("biller", query))["data"]["patients"]["edges"], {"id"}) == []


async def test_an_edge_that_is_off_is_not_followed(house: MemoryHouse, ask: Any) -> None:
    await off(house, SwitchKind.FIELD, "Patient.claims")
    house.asked()
    answer = await ask("biller", JOINED)
    assert _codes(answer) == [("patients.edges.@.node.claims", "UNAUTHORIZED_FIELD_OR_TYPE")]
    assert {one.source for one in house.asked()} == {"ehr", "scheduling"}
    assert (await ask("biller", "{ claims(first: 1) { edges { node { status } } } }"))["data"]["claims"]["edges"]


async def test_with_its_id_a_whole_type_is_off_and_asked_of_no_source(house: MemoryHouse, ask: Any) -> None:
    found = await ask("biller", "{ claims(first: 1) { edges { node { id } } } }")
    name = found["data"]["claims"]["edges"][0]["node"]["id"]
    await off(house, SwitchKind.FIELD, "Claim.id")
    house.asked()
    query = """query ($id: ID!) { claims { edges { node { id } } } claim(id: $id) { status } node(id: $id) { id }
      patients(first: 20) { edges { node { claims { edges { node { status } } } } } } }"""
    answer = await ask("biller", query, id=name)
    assert "errors" not in answer
    assert (answer["data"]["claims"], answer["data"]["claim"], answer["data"]["node"]) == ({"edges": []}, None, None)
    assert {tuple(edge["node"]["claims"]["edges"]) for edge in answer["data"]["patients"]["edges"]} == {()}
    assert {one.source for one in house.asked()} == {"ehr"}


async def test_what_policy_withholds_anyway_says_that_it_is_off_and_no_more(house: MemoryHouse, ask: Any) -> None:
    query = "{ patients(first: 100) { edges { node { phone ssn } } } }"
    await off(house, SwitchKind.FIELD, "Patient.phone")
    await off(house, SwitchKind.FIELD, "Patient.ssn")
    for persona in ("biller", "physician", "front-desk"):
        answer = await ask(persona, query)
        assert {one["extensions"]["reason"] for one in answer["errors"]} == {"switched_off"}
        assert "masked" not in answer["extensions"]["portico"]


async def test_a_root_that_is_off_leads_nowhere(house: MemoryHouse, ask: Any) -> None:
    await off(house, SwitchKind.FIELD, "Query.patients")
    house.asked()
    name = await house.patient_name(Planted.PATIENT)
    answer = await ask(
        "biller",
        "query ($id: ID!) { everyone: patients { edges { cursor } } patient(id: $id) { gender } }",
        id=name,
    )
    assert answer["data"]["everyone"] is None
    assert answer["data"]["patient"]["gender"]
    (error,) = answer["errors"]
    assert (error["extensions"]["affectedPath"], error["extensions"]["reason"]) == ("everyone", "switched_off")
    assert "Query.patients" in house.trail.entries[-1].withheld


GLASS = """mutation ($mrn: String!, $born: PartialDate!) { breakTheGlass(input: {
  mrn: $mrn, birthDate: $born, reason: "unconscious after a fall"}) { id } }"""


@pytest.mark.parametrize("field", ["Mutation.breakTheGlass", "Patient.mrn", "Patient.birthDate"])
async def test_a_command_that_is_off_or_looks_up_by_what_is_off_is_refused_on_the_record(
    house: MemoryHouse, ask: Any, field: str
) -> None:
    person = next(one for one in house.populations["riverbend"].people if one.key == Planted.PATIENT)
    await off(house, SwitchKind.FIELD, field)
    house.asked()
    answer = await ask("physician", GLASS, "ETREAT", mrn=person.mrn, born=person.birth_date)
    assert answer["data"] == {"breakTheGlass": None}
    (error,) = answer["errors"]
    assert (error["extensions"]["code"], error["extensions"]["reason"]) == ("COMMAND_REFUSED", "switched_off")
    row = house.trail.entries[-1]
    assert (row.command, row.refusal, row.outcome) == ("breakTheGlass", "switched_off", Outcome.REFUSED)
    assert house.asked() == []
    assert await house.alerts.waiting([RIVERBEND]) == 0


# -- when it counts


async def test_a_switch_counts_for_every_request_that_begins_after_it(house: MemoryHouse, ask: Any) -> None:
    query = "{ patients(first: 1) { edges { node { mrn } } } }"

    async def others() -> list[Answer]:
        return [await ask("biller", query) for _ in range(5)]

    for _ in range(10):
        under_way = [asyncio.ensure_future(others()) for _ in range(8)]
        await asyncio.sleep(0)
        await off(house, SwitchKind.FIELD, "Patient.mrn")
        assert _values((await ask("biller", query))["data"], {"mrn"}) == [None]
        await on(house, SwitchKind.FIELD, "Patient.mrn")
        assert _values((await ask("biller", query))["data"], {"mrn"}) != [None]
        await asyncio.gather(*under_way)


async def test_switches_are_read_while_the_policies_are_asked(house: MemoryHouse) -> None:
    house.engine.publish()
    house.engine.gated = frozenset({Rule.CEILING})
    house.engine.gate.clear()
    before = house.switches.reads
    asking = asyncio.ensure_future(house.ask("biller", "{ viewer { subject } }"))
    for _ in range(20):
        await asyncio.sleep(0)
    assert (house.switches.reads, asking.done()) == (before + 1, False)
    house.engine.gate.set()
    assert "errors" not in await asking


async def test_switches_that_cannot_be_read_release_nothing_and_heal(house: MemoryHouse, ask: Any) -> None:
    house.switches.available = False
    house.asked()
    for persona in ("biller", "website"):
        answer = await ask(persona, "{ viewer { subject } practitioners(first: 1) { edges { node { npi } } } }")
        assert answer["data"] is None
        assert [one["extensions"]["code"] for one in answer["errors"]] == ["STORE_UNAVAILABLE"]
    assert (house.asked(), house.trail.entries) == ([], [])
    house.switches.available = True
    assert "errors" not in await ask("biller", "{ viewer { subject } }")


def _values(value: Any, names: set[str]) -> list[Any]:
    """Every value under one of these names."""
    match value:
        case dict():
            own = [one for name, one in value.items() if name in names]
            return own + [found for one in value.values() for found in _values(one, names)]
        case list():
            return [found for one in value for found in _values(one, names)]
    return []


def _without_mrn(value: Any) -> Any:
    match value:
        case dict():
            return {name: _without_mrn(one) for name, one in value.items() if name not in {"mrn", "m"}}
        case list():
            return [_without_mrn(one) for one in value]
    return value
