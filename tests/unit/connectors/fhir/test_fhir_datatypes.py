"""FHIR's data types become canonical values; what is absent is None, what is unreadable is Malformed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connectors.fhir import datatypes, shapes
from connectors.fhir.datatypes import Malformed
from connectors.fhir.shapes import fitted
from portico.records.values import Address, Coding, HumanName, Identifier, Period

ODDITIES: tuple[Any, ...] = (None, "", "text", 5, 1.5, True, [], {}, [None], ["text"], [[]], [{}], {"value": {}})
"""JSON that is none of what is expected."""


@pytest.mark.parametrize("oddity", ODDITIES)
def test_readers_take_any_json(oddity: Any) -> None:
    assert datatypes.human_name(fitted(oddity, shapes.HumanName)) in (None, HumanName())
    assert datatypes.address(fitted(oddity, shapes.Address)) in (None, Address())
    assert datatypes.contact(fitted(oddity, shapes.ContactPoint), "phone") is None
    assert datatypes.coding(fitted(oddity, shapes.Coding)) is None
    assert datatypes.concept(fitted(oddity, shapes.CodeableConcept)) is None
    assert datatypes.concepts(fitted(oddity, shapes.CodeableConcept)) == ()
    assert datatypes.identifiers(fitted(oddity, shapes.Identifier), {}) == ()
    assert datatypes.identifier_values(fitted(oddity, shapes.Identifier), {}, "x") == []
    assert datatypes.reference(fitted(oddity, shapes.Reference), "Patient", "http://x/") is None


def test_the_official_name_comes_before_the_usual_and_never_an_old_one() -> None:
    official, usual = {"use": "official", "family": "Of"}, {"use": "usual", "family": "Us"}
    maiden, old = {"use": "maiden", "family": "Ma"}, {"use": "old", "family": "Ol"}
    for names, family in (
        ([old, maiden, usual, official], "Of"),
        ([old, maiden, usual], "Us"),
        ([maiden, {"family": "Plain"}], "Plain"),
        ([old, maiden], "Ma"),
    ):
        name = datatypes.human_name(fitted(names, shapes.HumanName))
        assert name is not None
        assert name.family == family
    assert datatypes.human_name(fitted([old], shapes.HumanName)) is None
    assert datatypes.human_name(fitted([old, old], shapes.HumanName)) is None


def test_a_name_keeps_what_can_be_read_of_it() -> None:
    name = datatypes.human_name(
        fitted([{"family": 5, "given": ["Ada", 7, "", "Maria"], "prefix": "Dr."}], shapes.HumanName)
    )
    assert name == HumanName(family=None, given=("Ada", "Maria"), prefix=None)


def test_the_home_address_comes_first_and_an_old_one_never() -> None:
    old, work = {"use": "old", "city": "Past"}, {"use": "work", "city": "Work"}
    home = {"use": "home", "line": ["1 A St", "Apt 2"], "city": "Home", "postalCode": "01234", "country": "US"}
    assert datatypes.address(fitted([old, work, home], shapes.Address)) == Address(
        line=("1 A St", "Apt 2"), city="Home", postal_code="01234", country="US"
    )
    assert datatypes.address(fitted([old], shapes.Address)) is None
    assert datatypes.address(fitted(work, shapes.Address)) == Address(city="Work")


def test_the_contact_point_of_the_lowest_rank_is_preferred() -> None:
    points = [
        {"system": "phone", "use": "old", "value": "+1", "rank": 1},
        {"system": "fax", "value": "+2", "rank": 1},
        {"system": "phone", "value": "+3"},
        {"system": "phone", "value": "+4", "rank": 3},
        {"system": "phone", "value": "+5", "rank": "first"},
        {"system": "email", "value": "a@example.org"},
    ]
    assert datatypes.contact(fitted(points, shapes.ContactPoint), "phone") == "+4"
    assert datatypes.contact(fitted(points[:3], shapes.ContactPoint), "phone") == "+3"
    assert datatypes.contact(fitted(points, shapes.ContactPoint), "email") == "a@example.org"


def test_a_concept_is_its_first_coding_with_its_text_for_want_of_a_display() -> None:
    coding = {"system": "s", "code": "c", "display": "d"}
    assert datatypes.concept(fitted({"coding": [coding], "text": "t"}, shapes.CodeableConcept)) == Coding(
        system="s", code="c", display="d"
    )
    assert datatypes.concept(fitted({"coding": [{}, {"code": "c"}], "text": "t"}, shapes.CodeableConcept)) == Coding(
        code="c", display="t"
    )
    assert datatypes.concept(fitted({"text": "t"}, shapes.CodeableConcept)) == Coding(display="t")
    assert datatypes.coding(fitted({"system": "s"}, shapes.Coding)) is None


def test_identifiers_get_canonical_systems_and_keep_unknown_ones() -> None:
    table_0203 = "http://terminology.hl7.org/CodeSystem/v2-0203"
    given = [
        {"system": "own", "value": "1", "type": {"coding": [{"code": "XX"}, {"system": table_0203, "code": "MR"}]}},
        {"system": "unknown", "value": "2"},
        {"system": "own", "value": "3", "use": "old"},
        {"value": "4"},
        {"system": "own"},
        {"system": "own", "value": 5},
    ]
    assert datatypes.identifiers(fitted(given, shapes.Identifier), {"own": "canonical"}) == (
        Identifier(system="canonical", value="1", type="MR"),
        Identifier(system="unknown", value="2"),
    )
    assert datatypes.identifier_values(fitted(given, shapes.Identifier), {"own": "canonical"}, "canonical") == ["1"]


@pytest.mark.parametrize(
    ("text", "id_"),
    [
        ("Practitioner/p-1", "p-1"),
        ("https://ehr.example/r4/Practitioner/p-1", "p-1"),
        ("Practitioner/p-1/_history/3", "p-1"),
        ("Patient/p-1", None),
        ("p-1", None),
        ("#contained", None),
        ("urn:uuid:00000000-0000-4000-8000-000000000000", None),
        ("https://elsewhere.example/r4/Practitioner/p-1", None),
        ("http://169.254.169.254/Practitioner/p-1", None),
        ("Practitioner/../Patient/p-1", None),
        ("Practitioner/p-1?x=y", None),
        ("Practitioner/p-1\n", None),
        ("Practitioner/" + "x" * 65, None),
    ],
)
def test_a_reference_leads_to_a_resource_of_that_type_on_this_server_or_nowhere(text: str, id_: str | None) -> None:
    assert (
        datatypes.reference(fitted({"reference": text}, shapes.Reference), "Practitioner", "https://ehr.example/r4/")
        == id_
    )


def test_a_reference_that_comes_again_leads_where_it_did() -> None:
    refer = datatypes.reference_reader("Practitioner", "https://ehr.example/r4/")
    given = ["Practitioner/p-1", "Patient/p-1", "https://ehr.example/r4/Practitioner/p-1", "Practitioner/p-2"] * 2
    assert [refer(shapes.Reference(reference=each)) for each in given] == ["p-1", None, "p-1", "p-2"] * 2


@pytest.mark.parametrize("date", ["1980", "1980-02", "1980-02-29"])
def test_a_date_keeps_its_precision(date: str) -> None:
    assert datatypes.day(date) == date


@pytest.mark.parametrize(
    "date",
    ["", "80", "1980-13", "1981-02-29", "1980-2-9", "1980-02-29T00:00:00Z", 1980, ["1980"], "1980-W09-5", "1980/02/29",
     "1980-02-2\u0669", "19800229", "1980-0229", "0000-02-29", "1980-02-29 "],
)  # fmt: skip
def test_what_is_no_date_is_malformed_and_not_repeated(date: Any) -> None:
    with pytest.raises(Malformed) as caught:
        datatypes.day(date)
    assert "80" not in str(caught.value)


def _at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year, month, day and so on


LAST = (23, 59, 59, 999_999)


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ("2026-01-05T12:00:00Z", "2026-01-05T12:00:00.25Z", (_at(2026, 1, 5, 12), _at(2026, 1, 5, 12, 0, 0, 250_000))),
        ("2026-01-05T12:00:00-05:00", None, (_at(2026, 1, 5, 17), None)),
        ("2026-01-05T12:00:00+00:00", "2026-01-05T12:00:01Z", (_at(2026, 1, 5, 12), _at(2026, 1, 5, 12, 0, 1))),
        ("2026-01-05T12:00:00.1234567Z", None, (_at(2026, 1, 5, 12, 0, 0, 123_456), None)),
        ("2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z", (_at(2024, 2, 29, 23, 59, 59), _at(9999, 12, 31, 23, 59, 59))),
        (None, "2026-01-05", (None, _at(2026, 1, 5, *LAST))),
        ("2026-01-05", "2026-02", (_at(2026, 1, 5), _at(2026, 2, 28, *LAST))),
        ("2026", "2026", (_at(2026, 1, 1), _at(2026, 12, 31, *LAST))),
        ("2024-02", "2024-12", (_at(2024, 2, 1), _at(2024, 12, 31, *LAST))),
    ],
)
def test_a_period_includes_all_that_its_ends_span(start: str, end: str, expected: tuple[datetime, datetime]) -> None:
    period = datatypes.period(fitted({"start": start, "end": end}, shapes.Period))
    assert period == Period(start=expected[0], end=expected[1])
    assert all(each is None or each.tzinfo is UTC for each in (period.start, period.end))


def test_an_absent_period_is_none() -> None:
    assert datatypes.period(fitted(None, shapes.Period)) is None
    assert datatypes.period(fitted({}, shapes.Period)) is None


@pytest.mark.parametrize(
    "end",
    ["2026-01-05T12:00:00", "2026-01-05T25:00:00Z", "2026-02-30", "2026-01-05 12:00:00Z", "20260105", "9999-12-31",
     "9999", "soon", 5, {}, "2026-W01-1", "2026-01-05T12:00Z", "2016-12-31T23:59:60Z", "2026-01-05T24:00:00Z",
     "2026-01-05t12:00:00Z", "2026-01-05T12:00:00z", "2026-W01-1T12:00:00Z", "2026-01-05T12-00-00Z",
     "2026-01-05T12.00.00Z", "2026-01-05T120000.5Z", "2026/01/05T12:00:00Z", "2026-02-29T12:00:00Z",
     "0000-01-01T12:00:00Z", "2026-01-05T12:00:00 ", "2026-01-05T12:00:00Z ", " 2026-01-05T12:00:00Z",
     "2026-01-05T1\u0662:00:00Z", "2026-01-05T12:00:0\u00b2Z", "2026-01-05T12:00:00+25:00", "2026-01-05T-1:00:00Z",
     "2026-01-0\u0665", "2026-1--01", "0001-01-01T00:00:00+01:00"],
)  # fmt: skip
def test_a_period_with_an_end_that_is_no_instant_is_malformed_and_never_open(end: Any) -> None:
    with pytest.raises(Malformed):
        datatypes.period(fitted({"start": "2026-01-01", "end": end}, shapes.Period))
