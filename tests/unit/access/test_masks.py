from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from portico.access.masks import PERSONAL, Mask, MaskKey, Unmaskable, apply
from portico.records.types import Gender
from portico.records.values import Address, ClaimLine, Coding, HumanName, Identifier, Money, Period
from tests.changed import replace

KEY = MaskKey(secret=bytes(range(32)), tenant="riverbend", patient="p-1", today=date(2026, 7, 1))
OTHER_PATIENT = replace(KEY, patient="p-2")
OTHER_TENANT = replace(KEY, tenant="harbor")

TEXT = st.text(max_size=40)
DATES = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))
PATIENTS = st.uuids().map(str)
INSTANTS = st.datetimes(
    min_value=datetime(1900, 1, 2),  # noqa: DTZ001  Hypothesis adds the zone
    max_value=datetime(2100, 12, 30),  # noqa: DTZ001  Hypothesis adds the zone
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
NAMES = st.builds(HumanName, family=st.none() | TEXT, given=st.lists(TEXT, max_size=3).map(tuple), prefix=TEXT)
VALUES = st.one_of(
    TEXT,
    DATES.map(str),
    INSTANTS,
    NAMES,
    st.integers(),
    st.booleans(),
    st.just(Gender.FEMALE),
    st.builds(Identifier, system=TEXT, value=TEXT),
    st.builds(Address, city=TEXT),
    st.builds(Coding, code=TEXT),
    st.builds(Period, start=st.none() | INSTANTS, end=st.none() | INSTANTS),
    st.builds(ClaimLine, number=st.integers(1, 9), service_date=st.none() | DATES.map(str)),
    st.builds(Money, amount=st.decimals(allow_nan=False, allow_infinity=False), currency=st.just("USD")),
)


def masked(mask: Mask, value: object, key: MaskKey = KEY) -> object:
    return apply(mask, value, key=key)


@pytest.mark.parametrize("mask", list(Mask))
def test_none_stays_none_and_a_tuple_is_masked_item_by_item(mask: Mask) -> None:
    assert masked(mask, None) is None
    assert masked(mask, ()) == ()
    assert masked(mask, (None, None)) == (None, None)


@given(mask=st.sampled_from(Mask), value=VALUES)
def test_a_mask_gives_the_same_each_time_and_keeps_the_type(mask: Mask, value: object) -> None:
    try:
        once = masked(mask, value)
    except Unmaskable as refusal:
        shown = str(refusal)
        assert not isinstance(value, str) or len(value) < 4 or value not in shown
        return
    assert once == masked(mask, value)
    assert type(once) is type(value)


@pytest.mark.parametrize(
    ("mask", "value"),
    [
        *((mask, value) for mask in Mask for value in (True, 7, 1.5, Decimal(1), b"x", ["x"], {"x": 1}, object())),
        *((mask, Gender.FEMALE) for mask in Mask),
        *((mask, Money(amount=Decimal(1), currency="USD")) for mask in Mask),
        *((mask, Address(city="Elsewhere")) for mask in Mask),
        *((mask, Coding(code="E11.9")) for mask in Mask),
        *((mask, HumanName(family="Doe")) for mask in Mask if mask is not Mask.INITIAL),
        (Mask.YEAR, datetime(2020, 1, 1, tzinfo=UTC)),
        (Mask.YEAR, Period()),
        (Mask.DOMAIN, Identifier(system="s", value="a@b.org")),
    ],
)
def test_a_mask_refuses_what_it_does_not_know(mask: Mask, value: object) -> None:
    with pytest.raises(Unmaskable):
        masked(mask, value)
    with pytest.raises(Unmaskable):
        masked(mask, (value,))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("999-00-1234", "***-**-1234"),
        ("999001234", "*****1234"),
        ("S12345678", "*****5678"),
        ("12345678", "****5678"),
        ("1234567", "*******"),
        ("1-2-3-4-5-6-7", "*-*-*-*-*-*-*"),
        ("MRN 00012345", "*** ****2345"),
        ("\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668", "****\u0665\u0666\u0667\u0668"),
        ("", ""),
        ("-", "-"),
    ],
)
def test_last4_keeps_the_last_four_of_eight_or_more_and_separators(value: str, shown: str) -> None:
    assert masked(Mask.LAST4, value) == shown
    assert masked(Mask.LAST4, (Identifier(system="s", value=value, type="SS"),)) == (
        Identifier(system="s", value=shown, type="SS"),
    )


@given(st.text(max_size=60))
def test_last4_shows_four_characters_at_most(text: str) -> None:
    shown = masked(Mask.LAST4, text)
    assert isinstance(shown, str)
    assert len(shown) == len(text)
    kept = [character for character in shown if character not in "*-. /"]
    assert len(kept) <= 4
    assert all(character in "*-. /" or character == text[position] for position, character in enumerate(shown))


