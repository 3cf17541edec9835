"""Linking: a shared identifier and an agreeing name and birth date, or no link."""

from __future__ import annotations

from uuid import UUID

import pytest

from portico.records.people import Person
from portico.store.crosswalk import Assurance, Link, Reason, Rule, Unlinked
from resolvers.linking import EHR, link
from tests.unit.resolvers.clinic import (
    BILLING,
    CHARTED,
    linked,
    outcome,
    patient_of,
    person,
    rule,
)


@pytest.mark.parametrize("shared", [{"mrn": "M-100"}, {"ssn": "123456780"}, {"member": "w900"}])
def test_a_shared_identifier_with_the_same_name_and_birth_date_links_exactly(shared: dict[str, str]) -> None:
    assert outcome(person(BILLING, "b1", **shared), CHARTED) == Link(
        source=BILLING, source_id="b1", patient=patient_of("e1"), assurance=Assurance.EXACT, rule=Rule.EXACT
    )


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ({"family": "Novakowa"}, Rule.CLOSE_NAME),
        ({"given": "Adella"}, Rule.CLOSE_NAME),
        ({"given": "Adela Maria"}, Rule.CLOSE_NAME),
        ({"birth_date": "1980-04-21"}, Rule.CLOSE_BIRTH_DATE),
        ({"birth_date": "1980-04-13"}, Rule.CLOSE_BIRTH_DATE),
    ],
)
@pytest.mark.parametrize("shared", [{"mrn": "M-100"}, {"ssn": "123456780"}])
def test_one_slip_beside_a_personal_identifier_links_closely(
    shared: dict[str, str], slip: dict[str, str], expected: Rule
) -> None:
    found = outcome(person(BILLING, "b1", **shared, **slip), CHARTED)

    assert isinstance(found, Link)
    assert (found.rule, found.assurance) == (expected, Assurance.CLOSE)


@pytest.mark.parametrize(
    ("differing", "reason"),
    [
        ({"family": "Oyelaran"}, Reason.NAME_MISMATCH),
        ({"given": "Temitope"}, Reason.NAME_MISMATCH),
        ({"family": None}, Reason.NAME_MISMATCH),
        ({"given": None}, Reason.NAME_MISMATCH),
        ({"birth_date": "1948-02-29"}, Reason.BIRTH_DATE_MISMATCH),
        ({"birth_date": None}, Reason.BIRTH_DATE_MISMATCH),
        ({"family": "Novakowa", "birth_date": "1980-04-21"}, Reason.BIRTH_DATE_MISMATCH),
    ],
)
def test_an_identifier_without_the_person_links_nobody(differing: dict[str, str | None], reason: Reason) -> None:
    foreign = person(BILLING, "b1", mrn="M-100", **differing)

    assert outcome(foreign, CHARTED) == Unlinked(
        source=BILLING, source_id="b1", reason=reason, candidates=(patient_of("e1"),)
    )


@pytest.mark.parametrize(
    ("slip", "expected"),
    [
        ({}, Rule.EXACT),
        ({"family": "Novakowa"}, Rule.CLOSE_NAME),
        ({"given": "Adella"}, Reason.NAME_MISMATCH),
        ({"birth_date": "1980-04-13"}, Reason.BIRTH_DATE_MISMATCH),
    ],
)
def test_a_member_number_alone_forgives_no_slip_that_tells_one_of_a_family_from_another(
    slip: dict[str, str], expected: Rule | Reason
) -> None:
    assert rule(person(BILLING, "b1", member="W900", **slip), CHARTED) is expected


def test_a_family_under_one_member_number_is_told_apart() -> None:
    sister = person(EHR, "e2", given="Berta", mrn="M-200", member="W900")

    assert outcome(person(BILLING, "b2", given="Berta", member="W900"), CHARTED, sister) == Link(
        source=BILLING, source_id="b2", patient=patient_of("e2"), assurance=Assurance.EXACT, rule=Rule.EXACT
    )
    assert rule(person(BILLING, "b3", given="Clara", member="W900"), CHARTED, sister) is Reason.NAME_MISMATCH


def test_name_and_birth_date_alone_never_link() -> None:
    assert outcome(person(BILLING, "b1"), CHARTED) == Unlinked(
        source=BILLING, source_id="b1", reason=Reason.NO_SHARED_IDENTIFIER, candidates=(patient_of("e1"),)
    )
    assert rule(person(BILLING, "b1", mrn="M-999"), CHARTED) is Reason.NO_SHARED_IDENTIFIER


def test_namesakes_without_an_identifier_are_ambiguous() -> None:
    namesake = person(EHR, "e2", mrn="M-200")

    assert outcome(person(BILLING, "b1"), CHARTED, namesake) == Unlinked(
        source=BILLING,
        source_id="b1",
        reason=Reason.AMBIGUOUS,
        candidates=tuple(sorted((patient_of("e1"), patient_of("e2")))),
    )


