"""Ids that may not be seen, ids of elsewhere and ids that never were have one answer, byte for byte."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest

from portico.records.references import RecordType
from resolvers.seal import Seal
from sandbox.population.planted import Planted
from tests.house import BILLING, EHR, SCHEDULING, MemoryHouse, memory_house

ROOTS = {
    "node": "query ($id: ID!) { it: node(id: $id) { __typename id ... on Patient { name { family } } } }",
    "patient": "query ($id: ID!) { it: patient(id: $id) { id name { family } claims { edges { cursor } } } }",
    "appointment": "query ($id: ID!) { it: appointment(id: $id) { id start patient { id } } }",
    "claim": "query ($id: ID!) { it: claim(id: $id) { id billed { amount } } }",
    "practitioner": "query ($id: ID!) { it: practitioner(id: $id) { id npi } }",
}


@pytest.fixture(scope="module")
async def plain() -> AsyncIterator[MemoryHouse]:
    """A house that does not explain itself, so that answers can be compared byte for byte."""
    async with memory_house(explain=False) as running:
        yield running


def _never_issued(house: MemoryHouse) -> str:
    return house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")


async def _unseen(house: MemoryHouse) -> dict[str, str]:
    """Names that the physician may not use, each for a reason of its own."""
    stranger = await house.patient_name(Planted.STRANGER)
    visit = next(one for one in house.populations["riverbend"].visits if one.person == Planted.STRANGER and one.claim)
    name = await house.patient_name(Planted.PATIENT)
    raw = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
    return {
        "of another's patient": stranger,
        "of another's appointment": house.name(RecordType.APPOINTMENT, SCHEDULING, visit.appointment_id or ""),
        "of another's encounter": house.name(RecordType.ENCOUNTER, EHR, visit.encounter_id or ""),
        "of another's claim": house.name(RecordType.CLAIM, BILLING, visit.claim.number if visit.claim else ""),
        "of another tenant": await house.patient_name(Planted.PATIENT, "harbor"),
        "forged with another secret": Seal(bytes(32)).seal(("id", "riverbend"), ("Patient", "portico", "x")),
        "a cursor": house.seal.seal(("cursor", "riverbend"), ("Patient", "portico", "x")),
        "of no record": house.name(RecordType.APPOINTMENT, SCHEDULING, "A-nothing"),
        "of a wrong source": house.name(RecordType.APPOINTMENT, BILLING, visit.appointment_id or ""),
        "cut": name[:-2],
        "longer": name + "AA",
        "padded": name + "==",
        "altered": ("A" if name[0] != "A" else "B") + name[1:],
        "in standard Base64": base64.b64encode(raw).decode(),
        "with confusable letters": name.replace("a", "\N{CYRILLIC SMALL LETTER A}") + "\N{CYRILLIC SMALL LETTER A}",
        "in fullwidth letters": "".join(chr(ord(letter) + 0xFEE0) if letter.isalnum() else letter for letter in name),
        "huge": "A" * 10_240,
        "empty": "",
        "a NUL": "\x00",
        "a number": "1",
        "the source's own": "pt-1001",
        "the canonical id": await house.patient_id(Planted.STRANGER),
        "a path": "../../../etc/passwd",
        "right to left": "\N{RIGHT-TO-LEFT OVERRIDE}" + name,
    }


@pytest.mark.parametrize("root", ROOTS)
async def test_what_may_not_be_seen_answers_like_what_was_never_issued(plain: MemoryHouse, root: str) -> None:
    nothing = (await plain.answer("physician", ROOTS[root], id=_never_issued(plain))).body
    assert nothing == b'{"data":{"it":null}}'
    for why, name in (await _unseen(plain)).items():
        assert (await plain.answer("physician", ROOTS[root], id=name)).body == nothing, why


async def test_several_ids_answer_each_for_itself_and_in_order(plain: MemoryHouse) -> None:
    own = await plain.patient_name(Planted.PATIENT)
    unseen = list((await _unseen(plain)).values())
    answer = await plain.ask("physician", "query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=[*unseen, own, own])
    assert answer == {"data": {"nodes": [None] * len(unseen) + [{"id": own}, {"id": own}]}}


async def test_forged_ids_and_those_of_other_tenants_cost_no_source_call(plain: MemoryHouse) -> None:
    plain.asked()
    unseen = await _unseen(plain)
    for why in ("of another's patient", "of another tenant", "forged with another secret", "cut", "huge", "empty"):
        for query in ROOTS.values():
            await plain.ask("physician", query, id=unseen[why])
        assert plain.asked() == plain.asked("harbor") == [], why


@pytest.mark.parametrize("root", ["patient", "appointment", "claim", "practitioner"])
async def test_an_id_of_another_type_names_nothing_at_a_root_of_its_own_type(plain: MemoryHouse, root: str) -> None:
    visit = next(one for one in plain.populations["riverbend"].visits if one.person == Planted.PATIENT and one.claim)
    assert visit.claim
    names = {
        "patient": await plain.patient_name(Planted.PATIENT),
        "appointment": plain.name(RecordType.APPOINTMENT, SCHEDULING, visit.appointment_id or ""),
        "claim": plain.name(RecordType.CLAIM, BILLING, visit.claim.number),
        "practitioner": plain.name(RecordType.PRACTITIONER, EHR, "prac-1"),
    }
    for type_, name in names.items():
        answer = await plain.ask("patient", ROOTS[root], id=name)
        assert (answer["data"]["it"] is not None) is (type_ == root)
        assert (await plain.ask("patient", ROOTS["node"], id=name))["data"]["it"]["id"] == name


async def test_every_type_with_an_id_can_be_asked_for_by_it(plain: MemoryHouse) -> None:
    query = """query ($id: ID!) { patient(id: $id) { id generalPractitioner { id } managingOrganization { id }
      appointments(first: 1) { edges { node { id location { id } } } } encounters(first: 1) { edges { node { id } } }
      claims(first: 1) { edges { node { id } } } coverages(first: 1) { edges { node { id } } } }
      slots(first: 1) { edges { node { id } } } }"""
    answer = await plain.ask("patient", query, id=await plain.patient_name(Planted.PATIENT))
    names = _ids(answer["data"])
    again = await plain.ask("patient", "query ($i: [ID!]!) { nodes(ids: $i) { id __typename } }", i=names)
    assert [node["id"] for node in again["data"]["nodes"]] == names
    assert {node["__typename"] for node in again["data"]["nodes"]} == {
        "Patient", "Practitioner", "Organization", "Appointment", "Location", "Encounter", "Claim", "Coverage", "Slot",
    }  # fmt: skip


def _ids(value: object) -> list[str]:
    match value:
        case dict():
            own = [str(value["id"])] if "id" in value else []
            return own + [id_ for one in value.values() for id_ in _ids(one)]
        case list():
            return [id_ for one in value for id_ in _ids(one)]
    return []


async def test_an_id_is_the_same_for_everyone_in_the_tenant_and_on_every_path(plain: MemoryHouse) -> None:
    name = await plain.patient_name(Planted.PATIENT)
    for persona in ("physician", "biller", "patient", "front-desk"):
        answer = await plain.ask(persona, ROOTS["patient"].replace("claims { edges { cursor } }", ""), id=name)
        assert answer["data"]["it"]["id"] == name
    query = "{ patients { edges { node { id claims(first: 1) { edges { node { patient { id } } } } } } } }"
    (edge,) = (await plain.ask("patient", query))["data"]["patients"]["edges"]
    assert edge["node"]["id"] == name == edge["node"]["claims"]["edges"][0]["node"]["patient"]["id"]


@pytest.mark.parametrize("number", [0, 1, 100])
async def test_up_to_100_ids_are_answered_at_once(plain: MemoryHouse, number: int) -> None:
    query = "query ($i: [ID!]!) { nodes(ids: $i) { id } }"
    names = ["x"] * number
    assert (await plain.ask("physician", query, i=names))["data"] == {"nodes": [None] * number}


async def test_more_than_100_ids_are_a_bad_argument(plain: MemoryHouse) -> None:
    answer = await plain.ask("physician", "query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=["x"] * 101)
    assert answer["data"] == {"nodes": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]


async def test_nodes_of_one_type_are_one_call(plain: MemoryHouse) -> None:
    visits = [one for one in plain.populations["riverbend"].visits if one.person == Planted.PATIENT][:6]
    names = [plain.name(RecordType.APPOINTMENT, SCHEDULING, one.appointment_id or "") for one in visits]
    plain.asked()
    answer = await plain.ask("patient", "query ($i: [ID!]!) { nodes(ids: $i) { id } }", i=names)
    assert [node["id"] for node in answer["data"]["nodes"]] == names
    assert len(plain.asked()) == 1
