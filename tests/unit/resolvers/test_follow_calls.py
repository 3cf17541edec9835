"""What a query costs its sources and the policies: a batch for a level, whatever the number of patients."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator

import pytest

from portico.access.engine import Rule
from portico.records.references import RecordType, SourceName
from portico.records.types import Appointment, Claim, Encounter
from resolvers.edges import EDGES
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.contract.truth import Truth
from tests.glass import Glass
from tests.house import BILLING, EHR, SCHEDULING, Asked, MemoryHouse, memory_house

LEVELS = 4
JOINED = """query ($n: Int!) { patients(first: $n) { edges { node { id name { family }
  appointments(first: 5) { edges { node { start practitioner { name { family } } } } }
  encounters(first: 5) { edges { node { status practitioner { npi } location { name } } } }
  claims(first: 5) { edges { node { status provider { npi } coverage { payer } } } }
  coverages { edges { node { payer } } } generalPractitioner { npi } } } } }"""


def _kinds(asked: list[Asked]) -> Counter[tuple[str, str]]:
    return Counter((one.source, one.type.value) for one in asked)


@pytest.fixture(scope="module")
async def crowd() -> AsyncIterator[MemoryHouse]:
    """Enough patients of one organization for pages of 40, and no label that hides one of them."""
    async with memory_house(size=80, distort=_unlabelled) as running:
        yield running


def _unlabelled(_: SourceName, truth: Truth) -> Truth:
    return replace(truth, records=tuple(replace(record, labels=frozenset()) for record in truth.records))


async def test_a_joined_query_costs_the_same_source_calls_for_1_10_and_40_patients(crowd: MemoryHouse) -> None:
    costs = []
    for n in (1, 10, 40):
        crowd.asked()
        answer = await crowd.ask("biller", JOINED, n=n)
        assert len(answer["data"]["patients"]["edges"]) == n
        costs.append(_kinds(crowd.asked()))
    assert costs[0] == costs[1] == costs[2]
    assert set(costs[0]) == {
        (EHR, "Patient"), (EHR, "Encounter"), (EHR, "Coverage"), (EHR, "Practitioner"), (EHR, "Location"),
        (SCHEDULING, "Appointment"), (BILLING, "Claim"),
    }  # fmt: skip
    assert {kind for kind, calls in costs[0].items() if calls > 1} <= {(EHR, "Practitioner")}


async def test_joins_by_visit_cost_at_most_one_more_call_for_each_edge_of_the_document(crowd: MemoryHouse) -> None:
    query = """query ($n: Int!) { patients(first: $n) { edges { node {
      appointments(first: 5) { edges { node { encounter { status } claims { edges { node { id } } } } } }
      encounters(first: 5) { edges { node { appointment { start } claims { edges { node { id } } } } } } } } } }"""
    for n in (1, 10, 40):
        crowd.asked()
        answer = await crowd.ask("researcher", query, n=n)
        assert len(answer["data"]["patients"]["edges"]) == n
        cost = _kinds(crowd.asked())
        assert cost[EHR, "Encounter"] <= 2
        assert cost[SCHEDULING, "Appointment"] <= 2
        assert cost[BILLING, "Claim"] <= 2


async def test_keys_beyond_a_sources_batch_limit_go_in_chunks_and_no_more(crowd: MemoryHouse) -> None:
    query = "{ patients(first: 60) { edges { node { appointments(first: 1) { edges { node { id } } } } } } }"
    crowd.asked()
    answer = await crowd.ask("researcher", query)
    assert len(answer["data"]["patients"]["edges"]) == 60
    of_vendor = [one for one in crowd.asked() if one.source == SCHEDULING]
    assert [len(one.keys) <= 50 for one in of_vendor] == [True, True]
    assert len({key for one in of_vendor for key in one.keys}) == sum(len(one.keys) for one in of_vendor)


async def test_policies_are_asked_at_most_once_a_level_when_cold_and_never_when_warm() -> None:
    async with memory_house(distort=_unlabelled) as cold:
        cold.engine.asked.clear()
        first = await cold.ask("physician", JOINED, n=5)
        counted = Counter(cold.engine.asked)
        assert counted[Rule.CEILING] == 1
        assert counted[Rule.SCOPE] == 1
        assert counted[Rule.CLASSES] <= LEVELS
        assert first["extensions"]["portico"]["policy"]["calls"] == counted.total()
        cold.engine.asked.clear()
        again = await cold.ask("physician", JOINED, n=5)
        assert cold.engine.asked == []
        assert again["extensions"]["portico"]["policy"]["calls"] == 0
        assert again["data"] == first["data"]


async def test_a_sensitivity_label_costs_at_most_one_more_question_for_each_type_that_carries_it() -> None:
    async with memory_house() as cold:
        cold.engine.asked.clear()
        await cold.ask("physician", JOINED, n=5)
        assert Counter(cold.engine.asked)[Rule.CLASSES] <= LEVELS + len({"Appointment", "Encounter"})


async def test_what_one_caller_was_told_is_not_what_another_is_told(house: MemoryHouse) -> None:
    query = "{ patients(first: 1) { edges { node { birthDate } } } }"
    for persona in ("physician", "researcher"):
        house.engine.asked.clear()
        answer = await house.ask(persona, query)
        assert house.engine.asked
        born = answer["data"]["patients"]["edges"][0]["node"]["birthDate"]
        assert len(born) == {"physician": 10, "researcher": 4}[persona]


async def test_the_crosswalk_is_asked_once_for_a_level(house: MemoryHouse) -> None:
    for n in (2, 20):
        house.crosswalk.queries = 0
        await house.ask("biller", JOINED, n=n)
        assert 1 <= house.crosswalk.queries <= LEVELS


async def test_the_same_entity_by_two_paths_is_fetched_once(house: MemoryHouse) -> None:
    query = """{ patients(first: 10) { edges { node {
      generalPractitioner { name { family } }
      careTeam { edges { node { practitioner { name { family } } } } } } } } }"""
    await house.ask("physician", query)
    keys = [key for one in house.asked() if one.type is RecordType.PRACTITIONER for key in one.keys]
    assert keys
    assert len(keys) == len(set(keys))


async def test_a_patient_reached_again_through_their_visits_is_not_fetched_again(house: MemoryHouse) -> None:
    query = """query ($id: ID!) { patient(id: $id) { name { family } appointments { edges { node {
      patient { name { family } encounter: appointments(first: 1) { edges { node { id } } } } } } } } }"""
    answer = await house.ask("patient", query, id=await house.patient_name(Planted.PATIENT))
    patient = answer["data"]["patient"]
    assert {edge["node"]["patient"]["name"]["family"] for edge in patient["appointments"]["edges"]} == {
        patient["name"]["family"]
    }
    assert _kinds(house.asked())[EHR, "Patient"] == 1


async def test_like_edges_under_aliases_share_their_batch(house: MemoryHouse) -> None:
    one = "{ edges { node { appointments(first: 2) { edges { node { start } } } } } }"
    await house.ask("biller", f"{{ a: patients(first: 5) {one} b: patients(first: 5) {one} }}")
    assert _kinds(house.asked())[SCHEDULING, "Appointment"] <= 1 + 1


@pytest.mark.parametrize("persona", ["front-desk", "researcher", "biller", "physician"])
async def test_no_source_is_asked_for_an_attribute_that_the_ceiling_denies(house: MemoryHouse, persona: str) -> None:
    """Except what joins two records (a visit's or a member's number), which is used and goes no further."""
    query = """{ patients(first: 10) { edges { node {
      name { family } birthDate gender mrn ssn identifiers { value } phone email address { city }
      appointments(first: 5) { edges { node { start reason serviceType { code } } } }
      encounters(first: 5) { edges { node { reasons { code } period { start } } } }
      coverages(first: 5) { edges { node { memberId payer } } }
      claims(first: 5) { edges { node { diagnoses { code } billed { amount } lines { units } } } } } } } }"""
    answer = await house.ask(persona, query)
    denied = {error["extensions"]["coordinate"] for error in answer.get("errors", ())}
    assert denied
    asked = house.asked()
    for type_name, coordinates in house.schema.tags.items():
        for attribute, coordinate in coordinates.items():
            if coordinate.name in denied:
                assert [one for one in asked if one.type.value == type_name and attribute in one.attributes] == []


async def test_only_what_is_selected_or_joins_is_asked_of_a_source(house: MemoryHouse) -> None:
    await house.ask("physician", "{ patients(first: 3) { edges { node { gender } } } }")
    (asked,) = house.asked()
    assert asked.attributes == {"gender"}


@pytest.mark.parametrize(
    ("persona", "root"),
    [
        ("auditor", "patients"), ("operator", "patients"), ("website", "patients"), ("website", "claims"),
        ("front-desk", "claims"), ("biller", "slots"), ("researcher", "slots"), ("operator", "practitioners"),
    ],
)  # fmt: skip
async def test_a_type_that_is_denied_whole_is_never_asked_for(house: MemoryHouse, persona: str, root: str) -> None:
    answer = await house.ask(persona, f"{{ {root} {{ edges {{ node {{ id }} }} }} }}")
    assert answer["data"] == {root: {"edges": []}}
    assert house.asked() == []


async def test_an_edge_that_is_denied_costs_no_source_call(house: MemoryHouse) -> None:
    query = "{ patients(first: 10) { edges { node { gender claims { edges { node { status } } } } } } }"
    answer = await house.ask("front-desk", query)
    assert {edge["node"]["claims"] for edge in answer["data"]["patients"]["edges"]} == {None}
    assert set(_kinds(house.asked())) == {(EHR, "Patient")}


async def test_a_record_of_a_type_that_is_denied_whole_costs_no_source_call_by_its_id_either(
    house: MemoryHouse,
) -> None:
    claim = next(visit.claim.number for visit in house.populations["riverbend"].visits if visit.claim)
    name = house.name(RecordType.CLAIM, BILLING, claim)
    query = "query ($id: ID!) { node(id: $id) { id __typename } claim(id: $id) { status } }"
    for persona in ("front-desk", "website", "auditor", "operator"):
        answer = await house.ask(persona, query, id=name)
        assert answer["data"] == {"node": None, "claim": None}
        assert house.asked() == []
    assert (await house.ask("biller", query, id=name))["data"]["claim"] is not None


async def test_a_patient_who_may_not_be_seen_costs_no_source_call(house: MemoryHouse) -> None:
    query = "query ($id: ID!) { patient(id: $id) { name { family } claims { edges { node { id } } } } }"
    name = await house.patient_name(Planted.STRANGER)
    for persona in ("physician", "patient", "guardian", "auditor"):
        assert (await house.ask(persona, query, id=name))["data"] == {"patient": None}
        assert house.asked() == []


async def test_skipped_and_unincluded_fields_are_not_fetched(house: MemoryHouse) -> None:
    query = """query ($no: Boolean!, $yes: Boolean!) { patients(first: 2) { edges { node { gender
      claims @skip(if: $yes) { edges { node { id } } }
      ... on Patient @include(if: $no) { appointments { edges { node { id } } } birthDate }
      coverages @include(if: $no) @skip(if: $no) { edges { node { id } } }
      language @skip(if: $no) } } } }"""
    answer = await house.ask("biller", query, no=False, yes=True)
    assert set(answer["data"]["patients"]["edges"][0]["node"]) == {"gender", "language"}
    (asked,) = house.asked()
    assert asked.attributes == {"gender", "language", "managing_organization"}, "the last to see whose each row is"


async def test_every_edge_can_be_followed_from_every_record_that_has_it(house: MemoryHouse) -> None:
    """Each row of the table once, from the patient's own records, so that none is a dead end by mistake."""
    led: set[tuple[RecordType, str]] = set()
    text = {name: list(fields) for name, fields in house.schema.fields.items()}
    reach = {
        "Patient": "",
        "Appointment": "appointments { edges { node { %s } } }",
        "Encounter": "encounters { edges { node { %s } } }",
        "Claim": "claims { edges { node { %s } } }",
        "Coverage": "coverages { edges { node { %s } } }",
        "CareTeamMember": "careTeam { edges { node { %s } } }",
    }
    name = await house.patient_name(Planted.PATIENT)
    glass = Glass(house)
    await glass.access(Planted.PATIENT)
    for (origin, attribute), edge in EDGES.items():
        if origin is RecordType.SLOT:
            continue
        field = house.schema.tags[origin.value][attribute].name.partition(".")[2]
        assert field in text[origin.value]
        inner = f"{field} {{ {'edges { node { __typename } }' if edge.many else '__typename'} }}"
        body = reach[origin.value] % inner if reach[origin.value] else inner
        answer = await house.ask("patient", f"query ($id: ID!) {{ patient(id: $id) {{ {body} }} }}", id=name)
        assert "errors" not in answer
        if f'"__typename": "{edge.target.value}"' in str(answer["data"]).replace("'", '"'):
            led.add((origin, attribute))
    glass.mend()
    assert led == {key for key in EDGES if key[0] is not RecordType.SLOT}