@pytest.mark.parametrize("value", ["1980-05-02", "1980-05", "1980"])
def test_year_keeps_the_year_of_a_date_or_a_partial_one(value: str) -> None:
    assert masked(Mask.YEAR, value) == "1980"


@pytest.mark.parametrize(
    ("born", "shown"),
    [("1938-01-01", "1938"), ("1937-12-31", "1937"), ("1936-12-31", "1936"), ("1935-06-30", "1936"), ("1901", "1936")],
)
def test_year_gathers_the_ages_over_89_in_one_year(born: str, shown: str) -> None:
    assert masked(Mask.YEAR, born) == shown


@given(born=DATES, today=DATES)
def test_year_never_tells_an_age_of_91_from_one_of_100(born: date, today: date) -> None:
    assume(born <= today)
    shown = masked(Mask.YEAR, born.isoformat(), replace(KEY, today=today))
    assert isinstance(shown, str)
    assert today.year - int(shown) <= 90


@pytest.mark.parametrize(
    "value",
    ["", "80", "1980-13", "1980-02-30", "1980-5-2", "05/02/1980", "1980-05-02T00:00:00Z", "1980-05-02\n", "0000",
     "\u0661\u0669\u0668\u0660"],
)  # fmt: skip
@pytest.mark.parametrize("mask", [Mask.YEAR, Mask.SHIFT])
def test_what_is_no_date_is_refused(mask: Mask, value: str) -> None:
    with pytest.raises(Unmaskable):
        masked(mask, value)


@pytest.mark.parametrize(
    ("value", "shown"),
    [("Doe", "D."), ("de la Cruz", "d. l. C."), ("O'Brien", "O."), ("Åström", "Å."), ("<b>x</b>", "b."), ("", ""),
     ("123", ""), ("  ", "")],
)  # fmt: skip
def test_initial_keeps_the_first_letter_of_each_word(value: str, shown: str) -> None:
    assert masked(Mask.INITIAL, value) == shown


def test_initial_of_a_name_drops_its_prefix() -> None:
    name = HumanName(family="Doe", given=("Jane", "Ann"), prefix="Dr.")
    assert masked(Mask.INITIAL, name) == HumanName(family="D.", given=("J.", "A."))
    assert masked(Mask.INITIAL, HumanName(given=("Jane",))) == HumanName(given=("J.",))


def test_domain_keeps_what_follows_the_at_sign() -> None:
    assert masked(Mask.DOMAIN, "jane@example.org") == "example.org"


@pytest.mark.parametrize("value", ["", "jane", "jane@", "@example.org", "a@b@c", "jane doe@example.org", "555-0100"])
def test_domain_refuses_what_is_no_mail_address(value: str) -> None:
    with pytest.raises(Unmaskable):
        masked(Mask.DOMAIN, value)


@given(TEXT, TEXT)
def test_hash_is_the_same_for_the_same_value_and_different_for_others(one: str, other: str) -> None:
    assume(one != other)
    shown = masked(Mask.HASH, one)
    assert isinstance(shown, str)
    assert re.fullmatch(r"[0-9a-f]{16}", shown)
    assert shown == masked(Mask.HASH, one, OTHER_PATIENT)
    assert shown != masked(Mask.HASH, other)
    assert shown != masked(Mask.HASH, one, OTHER_TENANT)
    assert shown != masked(Mask.HASH, one, replace(KEY, secret=bytes(32)))


def test_hash_of_an_identifier_depends_on_its_system_and_keeps_it() -> None:
    identifier = Identifier(system="urn:a", value="12", type="MR")
    shown = masked(Mask.HASH, identifier)
    assert isinstance(shown, Identifier)
    assert (shown.system, shown.type) == ("urn:a", "MR")
    other = masked(Mask.HASH, Identifier(system="urn:a1", value="2"))
    assert isinstance(other, Identifier)
    assert shown.value not in {"12", other.value}


@given(day=DATES, patient=PATIENTS)
def test_shift_moves_a_date_by_1_to_182_days(day: date, patient: str) -> None:
    shown = masked(Mask.SHIFT, day.isoformat(), replace(KEY, patient=patient))
    assert isinstance(shown, str)
    assert 1 <= abs((date.fromisoformat(shown) - day).days) <= 182


