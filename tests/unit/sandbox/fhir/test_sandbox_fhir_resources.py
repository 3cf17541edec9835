"""What the simulated EHR holds: valid FHIR, and nobody whom it does not know."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fhirclient.models.bundle import Bundle

from sandbox.fhir.datatypes import OWN_LABEL, SENSITIVITY, Json
from sandbox.fhir.resources import MODELS, Chart
from sandbox.population.generator import generate
from sandbox.population.model import Population
from tests.contract.small_population import PAYLOAD_FAMILY, small_population


def _resources(population: Population) -> list[Json]:
    return list(Chart(population).resources())


def _of(type_: str, population: Population | None = None) -> list[Json]:
    return [each for each in _resources(population or small_population()) if each["resourceType"] == type_]


@pytest.mark.parametrize("population", [small_population(), generate("riverbend", seed=3, size=20)])
def test_every_resource_is_valid_as_its_own_type_and_within_a_bundle(population: Population) -> None:
    for resource in _resources(population):
        model = MODELS[resource["resourceType"]](resource)
        assert model.resource_type == resource["resourceType"]
        assert model.as_json() == resource
        Bundle({"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": resource}]}).as_json()


def test_every_type_is_there_and_ids_are_unique_within_it() -> None:
    for type_ in MODELS:
        ids = [each["id"] for each in _of(type_)]
        assert ids
        assert len(set(ids)) == len(ids)


def test_nothing_is_null_or_empty() -> None:
    def check(value: object) -> None:
        assert value not in (None, "", [], {})
        for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            check(each)

    check(_resources(small_population()))


def test_people_whom_the_ehr_does_not_know_leave_no_trace() -> None:
    unknown = next(person for person in small_population().people if person.ehr_id is None)
    assert unknown.mrn not in str(_resources(small_population()))
    assert unknown.family not in str(_resources(small_population()))


def test_a_patient_says_all_that_the_population_says() -> None:
    person = next(person for person in small_population().people if person.family == PAYLOAD_FAMILY)
    patient = next(each for each in _of("Patient") if each["id"] == person.ehr_id)
    assert patient["name"] == [
        {"use": "official", "family": person.family, "given": [person.given], "prefix": [person.prefix]}
    ]
    assert {each["value"] for each in patient["identifier"]} == {
        person.mrn,
        person.ssn,
        person.drivers_license,
        *(coverage.member_id for coverage in person.coverages),
    }
    assert patient["birthDate"] == person.birth_date
    assert patient["deceasedBoolean"] is False
    assert patient["generalPractitioner"] == [{"reference": "Practitioner/prac-1"}]


def test_identifiers_are_named_in_the_ehrs_own_systems() -> None:
    systems = {each["system"] for patient in _of("Patient") for each in patient["identifier"]}
    assert not {system for system in systems if system.startswith("urn:portico")}


def test_labels_are_security_codings_and_unlabelled_records_have_none() -> None:
    population = small_population()
    labelled = replace(population.people[0], labels=("PSY", "RPRO", "novel"))
    (patient, *others) = _of("Patient", replace(population, people=(labelled, *population.people[1:])))
    assert patient["meta"]["security"] == [
        {"system": SENSITIVITY, "code": "PSY"},
        {"system": OWN_LABEL, "code": "REPRODUCTIVE"},
        {"system": OWN_LABEL, "code": "novel"},
    ]
    assert "security" not in others[0]["meta"]


def test_a_death_has_its_instant_and_a_merged_record_names_the_one_that_replaces_it() -> None:
    patients = {each["id"]: each for each in _of("Patient")}
    assert patients["pat-9"]["deceasedDateTime"] == "2026-02-03T04:05:06Z"
    assert "deceasedBoolean" not in patients["pat-9"]
    assert patients["pat-3"]["link"] == [{"other": {"reference": "Patient/pat-2"}, "type": "replaced-by"}]
    assert patients["pat-2"]["link"] == [{"other": {"reference": "Patient/pat-3"}, "type": "replaces"}]
    assert (patients["pat-3"]["active"], patients["pat-2"]["active"]) == (False, True)


def test_a_consent_is_a_rule_with_exceptions_that_name_recipients() -> None:
    consent = next(each for each in _of("Consent") if each["id"] == "con-3-a")
    assert consent["patient"] == {"reference": "Patient/pat-2"}
    assert consent["meta"]["lastUpdated"] == consent["dateTime"] == "2025-03-01T09:30:00Z"
    (exception,) = consent["provision"]["provision"]
    assert (consent["provision"]["type"], exception["type"]) == ("deny", "permit")
    assert [each["code"] for each in exception["purpose"]] == ["TREAT"]
    assert exception["securityLabel"][0] == {"system": SENSITIVITY, "code": "SUD"}
    assert [each["reference"]["reference"] for each in exception["actor"]] == [
        "Practitioner/prac-1",
        "Practitioner/prac-3",
    ]


def test_an_encounter_points_at_patient_practitioner_location_and_the_locations_organization() -> None:
    visit = next(visit for visit in small_population().visits if visit.location == "l3")
    encounter = next(each for each in _of("Encounter") if each["id"] == visit.encounter_id)
    assert encounter["subject"] == {"reference": "Patient/pat-6"}
    assert encounter["participant"][0]["individual"] == {"reference": "Practitioner/prac-3"}
    assert encounter["location"] == [{"location": {"reference": "Location/loc-3"}}]
    assert encounter["serviceProvider"] == {"reference": "Organization/org-2"}
    assert encounter["identifier"][0]["value"] == visit.number