def _crossed(source: SourceName, truth: Truth) -> Truth:
    """Billing says of one of the patient's claims that it belongs to a visit of somebody else, and back."""
    if source != BILLING:
        return truth
    claims = [record for record in truth.records if isinstance(record, Claim)]
    own, other = claims[0], next(claim for claim in claims if claim.subject != claims[0].subject)
    changed = {own.id: replace(own, visit=other.visit), other.id: replace(other, visit=own.visit)}
    return replace(truth, records=tuple(changed.get(record.id, record) for record in truth.records))


async def test_a_visit_number_that_leads_to_somebody_else_is_reported_and_never_blended() -> None:
    async with memory_house(distort=_crossed) as crossed:
        query = """query ($id: ID!) { patient(id: $id) { claims { edges { node { id appointment { id }
          encounter { id } } } } appointments { edges { node { id claims { edges { node { id } } } } } } } }"""
        answer = await crossed.ask("patient", query, id=await crossed.patient_name(Planted.PATIENT))
        errors = {error["extensions"]["affectedPath"]: error["extensions"] for error in answer["errors"]}
        assert {one["code"] for one in errors.values()} == {"SOURCE_INVALID"}
        assert errors["patient.appointments.edges.@.node.claims"]["source"] == BILLING
        assert errors["patient.claims.edges.@.node.encounter"]["source"] == EHR
        assert errors["patient.claims.edges.@.node.appointment"]["source"] == SCHEDULING
        own = {edge["node"]["id"] for edge in answer["data"]["patient"]["claims"]["edges"]}
        for edge in answer["data"]["patient"]["appointments"]["edges"]:
            found = edge["node"]["claims"]
            assert found is None or {inner["node"]["id"] for inner in found["edges"]} <= own


def _doubled(_: SourceName, truth: Truth) -> Truth:
    """Two encounters and two appointments of the patient under one visit number."""
    records = list(truth.records)
    for type_ in (Encounter, Appointment):
        found = [record for record in records if isinstance(record, type_)][:2]
        if len(found) == 2:
            records[records.index(found[1])] = replace(found[1], visit=found[0].visit, subject=found[0].subject)
    return replace(truth, records=tuple(records))


async def test_where_several_records_answer_to_a_key_of_one_none_is_chosen() -> None:
    async with memory_house(distort=_doubled) as doubled:
        query = """query ($id: ID!) { patient(id: $id) {
          claims { edges { node { encounter { id } appointment { id } } } } } }"""
        answer = await doubled.ask("patient", query, id=await doubled.patient_name(Planted.PATIENT))
        nodes = [edge["node"] for edge in answer["data"]["patient"]["claims"]["edges"]]
        assert sum(node["encounter"] is None for node in nodes) >= 1
        assert sum(node["appointment"] is None for node in nodes) >= 1
