from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime

import pytest

from sandbox.population.canary import Canary, canaries, dollars, minute
from sandbox.population.generator import generate
from sandbox.population.model import Code, Person, Population, Visit
from sandbox.population.planted import Planted

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def population() -> Population:
    return generate("riverbend", seed=7, size=60, now=NOW, canary=True)


@pytest.fixture(scope="module")
def found(population: Population) -> dict[str, Canary]:
    return dict(canaries(population))


def person(population: Population, key: str) -> Person:
    return next(each for each in population.people if each.key == key)


def test_a_canary_names_its_person_and_its_coordinates(population: Population, found: dict[str, Canary]) -> None:
    patient = person(population, Planted.PATIENT)
    assert found[patient.family] == Canary(Planted.PATIENT, ("Patient.name",))
    assert found[patient.birth_date] == Canary(Planted.PATIENT, ("Patient.birthDate",))
    assert found[patient.mrn] == Canary(Planted.PATIENT, ("Patient.mrn", "Patient.identifiers"))
    assert found[patient.coverages[0].payer].coordinates == ("Coverage.payer",)


def test_a_visits_canaries_lead_to_appointment_encounter_and_claim(
    population: Population, found: dict[str, Canary]
) -> None:
    visit = next(each for each in population.visits if each.person == Planted.PATIENT and each.claim)
    assert visit.claim
    assert found[visit.reason].coordinates == ("Appointment.reason",)
    assert found[visit.reasons[0].display].coordinates == ("Encounter.reasons",)
    assert found[minute(visit.start)].coordinates == ("Appointment.start", "Encounter.period", "Claim.servicePeriod")
    assert found[visit.claim.diagnoses[0].display].coordinates == ("Claim.diagnoses",)
    assert "Claim.lines" in found[dollars(visit.claim.lines[0].billed_cents)].coordinates


def test_what_the_graph_never_shows_is_a_canary_without_coordinates(
    population: Population, found: dict[str, Canary]
) -> None:
    misspelt = person(population, Planted.MISSPELT)
    assert misspelt.billing
    assert misspelt.scheduling
    for hidden in (misspelt.billing.id, misspelt.billing.family, misspelt.scheduling.id):
        assert found[hidden] == Canary(Planted.MISSPELT, ())


def test_every_text_of_people_and_visits_is_a_canary_or_a_known_code(
    population: Population, found: dict[str, Canary]
) -> None:
    free = {
        "key", "gender", "language", "status", "claim_type", "organization", "general_practitioner", "practitioner",
        "location", "person", "appointment_status", "encounter_status", "country", "labels", "system", "coverage",
        "payer_code", "role", "encounter_class", "replaced_by",
    }  # fmt: skip
    stray = {
        (name, value)
        for root in (*population.people, *population.visits)
        for name, value in leaves(root, free)
        if value not in found
    }
    catalogued = {("code", value) for name, value in stray if name == "code"}
    assert stray == catalogued, "only codes may repeat"


def leaves(value: object, free: set[str], name: str = "") -> list[tuple[str, str]]:
    """Every text below a value, dates and amounts as their canaries spell them."""
    match value:
        case Person() | Visit() | Code() | object() if is_dataclass(value):
            return [
                leaf
                for field in fields(value)
                if field.name not in free
                for leaf in leaves(getattr(value, field.name), free, field.name)
            ]
        case tuple():
            return [leaf for each in value for leaf in leaves(each, free, name)]
        case datetime():
            return [(name, minute(value))]
        case str():
            return [(name, value)]
        case int() if name.endswith("_cents"):
            return [(name, dollars(value))]
    return []


def test_canaries_are_long_enough_to_be_searched_for(found: dict[str, Canary]) -> None:
    assert min(map(len, found)) >= 8


def test_no_two_people_share_a_value(found: dict[str, Canary]) -> None:
    assert len(found) > 3000


def test_an_ordinary_population_has_no_canaries() -> None:
    with pytest.raises(ValueError, match="two people share a value"):
        canaries(generate("riverbend", seed=7, size=60, now=NOW))


def test_canaries_of_two_tenants_are_different() -> None:
    ours, theirs = (canaries(generate(tenant, seed=7, size=12, now=NOW, canary=True)) for tenant in ("a", "b"))
    tokens = {text for text in ours if text.startswith("Cnry")}
    assert tokens
    assert tokens.isdisjoint(theirs)


def test_branding_keeps_what_links_and_what_separates(population: Population) -> None:
    patient = person(population, Planted.PATIENT)
    assert patient.billing
    assert patient.scheduling
    assert patient.billing.mrn == patient.scheduling.mrn == patient.mrn
    assert patient.billing.member_id == patient.coverages[0].member_id
    misspelt = person(population, Planted.MISSPELT)
    assert misspelt.billing
    assert misspelt.billing.family[:-1] == misspelt.family[:-1]
    assert misspelt.billing.family != misspelt.family
    shared = person(population, Planted.SHARED_MEMBER)
    assert shared.billing
    assert shared.billing.member_id == shared.coverages[0].member_id
    assert shared.billing.family[:8] != shared.family[:8]
    assert shared.billing.birth_date != shared.birth_date


def test_branding_keeps_what_says_how_sensitive_a_visit_is_and_how_old_a_ward(population: Population) -> None:
    plain = generate("riverbend", seed=7, size=60, now=NOW)
    for before, after in zip(plain.visits, population.visits, strict=True):
        assert [each.code for each in before.reasons] == [each.code for each in after.reasons]
        assert before.service.code == after.service.code
    wards = {each.child for each in plain.guardianships}
    born = {each.key: each.birth_date for each in plain.people if each.key in wards}
    assert {each.key: each.birth_date for each in population.people if each.key in wards} == born


def test_branding_keeps_past_visits_past_and_coming_ones_ahead(population: Population) -> None:
    plain = generate("riverbend", seed=7, size=60, now=NOW)
    for before, after in zip(plain.visits, population.visits, strict=True):
        assert (before.start < NOW) == (after.start < NOW)
        assert before.appointment_status == after.appointment_status
        assert (before.claim is None) == (after.claim is None)


def test_branding_is_repeatable(population: Population) -> None:
    assert generate("riverbend", seed=7, size=60, now=NOW, canary=True) == population
