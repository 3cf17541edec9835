"""Who is who and who cares for whom, read from the EHR: what can't be read opens no chart."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.fhir import FhirMapping
from connectors.fhir.attributes import Reading
from connectors.fhir.people import Relations, npi, person, sensitive_visit
from connectors.fhir.shapes import Practitioner
from portico.records import systems
from portico.records.people import Person, Relation, RelationKind, SensitiveVisit
from portico.records.references import SourceName
from portico.records.values import Identifier
from tests.unit.connectors.fhir.scripted import shaped

READING = Reading(
    source=SourceName("ehr"),
    mapping=FhirMapping.load(),
    base="https://ehr.example/r4/",
    retrieved_at=datetime(2026, 1, 5, tzinfo=UTC),
)
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
ICD = "http://hl7.org/fhir/sid/icd-10-cm"


def _concept(system: str, *codes: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code} for code in codes]}


def _known(**elements: Any) -> Person:
    return person(shaped({"resourceType": "Patient", "id": "p-1", **elements}), READING)


@pytest.mark.parametrize(
    ("elements", "deceased", "at"),
    [
        ({}, False, None),
        ({"deceasedBoolean": False}, False, None),
        ({"deceasedBoolean": True}, True, None),
        ({"deceasedDateTime": "2026-02-03T04:05:06-05:00"}, True, datetime(2026, 2, 3, 9, 5, 6, tzinfo=UTC)),
        ({"deceasedDateTime": "2026-02-03"}, True, datetime(2026, 2, 3, tzinfo=UTC)),
        ({"deceasedDateTime": "2026"}, True, datetime(2026, 1, 1, tzinfo=UTC)),
        ({"deceasedDateTime": "yesterday"}, True, None),
    ],
)
def test_a_death_is_told_from_the_first_instant_at_which_it_may_have_been(
    elements: dict[str, Any], deceased: bool, at: datetime | None
) -> None:
    known = _known(**elements)
    assert (known.deceased, known.deceased_at) == (deceased, at)


@pytest.mark.parametrize(
    ("link", "replaced_by"),
    [
        (None, None),
        ([{"type": "replaces", "other": {"reference": "Patient/p-2"}}], None),
        ([{"type": "seealso", "other": {"reference": "Patient/p-2"}}], None),
        ([{"type": "replaced-by", "other": {"reference": "Patient/p-2"}}], "p-2"),
        ([{"type": "seealso"}, {"type": "replaced-by", "other": {"reference": "Patient/p-3"}}], "p-3"),
        ([{"type": "replaced-by", "other": {"reference": "https://elsewhere.example/Patient/p-2"}}], "p-1"),
        ([{"type": "replaced-by"}], "p-1"),
    ],
)
def test_a_merged_patient_names_the_record_that_replaces_theirs(link: Any, replaced_by: str | None) -> None:
    assert _known(link=link).replaced_by == replaced_by


def test_a_persons_labels_are_those_of_the_record_and_one_that_cannot_be_read_closes_it() -> None:
    assert _known(meta={"security": [{"system": CONFIDENTIALITY, "code": "R"}]}).labels == {"R"}
    assert _known(meta={"security": ["R"]}).labels == {"unreadable"}


def _visit(**elements: Any) -> SensitiveVisit | None:
    number = {"identifier": [{"system": "https://ehr.example/id/visit", "value": "V-1"}]}
    subject = {"reference": "Patient/p-1"}
    resource = {"resourceType": "Encounter", "id": "e-1", "subject": subject, **number, **elements}
    return sensitive_visit(shaped(resource), READING)


def test_a_sensitive_visit_is_one_with_a_label_that_restricts() -> None:
    found = _visit(reasonCode=[_concept(ICD, "F11.20")])
    assert found == SensitiveVisit(source=SourceName("ehr"), source_id="p-1", visit="V-1", labels=frozenset({"SUD"}))
    assert _visit() is _visit(reasonCode=[_concept(ICD, "I10")]) is None
    assert _visit(reasonCode=[_concept(ICD, "F11.20")], identifier=[]) is None, "nothing can inherit"
    unreadable = _visit(meta={"security": ["R"]})
    assert unreadable
    assert unreadable.labels == {"unreadable"}


def test_a_person_has_known_identifiers_and_a_full_birth_date_only() -> None:
    resource = {
        "resourceType": "Patient",
        "id": "p-1",
        "identifier": [
            {"system": "https://ehr.example/id/mrn", "value": "M-1"},
            {"system": "https://ehr.example/id/visit", "value": "V-1"},
            {"system": "https://elsewhere.example/loyalty", "value": "L-1"},
        ],
        "name": [{"family": "Archer", "given": ["Ada", "Maria"]}],
        "birthDate": "1980-02",
    }
    assert person(shaped(resource), READING) == Person(
        source=SourceName("ehr"),
        source_id="p-1",
        identifiers=(Identifier(system=systems.MRN, value="M-1"),),
        family="Archer",
        given="Ada Maria",
        birth_date=None,
    )
    assert person(shaped({**resource, "birthDate": "1980-02-29"}), READING).birth_date == "1980-02-29"
    nameless = person(shaped({**resource, "birthDate": "1980-02-30", "name": None}), READING)
    assert (nameless.family, nameless.given, nameless.birth_date) == (None, None, None)


def test_a_practitioner_with_two_npis_has_none() -> None:
    def identified(*values: str) -> Practitioner:
        numbers = [{"system": systems.NPI, "value": value} for value in values]
        shape: Practitioner = shaped({"resourceType": "Practitioner", "id": "d-1", "identifier": numbers})
        return shape

    assert npi(identified("1"), READING) == {"d-1": "1"}
    assert npi(identified("1", "2"), READING) == npi(identified(), READING) == {}


def _related(*participants: Any, status: Any = "active", **elements: Any) -> list[Relation]:
    resource = {
        "resourceType": "CareTeam",
        "id": "ct-1",
        "status": status,
        "subject": {"reference": "Patient/p-1"},
        "participant": list(participants),
        **elements,
    }
    return Relations({"d-1": "100", "d-2": "200"}, READING).of_care_team(shaped(resource))


def test_a_member_vouches_for_the_time_that_they_and_the_team_have_in_common() -> None:
    member = {"member": {"reference": "Practitioner/d-1"}, "period": {"start": "2026-02-01", "end": "2026-12-31"}}
    (relation,) = _related(member, period={"start": "2026-01-01", "end": "2026-03-31T12:00:00Z"})
    assert (relation.kind, relation.source_id, relation.party) == (RelationKind.CARE_TEAM, "p-1", "100")
    assert relation.start == datetime(2026, 2, 1, tzinfo=UTC)
    assert relation.end == datetime(2026, 3, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("period", [{"end": "soon"}, {"end": "2020-01-01T00:00:00"}, "2020", {"start": 5}])
def test_a_period_that_cannot_be_read_makes_no_relation_instead_of_an_open_one(period: Any) -> None:
    member = {"member": {"reference": "Practitioner/d-1"}}
    assert not _related({**member, "period": period})
    assert not _related(member, period=period)
    assert len(_related(member)) == 1


@pytest.mark.parametrize("status", ["proposed", "suspended", "inactive", "entered-in-error", None, 5])
def test_a_care_team_that_is_not_in_force_opens_no_chart(status: Any) -> None:
    assert not _related({"member": {"reference": "Practitioner/d-1"}}, status=status)


def test_members_without_a_known_npi_make_no_relation() -> None:
    assert not _related({"member": {"reference": "Practitioner/d-9"}}, {"member": {"reference": "Patient/d-1"}})


def test_a_patient_is_related_to_every_general_practitioner_and_the_managing_organization() -> None:
    patient = {
        "resourceType": "Patient",
        "id": "p-1",
        "generalPractitioner": [
            {"reference": "Practitioner/d-1"},
            {"reference": "Practitioner/d-2"},
            {"reference": "Practitioner/d-9"},
            {"reference": "https://elsewhere.example/Practitioner/d-1"},
        ],
        "managingOrganization": {"reference": "Organization/o-1"},
    }
    relations = Relations({"d-1": "100", "d-2": "200"}, READING).of_patient(shaped(patient))
    assert [(each.kind, each.party) for each in relations] == [
        (RelationKind.CARE_TEAM, "100"),
        (RelationKind.CARE_TEAM, "200"),
        (RelationKind.ORGANIZATION, "o-1"),
    ]
    assert {each.source_id for each in relations} == {"p-1"}