def test_who_is_unknown_to_the_ehr_is_said_to_be() -> None:
    assert rule(person(BILLING, "b1", family="Stranger", mrn="M-999"), CHARTED) is Reason.NOT_IN_EHR


def test_identifiers_of_two_patients_are_a_conflict_even_if_one_of_them_agrees() -> None:
    other = person(EHR, "e2", family="Other", mrn="M-200", member="W200")

    assert outcome(person(BILLING, "b1", mrn="M-100", member="W200"), CHARTED, other) == Unlinked(
        source=BILLING,
        source_id="b1",
        reason=Reason.IDENTIFIER_CONFLICT,
        candidates=tuple(sorted((patient_of("e1"), patient_of("e2")))),
    )


@pytest.mark.parametrize("contradiction", [{"member": "W900", "mrn": "M-777"}, {"mrn": "M-100", "ssn": "987654320"}])
def test_a_personal_identifier_that_contradicts_the_patients_own_is_a_conflict(contradiction: dict[str, str]) -> None:
    assert rule(person(BILLING, "b1", **contradiction), CHARTED) is Reason.IDENTIFIER_CONFLICT


def test_a_personal_identifier_decides_among_those_who_share_a_member_number() -> None:
    twin = person(EHR, "e2", given="Adele", mrn="M-200", member="W900")

    found = outcome(person(BILLING, "b1", given="Adelle", mrn="M-200", member="W900"), CHARTED, twin)
    assert isinstance(found, Link)
    assert found.patient == patient_of("e2")


def test_two_charts_with_one_identifier_leave_the_record_ambiguous() -> None:
    again = person(EHR, "e2", mrn="M-100")

    assert rule(person(BILLING, "b1", mrn="M-100"), CHARTED, again) is Reason.AMBIGUOUS


def test_two_records_of_one_source_may_be_one_patient() -> None:
    plan = linked(CHARTED, person(BILLING, "b1", mrn="M-100"), person(BILLING, "b2", ssn="123456780"))

    assert {found.source_id for found in plan.links if found.patient == patient_of("e1")} == {"e1", "b1", "b2"}


@pytest.mark.parametrize(
    "again",
    [
        person(EHR, "e2", mrn="M-200"),
        person(EHR, "e2", mrn="M-100", family="Elsewise"),
        person(EHR, "e2", ssn="123456780", birth_date=None),
    ],
)
def test_two_charts_of_seemingly_one_person_stay_two_and_are_listed(again: Person) -> None:
    plan = linked(CHARTED, again)

    assert {found.source_id: found.patient for found in plan.links} == {
        "e1": patient_of("e1"),
        "e2": patient_of("e2"),
    }
    assert [(left.source_id, left.reason, left.candidates) for left in plan.unlinked] == [
        ("e1", Reason.POSSIBLE_DUPLICATE, (patient_of("e2"),)),
        ("e2", Reason.POSSIBLE_DUPLICATE, (patient_of("e1"),)),
    ]


def test_charts_without_a_name_are_not_taken_for_duplicates_of_each_other() -> None:
    assert linked(person(EHR, "e1", family=None), person(EHR, "e2", family=None)).unlinked == ()


def test_a_family_is_not_a_duplicate_for_its_member_number() -> None:
    assert linked(CHARTED, person(EHR, "e2", given="Berta", member="W900")).unlinked == ()


def test_canonical_ids_are_kept_across_runs_and_everything_else_is_judged_anew() -> None:
    kept = patient_of("kept")
    existing = [
        Link(source=EHR, source_id="e1", patient=kept, assurance=Assurance.EXACT, rule=Rule.IDENTITY),
        Link(source=BILLING, source_id="b1", patient=kept, assurance=Assurance.EXACT, rule=Rule.EXACT),
        Link(source=BILLING, source_id="e2", patient=kept, assurance=Assurance.EXACT, rule=Rule.EXACT),
    ]
    plan = linked(
        CHARTED, person(EHR, "e2", family="Other"), person(BILLING, "b1", family="Oyelaran", mrn="M-100"),
        existing=existing,
    )  # fmt: skip

    assert {found.source_id: found.patient for found in plan.links} == {"e1": kept, "e2": patient_of("e2")}
    assert [left.reason for left in plan.unlinked] == [Reason.NAME_MISMATCH]


def test_a_new_canonical_id_says_nothing_about_whom_it_names() -> None:
    first, second = (link({EHR: [CHARTED]}, [], identity_source=EHR).links[0].patient for _ in range(2))

    assert first != second
    assert UUID(first).version == 4
