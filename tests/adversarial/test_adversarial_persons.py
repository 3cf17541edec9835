"""Those who come of age, keep something to themselves, say nothing at all, or are charted twice (HC cases)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from portico.access.principal import Purpose
from portico.records.consent import ConsentKind, Provision
from portico.records.exchange import GraphQLRequest
from portico.records.references import RecordType, SourceName, Tenant
from sandbox.population.canary import canaries
from sandbox.population.model import Population
from sandbox.population.planted import GUARDIAN_SUBJECT, Planted
from tests.adversarial.binding import Q_PATIENT, another_patient, person
from tests.changed import replace
from tests.contract.truth import Truth, ehr_truth
from tests.glass import Glass
from tests.house import EHR, MemoryHouse, memory_house
from tests.oracles.leak import Needles
from tests.oracles.uniform import lasting_body
from tests.spec.served_world import SchemaText

RIVERBEND = Tenant("riverbend")
ROUNDS = int(os.environ.get("ADVERSARIAL_CONSENT_ROUNDS", "100"))
READERS = 4
WAYS = (
    Q_PATIENT,
    "query ($id: ID!) { node(id: $id) { __typename id ... on Patient { ssn name { family } } } }",
    "query ($id: ID!) { nodes(ids: [$id]) { __typename id } }",
    "query ($id: ID!) { appointments(filter: {patient: $id}) { edges { node { id } } pageInfo { hasNextPage } } }",
    "query ($id: ID!) { claims(filter: {patient: $id}) { edges { node { id } } pageInfo { hasNextPage } } }",
    "query ($id: ID!) { accesses(patient: $id) { edges { node { at } } pageInfo { hasNextPage } } }",
)
LISTED = "{ patients(first: 100) { edges { node { id } } } }"


async def _seen(house: MemoryHouse, persona: str, name: str) -> list[bytes]:
    """What a persona is answered to every question about somebody."""
    return [lasting_body((await house.answer(persona, way, id=name)).body) for way in WAYS]


async def _listed(house: MemoryHouse, persona: str, purpose: str | None = None) -> set[str]:
    answer = await house.ask(persona, LISTED, purpose)
    return {edge["node"]["id"] for edge in (answer["data"]["patients"] or {"edges": []})["edges"]}


def _nobody(house: MemoryHouse) -> str:
    """A well-made id of nobody."""
    return house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")


async def test_a_ward_is_the_guardians_until_the_first_instant_of_majority_and_their_own_from_then_on() -> None:
    async with memory_house(explain=False) as running:
        population = running.populations["riverbend"]
        grown = another_patient(running.personas["patient"], person(population, "P05"))
        house = replace(running, personas={**running.personas, grown.name: grown})
        name = await house.patient_name(Planted.NEARLY_OF_AGE)
        nothing = await _seen(house, "guardian", _nobody(house))
        assert name in await _listed(house, "guardian")
        assert all(told != none for told, none in zip(await _seen(house, "guardian", name), nothing, strict=True))

        _comes_of_age(house, Planted.NEARLY_OF_AGE, datetime.now(UTC))

        assert await _seen(house, "guardian", name) == nothing, "whatever was decided and remembered before"
        assert name not in await _listed(house, "guardian")
        assert await _listed(house, "guardian"), "the other wards are untouched"
        own = await house.ask(grown.name, Q_PATIENT, id=name)
        assert own["data"]["patient"]["ssn"]
        _comes_of_age(house, Planted.NEARLY_OF_AGE, datetime.now(UTC) + timedelta(hours=1))
        assert name in await _listed(house, "guardian")


def _comes_of_age(house: MemoryHouse, key: Planted, at: datetime) -> None:
    state = house.crosswalk._tenants[RIVERBEND]
    (chart,) = (one for one in house.populations["riverbend"].people if one.key == key)
    place = (EHR, chart.ehr_id or "")
    state.people[place] = replace(state.people[place], adult_at=at)


SENSITIVE: Mapping[str, str] = {"P07": "PSY", "P08": "HIV", "P09": "SUD", "P17": "RPRO"}


def _of_labelled_visits(population: Population, case: str, label: str) -> set[str]:
    """Every value of a person's visits that bear a label, by itself or for their codes."""
    whose = person(population, case)
    truth = ehr_truth(population, EHR)
    numbers = {one.visit for one in truth.sensitive_visits if label in one.labels and one.source_id == whose.ehr_id}
    assert numbers
    others = tuple(visit for visit in population.visits if visit.number not in numbers)
    return {*canaries(population)} - {*canaries(replace(population, visits=others))}


