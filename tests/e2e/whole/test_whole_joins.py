"""One person's data lies in three systems under three names, and comes back as one person's: theirs, and all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from portico.demo.state import State
from sandbox.identity.personas import Persona, personas
from sandbox.population import storage
from sandbox.population.model import Person, Population
from sandbox.population.planted import Planted
from tests.contract.truth import billing_truth, ehr_truth, scheduling_truth
from tests.e2e.whole.stage import ROOT, Demo, start
from tests.house import BILLING, EHR, SCHEDULING
from tests.oracles.reply import Json
from tests.spec.served_world import UNLINKED
from tests.spec.told import JUDGED

EXAMPLE = ROOT / "sandbox/population/synthea/example.json"
BUNDLED_FAMILY = "Exemplar"
CLEARED = {"N", "R"}
"""The biller's labels."""
REFUSING = {Planted.REFUSING_CLINIC, Planted.SELF_PAYER, Planted.OPTING_IN}
"""Whose consents keep everything of theirs from the biller."""

PEOPLE = """query ($after: String, $filter: PatientFilter) { patients(first: 10, after: $after, filter: $filter) {
  edges { node { mrn name { family given } birthDate
    appointments(first: 40) { edges { node { id start provenance { source sourceId }
      encounter { id } claims(first: 5) { edges { node { id } } } } } }
    encounters(first: 40) { edges { node { id period { start } provenance { source sourceId }
      appointment { id } claims(first: 5) { edges { node { id } } } } } }
    claims(first: 40) { edges { node { id created billed { amount } provenance { source sourceId }
      appointment { id patient { mrn } } encounter { id patient { mrn } } coverage { memberId } } } }
    coverages(first: 40) { edges { node { memberId payer provenance { source } } } } } }
  pageInfo { hasNextPage endCursor } } }"""


@dataclass(frozen=True)
class Met:
    """What one visit is to each source: the vendor's appointment, the EHR's encounter, the claims billed for it."""

    appointment: str | None
    encounter: str | None
    claims: frozenset[str]


@dataclass(frozen=True)
class Joined:
    """What is joined of one person."""

    members: frozenset[str]
    met: frozenset[Met]
    """Every visit that is in the diary or took place."""
    claims: frozenset[tuple[str, str | None, str | None]]
    """Every claim with the appointment and the encounter that it is for."""


def _sensitive(population: Population) -> frozenset[str]:
    """The ids of visits and claims that their own labels restrict, or those of the visit that they hang off."""
    ehr = ehr_truth(population, EHR)
    visits = {one.visit for one in ehr.sensitive_visits}
    others = (scheduling_truth(population, SCHEDULING), billing_truth(population, BILLING))
    records = [record for truth in (ehr, *others) for record in truth.records if record.type in JUDGED]
    restricted = (one for one in records if one.labels - CLEARED or getattr(one, "visit", None) in visits)
    return frozenset(one.id.value for one in restricted)


def _truth(person: Person, population: Population) -> Joined:
    """What the population says that isn't sensitive, as far as the sources' ideas of who is who can be trusted."""
    booked = person.scheduling is not None and ("scheduling", person.key) not in UNLINKED
    billed = person.billing is not None and ("billing", person.key) not in UNLINKED
    sensitive = _sensitive(population)
    visits: dict[str, Met] = {}
    for visit in population.visits:
        if visit.person != person.key:
            continue
        known = visits.get(visit.number, Met(None, None, frozenset()))
        visits[visit.number] = Met(
            known.appointment or (visit.appointment_id if booked and visit.appointment_id not in sensitive else None),
            known.encounter or (visit.encounter_id if visit.encounter_id not in sensitive else None),
            known.claims | ({visit.claim.number} - sensitive if visit.claim and billed else set()),
        )
    return Joined(
        members=frozenset(coverage.member_id for coverage in person.coverages),
        met=frozenset(met for met in visits.values() if met.appointment or met.encounter),
        claims=frozenset((claim, met.appointment, met.encounter) for met in visits.values() for claim in met.claims),
    )


def _served(person: Json) -> Joined:
    """What came back, its edges followed in every direction."""
    kinds = ("appointments", "encounters", "claims")
    number = {node["id"]: node["provenance"]["sourceId"] for kind in kinds for node in _nodes(person, kind)}

    def billed(node: Json) -> frozenset[str]:
        return frozenset(number[claim["id"]] for claim in _nodes(node, "claims"))

    def one(node: Json | None) -> str | None:
        return None if node is None else number[node["id"]]

    seen_from_diary = {Met(one(node), one(node["encounter"]), billed(node)) for node in _nodes(person, "appointments")}
    seen_from_chart = {Met(one(node["appointment"]), one(node), billed(node)) for node in _nodes(person, "encounters")}
    return Joined(
        members=frozenset(node["memberId"] for node in _nodes(person, "coverages")),
        met=frozenset(seen_from_diary | seen_from_chart),
        claims=frozenset(
            (number[node["id"]], one(node["appointment"]), one(node["encounter"])) for node in _nodes(person, "claims")
        ),
    )