@given(one=DATES, other=DATES, instant=INSTANTS, patient=PATIENTS)
def test_shift_keeps_the_time_between_anything_about_one_patient(
    one: date, other: date, instant: datetime, patient: str
) -> None:
    key = replace(KEY, patient=patient)
    moved_one, moved_other = masked(Mask.SHIFT, one.isoformat(), key), masked(Mask.SHIFT, other.isoformat(), key)
    moved_instant = masked(Mask.SHIFT, instant, key)
    assert isinstance(moved_one, str)
    assert isinstance(moved_other, str)
    assert isinstance(moved_instant, datetime)
    assert date.fromisoformat(moved_one) - date.fromisoformat(moved_other) == one - other
    assert moved_instant - instant == date.fromisoformat(moved_one) - one
    assert moved_instant.tzinfo is instant.tzinfo


def test_shift_takes_every_number_of_days_from_minus_182_to_182_but_none() -> None:
    day = date(2020, 1, 1)
    seen = set()
    for number in range(6_000):
        shown = masked(Mask.SHIFT, day.isoformat(), replace(KEY, patient=f"p-{number}"))
        assert isinstance(shown, str)
        seen.add((date.fromisoformat(shown) - day).days)
    assert seen == set(range(-182, 183)) - {0}


def test_shift_differs_between_tenants_and_secrets() -> None:
    days = {
        masked(Mask.SHIFT, "2020-01-01", key)
        for key in (KEY, OTHER_TENANT, OTHER_PATIENT, replace(KEY, secret=b"another secret of 32 bytes ......"))
    }
    assert len(days) == 4


@pytest.mark.parametrize(("value", "pattern"), [("2020", r"\d{4}"), ("2020-06", r"\d{4}-\d{2}")])
def test_shift_keeps_a_partial_date_partial(value: str, pattern: str) -> None:
    shown = masked(Mask.SHIFT, value)
    assert isinstance(shown, str)
    assert re.fullmatch(pattern, shown)


def test_shift_moves_both_ends_of_a_period_and_leaves_an_open_one_open() -> None:
    start = datetime(2020, 1, 1, 9, 30, tzinfo=UTC)
    shown = masked(Mask.SHIFT, Period(start=start, end=start + timedelta(hours=1)))
    assert isinstance(shown, Period)
    assert shown.start is not None
    assert shown.end is not None
    assert shown.end - shown.start == timedelta(hours=1)
    assert shown.start != start
    assert shown.start.time() == start.time()
    assert masked(Mask.SHIFT, Period()) == Period()


def test_shift_moves_the_date_of_a_claim_line_and_nothing_else() -> None:
    line = ClaimLine(number=1, service=Coding(code="99213"), service_date="2020-01-01", units=2)
    (shown,) = masked(Mask.SHIFT, (line,))  # type: ignore[misc]  # a tuple gives a tuple
    assert shown.service_date == masked(Mask.SHIFT, "2020-01-01")
    assert replace(shown, service_date=line.service_date) == line
    assert masked(Mask.SHIFT, replace(line, service_date=None)) == replace(line, service_date=None)


@pytest.mark.parametrize("value", ["0001-01-01", "9999-12-31"])
def test_shift_beyond_the_calendar_is_refused(value: str) -> None:
    refused = 0
    for number in range(20):
        try:
            masked(Mask.SHIFT, value, replace(KEY, patient=f"p-{number}"))
        except Unmaskable:
            refused += 1
    assert 0 < refused < 20


def test_shift_of_an_instant_beyond_the_calendar_is_refused() -> None:
    late = datetime(9999, 12, 31, tzinfo=UTC)
    early = datetime(1, 1, 1, tzinfo=UTC)
    with pytest.raises(Unmaskable):
        masked(Mask.SHIFT, (late, early))


def test_shift_refuses_a_naive_instant_and_a_record_about_nobody() -> None:
    with pytest.raises(Unmaskable):
        masked(Mask.SHIFT, datetime(2020, 1, 1))  # noqa: DTZ001  naive on purpose
    with pytest.raises(Unmaskable):
        masked(Mask.SHIFT, "2020-01-01", replace(KEY, patient=None))


def test_a_short_secret_is_refused_and_no_secret_is_printed() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        MaskKey(secret=b"short", tenant="t", patient=None)
    assert "secret" not in repr(KEY)


def test_today_is_today_unless_told() -> None:
    key = MaskKey(secret=bytes(32), tenant="t", patient=None)
    assert abs(key.today - datetime.now(UTC).date()) <= timedelta(days=1)


@pytest.mark.parametrize(("mask", "value"), [(Mask.LAST4, "900-51-0001"), (Mask.YEAR, "1980-05-02"), (Mask.HASH, "x")])
def test_a_mask_that_is_not_personal_is_the_same_for_every_patient(mask: Mask, value: str) -> None:
    assert mask not in PERSONAL
    assert masked(mask, value, replace(KEY, patient=None)) == masked(mask, value) is not None
