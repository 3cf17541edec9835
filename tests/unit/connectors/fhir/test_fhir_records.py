"""Resources become records: what can't be read costs itself, what can't be trusted costs the resource."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.fhir import FhirMapping
from connectors.fhir.attributes import RESOURCES, Reading
from connectors.fhir.datatypes import Malformed
from connectors.fhir.resources import reader
from connectors.fhir.shapes import SHAPES, fitted
from portico.records import systems
from portico.records.references import By, RecordType, Reference, SourceName
from portico.records.types import CareTeamMember, Coverage, CoverageStatus, Encounter, EncounterStatus, Patient, Record
from portico.records.values import Coding, Identifier, Period
from tests.contract import oracle
from tests.unit.connectors.fhir.scripted import shaped
from tests.unit.connectors.fhir.test_fhir_datatypes import ODDITIES

READING = Reading(
    source=SourceName("ehr"),
    mapping=FhirMapping.load(),
    base="https://ehr.example/r4/",
    retrieved_at=datetime(2026, 1, 5, tzinfo=UTC),
)
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"


def _read(type_: RecordType, **elements: Any) -> Record:
    resource = {"resourceType": RESOURCES[type_].type, "id": "x-1", **elements}
    (record,) = _records(type_, resource)
    return record


def _records(type_: RecordType, resource: dict[str, Any]) -> tuple[Record, ...]:
    shape = fitted(resource, SHAPES[RESOURCES[type_].type])
    return reader(type_, oracle.attributes_of(type_), READING)(shape)


def _patient(**elements: Any) -> Patient:
    record = _read(RecordType.PATIENT, **elements)
    assert isinstance(record, Patient)
    return record


def _encounter(**elements: Any) -> Encounter:
    record = _read(RecordType.ENCOUNTER, subject={"reference": "Patient/p-1"}, **elements)
    assert isinstance(record, Encounter)
    return record


def _coverage(**elements: Any) -> Coverage:
    record = _read(RecordType.COVERAGE, beneficiary={"reference": "Patient/p-1"}, **elements)
    assert isinstance(record, Coverage)
    return record


def _members(*participants: Any, status: Any = "active", **elements: Any) -> list[CareTeamMember]:
    resource = {
        "resourceType": "CareTeam",
        "id": "ct-1",
        "status": status,
        "subject": {"reference": "Patient/p-1"},
        "participant": list(participants),
        **elements,
    }
    return [each for each in _records(RecordType.CARE_TEAM_MEMBER, resource) if isinstance(each, CareTeamMember)]


# -- what every record has


def test_a_record_names_itself_its_subject_and_where_it_is_from() -> None:
    record = _encounter()
    assert (record.id.type, record.id.source, record.id.value) == (RecordType.ENCOUNTER, "ehr", "x-1")
    assert record.subject == "p-1"
    assert record.provenance.source_id == "x-1"
    assert record.provenance.retrieved_at == READING.retrieved_at
    assert record.provenance.mapping_version == READING.mapping.version
    assert _patient().subject == "x-1"
    assert _read(RecordType.LOCATION).subject is None


@pytest.mark.parametrize(
    "elements",
    [{"resourceType": "Practitioner"}, {"id": None}, {"id": 5}, {"id": ""}, {"id": "a/b"}, {"id": "x" * 65}],
)
def test_a_resource_of_another_type_or_without_id_is_malformed(elements: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        _patient(**elements)


@pytest.mark.parametrize(
    "subject",
    [None, {}, "Patient/p-1", {"reference": "Group/g-1"}, {"reference": "urn:uuid:1"}, {"display": "Somebody"},
     {"reference": "https://elsewhere.example/Patient/p-1"}],
)  # fmt: skip
def test_a_record_that_does_not_say_whom_it_is_about_is_malformed(subject: Any) -> None:
    for type_, element in ((RecordType.ENCOUNTER, "subject"), (RecordType.COVERAGE, "beneficiary")):
        with pytest.raises(Malformed):
            _read(type_, **{element: subject})


@pytest.mark.parametrize("type_", list(RESOURCES))
@pytest.mark.parametrize("oddity", ODDITIES)
def test_whatever_an_element_holds_costs_no_more_than_its_attributes(type_: RecordType, oddity: Any) -> None:
    served = RESOURCES[type_]
    names = {name for attribute in served.attributes.values() for name in attribute.elements}
    resource = {
        **dict.fromkeys(names, oddity),
        "resourceType": served.type,
        "id": "x-1",
        "status": "active",
        "participant": [{"member": {"reference": "Practitioner/d-1"}, "role": oddity, "period": oddity}],
        **({served.subject: {"reference": "Patient/p-1"}} if served.subject else {}),
    }
    (record,) = _records(type_, resource)
    assert record.id.value.startswith("x-1")


# -- labels


def _labels(*security: Any) -> frozenset[str]:
    return _patient(meta={"security": list(security)}).labels


def test_labels_are_canonical_and_those_that_restrict_nothing_are_none() -> None:
    assert _labels({"system": CONFIDENTIALITY, "code": "R"}, {"system": CONFIDENTIALITY, "code": "N"}) == {"R"}
    own = "https://ehr.example/label"
    assert _labels({"system": own, "code": "MINOR"}, {"system": own, "code": "REPRODUCTIVE"}) == {
        "minor-confidential",
        "RPRO",
    }
    assert _patient(meta={"versionId": "1"}).labels == _patient().labels == frozenset()


def test_an_unknown_label_stays_with_its_system_so_that_nobody_is_cleared_for_it() -> None:
    assert _labels({"system": "urn:other", "code": "R"}) == {"urn:other|R"}
    assert _labels({"code": "R"}) == {"|R"}
    assert _labels({"system": CONFIDENTIALITY, "code": "r"}) == {f"{CONFIDENTIALITY}|r"}


ICD = "http://hl7.org/fhir/sid/icd-10-cm"
CPT = "http://www.ama-assn.org/go/cpt"


def _concept(system: str, *codes: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


@pytest.mark.parametrize(
    ("elements", "labels"),
    [
        ({}, set()),
        ({"reasonCode": [{"text": "Alcohol"}]}, set()),
        ({"reasonCode": [_concept("urn:local", "F10")]}, set()),
        ({"reasonCode": [_concept(ICD, "I10")]}, {"N"}),
        ({"reasonCode": [_concept(ICD, "I10"), _concept(ICD, "F32.A")]}, {"PSY"}),
        ({"reasonCode": [_concept("urn:local", "F10"), _concept(ICD, "B20")]}, {"HIV"}),
        ({"reasonCode": [_concept(ICD, "I10", "F11.20")]}, {"SUD"}),
        ({"type": [_concept(CPT, "99213"), _concept(CPT, "90834")]}, {"PSY"}),
        ({"serviceType": _concept(CPT, "59425"), "type": [_concept(CPT, "99213")]}, {"RPRO"}),
        ({"serviceType": _concept("http://snomed.info/sct", "1")}, {"R"}),
        ({"meta": {"security": [{"system": CONFIDENTIALITY, "code": "N"}]}}, {"N"}),
        (
            {"meta": {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}, "reasonCode": [_concept(ICD, "I10")]},
            {"V"},
        ),
        ({"reasonCode": "F10", "type": [_concept(CPT, "99213")]}, {"R"}),
        ({"reasonCode": [{"coding": "F10"}]}, {"R"}),
        ({"reasonCode": [None]}, {"R"}),
    ],
)
def test_an_encounters_labels_are_those_set_and_those_that_its_codes_call_for(
    elements: dict[str, Any], labels: set[str]
) -> None:
    assert _encounter(**elements).labels == labels


def test_resources_of_one_answer_have_each_their_own_labels() -> None:
    """However often a code comes again: what the source set beside it once restricts nothing else."""
    type_ = RecordType.ENCOUNTER
    read = reader(type_, frozenset({"visit"}), READING)
    secret = {"security": [{"system": CONFIDENTIALITY, "code": "V"}]}
    said = [
        [_concept(ICD, "I10")],
        [_concept(ICD, "F11.20"), _concept(ICD, "I10")],
        [_concept("urn:local", "I10")],
        "F10",
    ]
    about = {"resourceType": "Encounter", "id": "x-1", "subject": {"reference": "Patient/p-1"}}
    given = [{**about, "reasonCode": codes, "meta": meta} for meta in (None, secret, None) for codes in said]
    plain, labelled = [{"N"}, {"SUD"}, set(), {"R"}], [{"V"}, {"V", "SUD"}, {"V"}, {"V", "R"}]
    assert [read(shaped(each))[0].labels for each in given] == [*plain, *labelled, *plain]


def test_a_record_that_carries_no_label_of_its_own_is_not_labelled_normal() -> None:
    normal = {"security": [{"system": CONFIDENTIALITY, "code": "N"}]}
    assert _patient(meta=normal).labels == _coverage(meta=normal).labels == frozenset()


def test_an_employee_is_labelled() -> None:
    assert _labels({"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "EMP"}) == {"EMP"}


@pytest.mark.parametrize("security", ["R", {"code": "R"}, [None], ["R"], [{}], [{"system": CONFIDENTIALITY}]])
def test_a_label_that_cannot_be_read_costs_the_resource(security: Any) -> None:
    with pytest.raises(Malformed):
        _patient(meta={"security": security})


# -- patients


def test_a_death_is_told_by_its_date_or_by_yes_and_no() -> None:
    assert _patient(deceasedBoolean=False).deceased is False
    assert _patient(deceasedBoolean=True).deceased is True
    assert _patient(deceasedDateTime="2020-01-01").deceased is True
    assert _patient(deceasedBoolean="false").deceased is None
    assert _patient().deceased is None


def test_the_preferred_language_comes_before_the_first() -> None:
    spoken = [
        {"language": {"coding": [{"code": "en"}]}},
        {"language": {"coding": [{"code": "es"}]}, "preferred": True},
    ]
    assert _patient(communication=spoken).language == "es"
    assert _patient(communication=spoken[:1]).language == "en"
    assert _patient(communication=[{"language": {"text": "Spanish"}}]).language is None


def test_a_bad_value_costs_itself_and_not_its_neighbours() -> None:
    patient = _patient(birthDate="the sixties", gender="female?", name=[{"family": "Archer"}], telecom="call me")
    assert patient.birth_date is None
    assert patient.gender is None
    assert patient.phone is None
    assert patient.name is not None


def test_identifiers_of_both_of_a_systems_names_are_one() -> None:
    for system in ("urn:oid:2.16.840.1.113883.4.1", "http://hl7.org/fhir/sid/us-ssn"):
        patient = _patient(identifier=[{"system": system, "value": "900-55-0001"}])
        assert patient.ssn == "900-55-0001"
        assert patient.identifiers == (Identifier(system=systems.SSN, value="900-55-0001"),)
    assert _patient(identifier=[]).identifiers is None


def test_the_first_general_practitioner_who_is_one_is_taken() -> None:
    given = [{"reference": "Organization/o-1"}, {"display": "Dr. No"}, {"reference": "Practitioner/d-2"}]
    assert _patient(generalPractitioner=given).general_practitioner == Reference(RecordType.PRACTITIONER, By.ID, "d-2")


# -- encounters and coverages


def test_who_performed_an_encounter_comes_before_who_was_there() -> None:
    nurse = {"individual": {"reference": "Practitioner/n-1"}}
    doctor = {
        "type": [{"coding": [{"system": PARTICIPANT, "code": "PPRF"}]}],
        "individual": {"reference": "Practitioner/d-1"},
    }
    relative = {"type": doctor["type"], "individual": {"reference": "RelatedPerson/r-1"}}
    for participants, who in (([nurse, relative, doctor], "d-1"), ([relative, nurse], "n-1"), ([nurse], "n-1")):
        practitioner = _encounter(participant=participants).practitioner
        assert practitioner == Reference(RecordType.PRACTITIONER, By.ID, who)
    assert _encounter(participant=[relative]).practitioner is None
    odd = {**nurse, "type": [{"coding": [{"code": ["PPRF"]}, {"code": {}}]}]}
    assert _encounter(participant=[odd, doctor]).practitioner == Reference(RecordType.PRACTITIONER, By.ID, "d-1")


def test_an_unknown_status_is_unknown_for_an_encounter_and_absent_for_a_coverage() -> None:
    assert _encounter(status="finished").status is EncounterStatus.FINISHED
    assert _encounter(status="teleported").status is EncounterStatus.UNKNOWN
    assert _coverage(status="active").status is CoverageStatus.ACTIVE
    assert _coverage(status="teleported").status is None


def test_a_malformed_period_is_absent_from_a_record() -> None:
    assert _encounter(period={"start": "2026-01-05T12:00:00"}).period is None


def test_a_coverages_member_number_is_the_subscribers_else_an_identifier() -> None:
    identifier = [{"system": "https://ehr.example/id/member", "value": "M-2"}]
    assert _coverage(subscriberId="M-1", identifier=identifier).member_id == "M-1"
    assert _coverage(identifier=identifier).member_id == "M-2"
    assert _coverage(identifier=[{"system": "other", "value": "M-3"}]).member_id is None


def test_a_coverages_plan_is_the_name_of_its_plan_class_else_its_number() -> None:
    group = {"type": {"coding": [{"code": "group"}]}, "value": "G-1"}
    plan = {"type": {"coding": [{"code": "plan"}]}, "value": "P-1"}
    assert _coverage(**{"class": [group, {**plan, "name": "Gold"}]}).plan == "Gold"
    assert _coverage(**{"class": [group, plan]}).plan == "P-1"
    assert _coverage(**{"class": [group]}).plan is None
    assert _coverage(payor=[{"reference": "Organization/1"}, {"display": "Payer"}]).payer == "Payer"


# -- care teams


def test_the_practitioners_of_a_care_team_are_its_members() -> None:
    doctor = {
        "role": [{"coding": [{"code": "doc"}]}],
        "member": {"reference": "Practitioner/d-1"},
        "period": {"start": "2026-01-01"},
    }
    relative = {"member": {"reference": "RelatedPerson/r-1"}}
    nurse = {"member": {"reference": "Practitioner/n-1"}}
    first, second = _members(doctor, relative, nurse, period={"end": "2026-12-31"})
    assert first.role == Coding(code="doc")
    assert first.practitioner == Reference(RecordType.PRACTITIONER, By.ID, "d-1")
    assert first.period == Period(start=datetime(2026, 1, 1, tzinfo=UTC))
    assert second.period is not None
    assert second.period.start is None
    assert (first.id.value, second.id.value) == ("ct-1.0", "ct-1.2")
    assert {first.provenance.source_id, second.provenance.source_id} == {"ct-1"}
    assert {first.subject, second.subject} == {"p-1"}


@pytest.mark.parametrize("status", ["proposed", "suspended", "inactive", "entered-in-error", None, 5])
def test_a_care_team_that_is_not_in_force_has_no_members(status: Any) -> None:
    participant = {"member": {"reference": "Practitioner/d-1"}}
    assert not _members(participant, status=status)