def _nodes(person: Json, field: str) -> list[Json]:
    return [edge["node"] for edge in person[field]["edges"]]


def _everybody(demo: Demo, persona: str) -> Iterator[Json]:
    after, more = None, True
    while more:
        page = demo.data(persona, PEOPLE, after=after)["patients"]
        yield from (edge["node"] for edge in page["edges"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]


def _seen_by_biller(population: Population, biller: Persona) -> list[Person]:
    """Everyone of the biller's own organization who is not sensitive as a whole, and didn't say no to it."""
    employers = {one.ehr_id: one.key for one in population.organizations}
    own = [one for one in population.people if one.organization == employers[biller.organization or ""]]
    return [one for one in own if one.ehr_id and not one.replaced_by and not one.labels and one.key not in REFUSING]


def _is_whole(met: Met) -> bool:
    """Whether all three sources know of it."""
    return bool(met.appointment and met.encounter and met.claims)


def test_everybody_s_visits_are_joined_across_three_sources(
    demo: Demo, populations: Mapping[str, Population], cast: Mapping[str, Persona]
) -> None:
    population = populations["riverbend"]
    expected = {one.mrn: one for one in _seen_by_biller(population, cast["biller"])}
    served = {person["mrn"]: person for person in _everybody(demo, "biller")}
    assert served.keys() == expected.keys()
    for mrn, person in expected.items():
        assert _served(served[mrn]) == _truth(person, population), person.key
    whole = [met for person in expected.values() for met in _truth(person, population).met if _is_whole(met)]
    assert len(whole) > 50


def test_every_value_comes_from_its_own_source(demo: Demo) -> None:
    for person in _everybody(demo, "biller"):
        for field, source in (("appointments", "scheduling"), ("encounters", "ehr"), ("claims", "billing")):
            assert {node["provenance"]["source"] for node in _nodes(person, field)} <= {source}
        for claim in _nodes(person, "claims"):
            for other in (claim["appointment"], claim["encounter"]):
                assert other is None or other["patient"] == {"mrn": person["mrn"]}


def test_who_is_in_doubt_has_no_claims_rather_than_another_s(
    demo: Demo, populations: Mapping[str, Population], cast: Mapping[str, Persona]
) -> None:
    population = populations["riverbend"]
    doubtful = {Planted.SHARED_MEMBER, Planted.NAMESAKE, Planted.OTHER_NAMESAKE}
    billed = {visit.person for visit in population.visits if visit.claim}
    people = [one for one in _seen_by_biller(population, cast["biller"]) if one.key in doubtful & billed]
    assert people
    for person in people:
        (edge,) = demo.data("biller", PEOPLE, filter={"identifier": person.mrn})["patients"]["edges"]
        assert edge["node"]["claims"]["edges"] == []


def test_a_misspelt_subscriber_with_the_right_number_is_the_same_person(
    demo: Demo, populations: Mapping[str, Population]
) -> None:
    population = populations["riverbend"]
    (person,) = (one for one in population.people if one.key == Planted.MISSPELT)
    assert person.billing
    assert person.billing.family != person.family
    (edge,) = demo.data("physician", PEOPLE, filter={"family": person.family})["patients"]["edges"]
    assert _served(edge["node"]).claims == _truth(person, population).claims != frozenset()


def test_people_of_a_synthea_bundle_are_taken_apart_and_joined_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    state = State(tmp_path_factory.mktemp("bundled") / "state")
    demo = start(state, "--data", str(EXAMPLE))
    try:
        population = storage.load(state.population("riverbend"))
        (person,) = (one for one in population.people if one.family == BUNDLED_FAMILY)
        biller = personas(population, storage.load(state.population("harbor")))["biller"]
        assert person in _seen_by_biller(population, biller)
        (edge,) = demo.data("biller", PEOPLE, filter={"family": BUNDLED_FAMILY})["patients"]["edges"]
        node = edge["node"]
    finally:
        demo.stop()
    assert (node["name"]["given"], node["birthDate"]) == ([person.given], person.birth_date)
    joined = _served(node)
    assert joined == _truth(person, population)
    assert len([met for met in joined.met if _is_whole(met)]) == 2
    assert len(joined.claims) == 3
    assert {one["node"]["payer"] for one in node["coverages"]["edges"]} == {one.payer for one in person.coverages}