def _everything_below(text: SchemaText) -> Iterator[str]:
    """A chart with all that one edge leads to, for each edge of a patient."""
    for edge in text.edges("Patient"):
        target = text.target("Patient", edge) or ""
        inside = " ".join(
            f"{field} {text._below(target, field)}" for field in text.values(target) if field != "provenance"
        )
        size = "(first: 50)" if text.many("Patient", edge) else ""
        rows = f"{{ edges {{ cursor node {{ id {inside} }} }} }}" if size else f"{{ id {inside} }}"
        yield f"query ($id: ID!) {{ patient(id: $id) {{ {edge}{size} {rows} }} }}"


@pytest.mark.parametrize("persona", ["unrelated-physician", "front-desk", "biller", "website"])
@pytest.mark.parametrize("case", SENSITIVE)
async def test_nothing_of_a_labelled_visit_reaches_somebody_who_is_not_cleared(
    house: MemoryHouse, text: SchemaText, case: str, persona: str
) -> None:
    population = house.populations["riverbend"]
    needles = Needles(_of_labelled_visits(population, case, SENSITIVE[case]))
    name = await house.patient_name(person(population, case).key)
    bodies = [(await house.answer(persona, query, id=name)).body for query in _everything_below(text)]
    for root, fields in (
        ("appointments", "reason serviceType { code display }"),
        ("claims", "diagnoses { code display } lines { code }"),
    ):
        query = f"{{ {root}(first: 100) {{ edges {{ cursor node {{ id {fields} }} }} }} }}"
        bodies.append((await house.answer(persona, query)).body)
    assert needles.leaked_in(b"\n".join(bodies)) == set()


@pytest.mark.parametrize("case", SENSITIVE)
async def test_the_treating_physician_or_the_patient_is_told_of_the_same_visits(
    house: MemoryHouse, text: SchemaText, case: str
) -> None:
    population = house.populations["riverbend"]
    whose = person(population, case)
    themselves = another_patient(house.personas["patient"], whose)
    known = replace(house, personas={**house.personas, themselves.name: themselves})
    needles = Needles(_of_labelled_visits(population, case, SENSITIVE[case]))
    name = await known.patient_name(whose.key)
    bodies = [(await known.answer(themselves.name, query, id=name)).body for query in _everything_below(text)]
    assert len(needles.found_in(b"\n".join(bodies))) > 5


@pytest.fixture
async def willing(house: MemoryHouse) -> AsyncIterator[str]:
    """P10's id at the graph: they have permitted research once, and not any more."""
    yield await house.patient_name(Planted.LAPSED)
    for state in house.crosswalk._tenants.values():
        state.kept.clear()


async def test_no_read_that_starts_after_a_revocation_is_answered(house: MemoryHouse, willing: str) -> None:
    """Some reads are always under way. Each that told something has its row, and none began too late."""
    patient = await house.patient_id(Planted.LAPSED)
    permit = Provision(kind=ConsentKind.PERMIT, purposes=frozenset({"HRESCH"}))
    query = "query Read($id: ID!) { patient(id: $id) { id gender } }"

    async def read() -> bool:
        return (await house.ask("researcher", query, id=willing))["data"]["patient"] is not None

    released = 0
    for _ in range(ROUNDS):
        made = await house.crosswalk.record_consent(RIVERBEND, patient, permit, by="usr-patient")
        assert made is not None
        assert await read()
        early = [asyncio.create_task(read()) for _ in range(READERS)]
        await asyncio.sleep(0)
        assert await house.crosswalk.revoke_consent(RIVERBEND, made, patient=patient, by="usr-patient")
        assert not any(await asyncio.gather(*(read() for _ in range(READERS))))
        released += 1 + sum(await asyncio.gather(*early))
    rows = [entry for entry in house.trail.entries if entry.operation_name == "Read" and patient in entry.patients]
    assert len(rows) == released >= ROUNDS


