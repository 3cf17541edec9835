"""Birthdays: the first instant of the day, where the tenant is at home."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from portico.records.ages import Ages

NEW_YORK, AUCKLAND, BEIRUT = (ZoneInfo(name) for name in ("America/New_York", "Pacific/Auckland", "Asia/Beirut"))


@pytest.mark.parametrize(
    ("zone", "born", "adult_at"),
    [
        (UTC, "2008-07-01", "2026-07-01T00:00:00+00:00"),
        (NEW_YORK, "2008-07-01", "2026-07-01T04:00:00+00:00"),
        (NEW_YORK, "2008-12-31", "2026-12-31T05:00:00+00:00"),
        (AUCKLAND, "2008-07-01", "2026-06-30T12:00:00+00:00"),
        (UTC, "2008-02-29", "2026-03-01T00:00:00+00:00"),
        (NEW_YORK, "2008-02-29", "2026-03-01T05:00:00+00:00"),
        (UTC, "2008-02-28", "2026-02-28T00:00:00+00:00"),
        (UTC, "2008-03-01", "2026-03-01T00:00:00+00:00"),
        (BEIRUT, "2008-03-29", "2026-03-28T22:00:00+00:00"),
    ],
    ids=[
        "in UTC",
        "west of it, in summer",
        "west of it, in winter",
        "east of it",
        "29 February is 1 March",
        "29 February is 1 March at home",
        "the day before",
        "the day itself",
        "where the clock skips midnight",
    ],
)
def test_majority_begins_with_the_first_instant_of_the_birthday_at_home(
    zone: ZoneInfo, born: str, adult_at: str
) -> None:
    assert Ages(time_zone=zone).adult_at(born) == datetime.fromisoformat(adult_at)


def test_adolescence_of_a_leap_day_child_begins_on_the_leap_day_where_there_is_one() -> None:
    ages = Ages()

    assert ages.adolescent_at("2012-02-29") == datetime(2024, 2, 29, tzinfo=UTC)
    assert Ages(adolescence_years=13).adolescent_at("2012-02-29") == datetime(2025, 3, 1, tzinfo=UTC)


def test_the_ages_are_the_tenants_to_set() -> None:
    ages = Ages(adolescence_years=14, majority_years=19)

    assert ages.adolescent_at("2008-07-01") == datetime(2022, 7, 1, tzinfo=UTC)
    assert ages.adult_at("2008-07-01") == datetime(2027, 7, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "unclear", [None, "", "2008", "2008-07", "2007-02-29", "01/07/2008", "9990-01-01", "0000-00-00"]
)
def test_an_unclear_birth_date_tells_no_age(unclear: str | None) -> None:
    assert Ages().adult_at(unclear) is None
    assert Ages().adolescent_at(unclear) is None
