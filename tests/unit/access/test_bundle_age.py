"""What an OPA server says of its bundle, and how long ago its last sound look at it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from portico.access.bundle_age import BundleAge
from portico.access.documents import Json

LIMIT_SECONDS = 60.0


def ago(seconds: float) -> str:
    """An instant as Go writes it."""
    return (datetime.now(UTC) - timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S.%f123Z")


def told(**bundle: Any) -> dict[str, Any]:
    return {"result": {"bundles": {"portico": {"name": "portico", **bundle}}}}


def age_after(*statuses: Json) -> BundleAge:
    age = BundleAge(LIMIT_SECONDS)
    for status in statuses:
        age.note(status)
    return age


def test_a_sound_look_counts_for_so_long() -> None:
    assert age_after(told(last_successful_request=ago(LIMIT_SECONDS - 5))).is_within
    assert not age_after(told(last_successful_request=ago(LIMIT_SECONDS + 5))).is_within


def test_a_clock_far_ahead_makes_nothing_fresh() -> None:
    assert age_after(told(last_successful_request=ago(-5))).is_within
    assert not age_after(told(last_successful_request=ago(-LIMIT_SECONDS - 5))).is_within


def test_a_request_that_brought_an_unusable_bundle_is_no_sound_look() -> None:
    broken = {"code": "bundle_error", "last_successful_request": ago(0)}
    assert not age_after(told(**broken)).is_within
    assert not age_after(told(**broken, last_successful_activation=ago(LIMIT_SECONDS + 5))).is_within
    assert age_after(told(**broken, last_successful_activation=ago(5))).is_within
    assert age_after(told(last_successful_request=ago(5)), told(**broken)).is_within, "the sound one was not long ago"


def test_what_was_sound_is_not_made_older_by_what_is_told_later() -> None:
    later = told(code="bundle_error", last_successful_activation=ago(LIMIT_SECONDS * 9))
    assert age_after(told(last_successful_request=ago(5)), later).is_within


@pytest.mark.parametrize(
    "status",
    [
        None, [], "", {}, {"result": {}}, {"result": {"bundles": {}}}, {"result": {"bundles": []}},
        {"code": "internal_error", "message": "status plugin not enabled"},
        {"result": {"bundles": {"a": {"last_successful_request": ago(0)}, "b": {"last_successful_request": ago(0)}}}},
        told(), told(last_successful_request=None), told(last_successful_request="now"),
        told(last_successful_request="0001-01-01T00:00:00Z"), told(last_successful_request="2026-01-01T00:00:00"),
        told(code=7, last_successful_request=ago(0)), told(code="x", last_successful_activation=7),
    ],
    ids=range(16),
)  # fmt: skip
def test_anything_else_tells_of_no_sound_look(status: Json) -> None:
    assert not age_after(status).is_within


def test_nothing_told_is_no_sound_look_and_is_asked_for() -> None:
    age = BundleAge(LIMIT_SECONDS)
    assert (age.is_within, age.is_due) == (False, True)
    age.note(told(last_successful_request=ago(0)))
    assert (age.is_within, age.is_due) == (True, False)
