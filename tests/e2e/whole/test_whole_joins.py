"""One person's data lies in three systems under three names, and comes back as one person's: theirs, and all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from portico.demo.state import State
from sandbox.identity.personas import Persona, personas
from sandbox.population import storage
from sandbox.population.model import Person, Population, Visit
from sandbox.population.planted import Planted
from tests.e2e.whole.stage import ROOT, Demo, Json, start
from tests.spec.served_world import UNLINKED

EXAMPLE = ROOT / "sandbox/population/synthea/example.json"
BUNDLED_FAMILY = "Exemplar"

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
class Joined:
    """What is to be joined of one person: each visit's number in each source that has it."""

    appointments: frozenset[str]
    encounters: frozenset[str]
    claims: frozenset[str]
    members: frozenset[str]
    visits: frozenset[tuple[str | None, str | None, str | None]]
    """Appointment, encounter and claim of the same visit; None where there is none."""


def _truth(person: Person, population: Population) -> Joined:
    """What the population says, as far as the sources' ideas of who is who can be trusted."""
    visits = [visit for visit in population.visits if visit.person == person.key and not visit.labels]
    places = [_places(person, visit) for visit in visits]
    return Joined(
        appointments=frozenset(place[0] for place in places if place[0]),
        encounters=frozenset(place[1] for place in places if place[1]),
        claims=frozenset(place[2] for place in places if place[2]),
        members=frozenset(coverage.member_id for coverage in person.coverages),
        visits=frozenset(place for place in places if any(place)),
    )


def _places(person: Person, visit: Visit) -> tuple[str | None, str | None, str | None]:
    scheduled = person.scheduling and ("scheduling", person.key) not in UNLINKED
    billed = person.billing and ("billing", person.key) not in UNLINKED
    claim = visit.claim.number if visit.claim and billed else None
    return (visit.appointment_id if scheduled else None, visit.encounter_id, claim)


def _served(person: Json) -> Joined:
    """What came back, its edges followed in every direction."""
    kinds = {kind: _nodes(person, kind) for kind in ("appointments", "encounters", "claims")}
    number = {node["id"]: node["provenance"]["sourceId"] for nodes in kinds.values() for node in nodes}
    visits = set()
    for node in kinds["appointments"]:
        visits.add((number[node["id"]], _one(number, node["encounter"]), _first(number, node)))
    for node in kinds["encounters"]:
        visits.add((_one(number, node["appointment"]), number[node["id"]], _first(number, node)))
    for node in kinds["claims"]:
        visits.add((_one(number, node["appointment"]), _one(number, node["encounter"]), number[node["id"]]))
    found = {kind: frozenset(number[node["id"]] for node in nodes) for kind, nodes in kinds.items()}
    return Joined(
        appointments=found["appointments"],
        encounters=found["encounters"],
        claims=found["claims"],
        members=frozenset(node["memberId"] for node in _nodes(person, "coverages")),
        visits=frozenset(visits),
    )


def _nodes(person: Json, field: str) -> list[Json]:
    return [edge["node"] for edge in person[field]["edges"]]


def _one(number: Mapping[str, str], node: Json | None) -> str | None:
    return None if node is None else number[node["id"]]


def _first(number: Mapping[str, str], node: Json) -> str | None:
    claims = _nodes(node, "claims")
    assert len(claims) <= 1
    return number[claims[0]["id"]] if claims else None


def _everybody(demo: Demo, persona: str) -> Iterator[Json]:
    after, more = None, True
    while more:
        page = demo.data(persona, PEOPLE, after=after)["patients"]
        yield from (edge["node"] for edge in page["edges"])
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]


def _seen_by_biller(population: Population, biller: Persona) -> list[Person]:
    """Everyone of the biller's own organization who is not sensitive as a whole."""
    employers = {one.ehr_id: one.key for one in population.organizations}
    own = employers[biller.organization or ""]
    return [one for one in population.people if one.ehr_id and one.organization == own and not one.labels]


def test_everybody_s_visits_are_joined_across_three_sources(
    demo: Demo, populations: Mapping[str, Population], cast: Mapping[str, Persona]
) -> None:
    population = populations["riverbend"]
    expected = {one.mrn: one for one in _seen_by_biller(population, cast["biller"])}
    served = {person["mrn"]: person for person in _everybody(demo, "biller")}
    assert served.keys() == expected.keys()
    for mrn, person in expected.items():
        assert _served(served[mrn]) == _truth(person, population), person.key
    whole = [visit for person in expected.values() for visit in _truth(person, population).visits if all(visit)]
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
    assert len([visit for visit in joined.visits if all(visit)]) == 2
    assert {one["node"]["payer"] for one in node["coverages"]["edges"]} == {one.payer for one in person.coverages}
