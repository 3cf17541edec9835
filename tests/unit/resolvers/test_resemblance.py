"""What counts as the same name, the same birth date, the same identifier."""

from __future__ import annotations

import pytest

from portico.records.people import Person
from portico.records.references import SourceName
from portico.records.systems import DRIVERS_LICENSE, MEMBER, MRN, SSN
from portico.records.values import Identifier
from resolvers.resemblance import (
    Likeness,
    Profile,
    birth_date_likeness,
    contradict,
    family_likeness,
    given_likeness,
    slips,
)


def profile(
    family: str | None = None, given: str | None = None, birth_date: str | None = None, **identifiers: str
) -> Profile:
    systems = {"mrn": MRN, "ssn": SSN, "member": MEMBER, "license": DRIVERS_LICENSE}
    return Profile.of(
        Person(
            source=SourceName("ehr"),
            source_id="1",
            identifiers=tuple(Identifier(system=systems[name], value=value) for name, value in identifiers.items()),
            family=family,
            given=given,
            birth_date=birth_date,
        )
    )


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Nuñez", "NUNEZ", Likeness.SAME),
        ("O'Shaughnessy", "OSHAUGHNESSY", Likeness.SAME),
        ("O’Shaughnessy", "O'Shaughnessy", Likeness.SAME),  # noqa: RUF001  # a typographic apostrophe is the case
        ("Mac Donald", "MacDonald", Likeness.SAME),
        ("Groß", "GROSS", Likeness.SAME),
        ("<script>alert(1)</script>", "<script>alert(1)</script>", Likeness.SAME),
        ("Schwarzenbach", "Schwartzenbach", Likeness.CLOSE),
        ("Kowalski", "Kovalsky", Likeness.CLOSE),
        ("Smith", "Smyth", Likeness.CLOSE),
        ("Garcia-Lopez", "Garcia", Likeness.CLOSE),
        ("Garcia", "Garcia Lopez", Likeness.CLOSE),
        ("Smith", "Smythe", Likeness.NONE),
        ("Lee", "Lea", Likeness.NONE),
        ("Wu", "Ng", Likeness.NONE),
        ("Garcia-Lopez", "Lopez-Perez", Likeness.NONE),
        ("Schwarzenbach", "Oyelaran", Likeness.NONE),
        ("", "", Likeness.NONE),
        ("---", "---", Likeness.NONE),
        (None, None, Likeness.NONE),
        (None, "Smith", Likeness.NONE),
        ("Li", "", Likeness.NONE),
    ],
)
def test_family_names_are_compared_as_people_write_them(one: str, other: str, likeness: Likeness) -> None:
    assert family_likeness(profile(family=one), profile(family=other)) is likeness
    assert family_likeness(profile(family=other), profile(family=one)) is likeness


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("Zoë", "ZOE", Likeness.SAME),
        ("D'Arcy", "Darcy", Likeness.SAME),
        ("Jean-Luc", "Jean Luc", Likeness.SAME),
        ("Maria Elena", "Maria", Likeness.CLOSE),
        ("Catherine", "Katherine", Likeness.CLOSE),
        ("Jonh", "John", Likeness.CLOSE),
        ("Maria Elena", "Elena", Likeness.NONE),
        ("Maria", "M", Likeness.NONE),
        ("Ann", "Jan", Likeness.NONE),
        ("Daniel", "Temitope", Likeness.NONE),
        ("", "Ann", Likeness.NONE),
    ],
)
def test_given_names_are_compared_from_the_first_one_on(one: str, other: str, likeness: Likeness) -> None:
    assert given_likeness(profile(given=one), profile(given=other)) is likeness
    assert given_likeness(profile(given=other), profile(given=one)) is likeness


@pytest.mark.parametrize(
    ("one", "other", "likeness"),
    [
        ("1980-04-12", "1980-04-12", Likeness.SAME),
        ("1980-04-12", "1980-04-21", Likeness.CLOSE),
        ("1980-04-12", "1980-04-13", Likeness.CLOSE),
        ("1980-04-12", "1890-04-12", Likeness.CLOSE),
        ("1980-04-12", "1980-12-04", Likeness.NONE),
        ("1980-04-12", "1981-04-13", Likeness.NONE),
        ("1980-04", "1980-04", Likeness.SAME),
        ("1980-04", "1980-05", Likeness.NONE),
        ("1980-04-12", "1980-04", Likeness.NONE),
        (None, None, Likeness.NONE),
        ("1980-04-12", None, Likeness.NONE),
    ],
)
def test_a_birth_date_is_close_by_one_digit_or_two_neighbours_swapped(one: str, other: str, likeness: Likeness) -> None:
    assert birth_date_likeness(profile(birth_date=one), profile(birth_date=other)) is likeness


def test_identifiers_are_compared_without_spaces_punctuation_and_case() -> None:
    assert profile(ssn="999-12-3456", mrn="mrn 200001").identifiers == {(SSN, "999123456"), (MRN, "mrn200001")}


@pytest.mark.parametrize("value", ["", "-", "0", "000-00-0000", "999999999", "xxx"])
def test_a_value_that_stands_for_unknown_identifies_nobody(value: str) -> None:
    assert profile(ssn=value, mrn=value, member=value).identifiers == frozenset()


def test_an_identifier_that_isnt_strong_is_not_compared() -> None:
    assert profile(license="S99912345").identifiers == frozenset()


def test_two_values_of_a_personal_identifier_contradict_each_other() -> None:
    assert contradict(profile(mrn="A1"), profile(mrn="A2"))
    assert contradict(profile(mrn="A1", ssn="123456780"), profile(mrn="A1", ssn="123456781"))


def test_what_one_side_lacks_and_what_a_family_shares_contradicts_nobody() -> None:
    assert not contradict(profile(mrn="A1"), profile(ssn="123456780"))
    assert not contradict(profile(member="M1"), profile(member="M2"))
    assert not contradict(profile(mrn="A1"), profile(mrn="a-1"))


@pytest.mark.parametrize(
    ("one", "other", "count"),
    [("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("abc", "acb", 1), ("abc", "abx", 1), ("ca", "abc", 3)],
)
def test_slips_are_letters_wrong_missing_added_or_swapped(one: str, other: str, count: int) -> None:
    assert slips(one, other) == slips(other, one) == count