def _silent(_: SourceName, truth: Truth) -> Truth:
    """Nobody has ever said anything, P19 neither."""
    return replace(truth, consents=())


async def test_who_has_never_said_anything_is_shown_for_care_and_its_payment_and_for_nothing_else() -> None:
    async with memory_house(explain=False, distort=_silent) as house:
        name = await house.patient_name(person(house.populations["riverbend"], "P19").key)
        for persona, purpose in (("physician", "TREAT"), ("biller", "HPAYMT"), ("front-desk", "HOPERAT")):
            assert name in await _listed(house, persona, purpose)
            caller = house.caller(persona, purpose)
            everything = replace(caller.principal, purposes=frozenset(Purpose))
            for other in (Purpose("HMARKT"), Purpose("HRESCH")):
                asking = replace(caller, principal=everything, purpose=other)
                request = GraphQLRequest(query=Q_PATIENT, variables={"id": name})
                answer = orjson.loads((await house.executor.answer(request, asking)).body)
                assert answer["data"] == {"patient": None}
        assert await _listed(house, "researcher", "HRESCH") == set()


async def test_glass_broken_for_ones_family_is_told_and_looked_into_like_any(house: MemoryHouse) -> None:
    """A physician who is the patient's guardian too: nothing tells Portico of other families."""
    glass = Glass(house)
    try:
        answer = await glass.broken(Planted.ELDER_CHILD, with_={"subject": GUARDIAN_SUBJECT})
        access = answer["data"]["breakTheGlass"]["id"]
        assert await house.alerts.waiting([RIVERBEND]) == 1
        queue = await glass.run("{ emergencyAccesses { edges { node { id } } } }", "privacy-officer", "HOPERAT")
        assert [edge["node"]["id"] for edge in queue["data"]["emergencyAccesses"]["edges"]] == [access]
    finally:
        glass.mend()


def _parted(source: SourceName, truth: Truth) -> Truth:
    """The EHR has taken every merge back."""
    if source != EHR:
        return truth
    return replace(truth, people=tuple(replace(one, replaced_by=None) for one in truth.people))


async def test_a_merge_opens_neither_chart_by_the_other_and_parting_them_restores_both() -> None:
    """P11 was merged into P12; the guardian of the one, and either of them, try both ids."""
    for distort, merged in ((lambda _, truth: truth, True), (_parted, False)):
        async with memory_house(explain=False, distort=distort) as running:
            population = running.populations["riverbend"]
            people = {
                key: another_patient(running.personas["patient"], person(population, key)) for key in ("P11", "P12")
            }
            house = replace(running, personas={**running.personas, **people})
            names = {key: await house.patient_name(person(population, key).key) for key in people}
            await house.crosswalk.grant_guardianship(
                RIVERBEND,
                guardian=GUARDIAN_SUBJECT,
                patient=await house.patient_id(Planted.MERGED),
                start=None,
                end=None,
            )
            nothing = await _seen(house, "P11", _nobody(house))
            assert await _seen(house, "guardian", names["P12"]) == nothing
            assert await _seen(house, "P11", names["P12"]) == nothing
            assert await _seen(house, "P12", names["P11"]) == nothing
            assert await _listed(house, "P12") == {names["P12"]}
            assert await _listed(house, "P11") == (set() if merged else {names["P11"]})
            assert (await _seen(house, "P11", names["P11"]) == nothing) is merged
