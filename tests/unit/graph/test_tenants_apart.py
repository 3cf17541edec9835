"""Two tenants whose sources use the same ids: nothing crosses."""

from __future__ import annotations

import pytest

from portico.records.references import By, RecordType, Tenant
from sandbox.population.planted import Planted
from tests.house import BILLING, EHR, SCHEDULING, MemoryHouse

EVERYTHING = """{ patients(first: 100) { edges { node { id name { family given } birthDate email mrn
  appointments(first: 10) { edges { node { id start reason } } } claims(first: 10) { edges { node { id } } } } } } }"""


async def test_both_tenants_use_the_same_ids_for_different_people(house: MemoryHouse) -> None:
    """Without this the tests below would prove nothing."""
    ids = [{one.ehr_id for one in population.people if one.ehr_id} for population in house.populations.values()]
    assert ids[1] < ids[0]
    people = [{one.ehr_id: one for one in population.people} for population in house.populations.values()]
    assert people[0]["pt-1001"].email != people[1]["pt-1001"].email


async def test_the_physician_of_the_other_clinic_sees_only_their_own_tenants_people(house: MemoryHouse) -> None:
    mails = {name: {one.email for one in population.people} for name, population in house.populations.items()}
    for persona, own, foreign in (("other-clinic", "harbor", "riverbend"), ("physician", "riverbend", "harbor")):
        answer = await house.ask(persona, EVERYTHING)
        seen = {edge["node"]["email"] for edge in answer["data"]["patients"]["edges"]}
        assert seen
        assert seen <= mails[own]
        assert not seen & mails[foreign]


async def test_a_request_of_one_tenant_asks_no_source_of_the_other(house: MemoryHouse) -> None:
    await house.ask("other-clinic", EVERYTHING)
    assert house.asked("riverbend") == []
    assert house.asked("harbor") != []
    await house.ask("physician", EVERYTHING)
    assert house.asked("harbor") == []


async def test_ids_of_one_tenant_name_nothing_in_the_other(house: MemoryHouse) -> None:
    query = "query ($i: [ID!]!) { nodes(ids: $i) { id __typename } }"
    for type_, source, value in (
        (RecordType.APPOINTMENT, SCHEDULING, "A100001"),
        (RecordType.PRACTITIONER, EHR, "prac-1"),
        (RecordType.ORGANIZATION, EHR, "org-1"),
        (RecordType.ENCOUNTER, EHR, "enc-1001"),
        (RecordType.CLAIM, BILLING, "C-1"),
    ):
        ours, theirs = (house.name(type_, source, value, tenant) for tenant in ("riverbend", "harbor"))
        assert ours != theirs
        answer = await house.ask("physician", query, i=[theirs])
        assert answer["data"] == {"nodes": [None]}
    own = house.name(RecordType.PRACTITIONER, EHR, "prac-1", "harbor")
    assert (await house.ask("other-clinic", query, i=[own]))["data"]["nodes"] != [None]


async def test_a_patient_has_different_canonical_ids_and_names_in_two_tenants(house: MemoryHouse) -> None:
    ids = [await house.patient_id(Planted.PATIENT, tenant) for tenant in ("riverbend", "harbor")]
    names = [await house.patient_name(Planted.PATIENT, tenant) for tenant in ("riverbend", "harbor")]
    assert len({*ids}) == len({*names}) == 2


async def test_what_was_decided_for_one_tenant_is_not_remembered_for_the_other(house: MemoryHouse) -> None:
    house.engine.publish()
    await house.ask("physician", "{ patients(first: 1) { edges { node { gender } } } }")
    house.engine.asked.clear()
    await house.ask("other-clinic", "{ patients(first: 1) { edges { node { gender } } } }")
    assert house.engine.asked


async def test_audit_rows_lie_in_their_own_tenants_chain(house: MemoryHouse) -> None:
    await house.ask("other-clinic", EVERYTHING)
    await house.ask("physician", EVERYTHING)
    first, second = house.trail.entries
    assert (first.tenant, second.tenant) == ("harbor", "riverbend")
    assert not first.patients & second.patients
    for entry, tenant in ((first, "harbor"), (second, "riverbend")):
        for patient in entry.patients:
            assert await house.trail.seen(Tenant(tenant), patient)
            assert not await house.trail.seen(Tenant("riverbend" if tenant == "harbor" else "harbor"), patient)


@pytest.mark.parametrize("field", ["patient", "practitioner"])
async def test_filtering_by_another_tenants_id_finds_nothing(house: MemoryHouse, field: str) -> None:
    theirs = {
        "patient": await house.patient_name(Planted.PATIENT, "harbor"),
        "practitioner": house.name(RecordType.PRACTITIONER, EHR, "prac-1", "harbor"),
    }
    query = f"query ($id: ID!) {{ appointments(filter: {{{field}: $id}}) {{ edges {{ node {{ id }} }} }} }}"
    answer = await house.ask("physician", query, id=theirs[field])
    assert answer["data"] == {"appointments": {"edges": []}}
    assert "errors" not in answer
    assert [one for one in house.asked() if one.by != By.ID] == []
