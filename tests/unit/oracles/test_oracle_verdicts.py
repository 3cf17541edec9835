"""Each oracle accepts what is sound and names what is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib import import_module

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.references import PatientId, Tenant
from sandbox.population.canary import Canary
from tests.house import MemoryHouse
from tests.oracles.bound import effort, open_descriptors, percentile_99, probed, slowed
from tests.oracles.closed import openings
from tests.oracles.effects import disputes
from tests.oracles.leak import Needles
from tests.oracles.quiet import told
from tests.oracles.recorded import late, unrecorded
from tests.oracles.reply import Reply
from tests.oracles.uniform import Pairs, interleaved, kinds
from tests.oracles.untouched import untouched
from tests.oracles.wellformed import complaints

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ANNA = PatientId("00000000-0000-4000-8000-00000000000a")
CANARIES = {
    "Cnry-family": Canary("anna", ("Patient.name",)),
    "Cnry-ssn": Canary("anna", ("Patient.ssn", "Patient.identifiers")),
    "Cnry-other": Canary("bert", ("Patient.name",)),
    "Cnry-internal": Canary("anna", ()),
}
SOUND = Reply(
    status=200,
    headers=(("content-type", "application/json; charset=utf-8"), ("x-request-id", "1"), ("date", "today")),
    body=b'{"data":{"viewer":null}}',
)


ORACLES = {
    "LEAK0": "leak", "AUDIT-BEFORE": "recorded", "UNIFORM": "uniform", "BOUND": "bound", "ONE-EFFECT": "effects",
    "CLOSED": "closed", "CLEAN-LOGS": "quiet", "SRC0": "untouched", "SPEC": "wellformed",
}  # fmt: skip
"""The nine by their names in the adversarial cases, O1 to O9."""


def _entry(*released: str, patients: frozenset[PatientId] = frozenset({ANNA})) -> AuditEntry:
    return AuditEntry(
        tenant=Tenant("riverbend"),
        request_id="1",
        subject="usr-one",
        kind="person",
        roles=frozenset({"physician"}),
        purpose="TREAT",
        client="portal",
        operation="0" * 64,
        patients=patients,
        released=frozenset(released),
        policy_revision="1",
        outcome=Outcome.RELEASED,
        at=NOW,
    )


@pytest.mark.parametrize("name", ORACLES)
def test_each_of_the_nine_oracles_says_which_it_is(name: str) -> None:
    module = import_module(f"tests.oracles.{ORACLES[name]}")
    assert (module.__doc__ or "").startswith(f"{name}: ")


def test_what_was_read_is_accounted_for_by_patient_and_coordinate() -> None:
    known = {"anna": ANNA}
    read = {"Cnry-family", "Cnry-ssn"}
    assert unrecorded(read, CANARIES, known, [_entry("Patient.name", "Patient.identifiers")]) == set()
    assert unrecorded(read, CANARIES, known, [_entry("Patient.name"), _entry("Patient.ssn")]) == set()
    assert unrecorded(read, CANARIES, known, [_entry("Patient.name")]) == {"Cnry-ssn"}
    assert unrecorded(read, CANARIES, known, [_entry("Patient.name", "Patient.ssn", patients=frozenset())]) == read
    assert unrecorded(read, CANARIES, known, []) == read


def test_what_belongs_to_nobody_known_or_to_no_coordinate_is_never_accounted_for() -> None:
    everything = [_entry("Patient.name", "Patient.ssn")]
    read = {"Cnry-other", "Cnry-internal"}
    assert unrecorded(read, CANARIES, {"anna": ANNA}, everything) == read


def test_a_row_is_late_where_it_is_missing_or_younger_than_the_first_byte() -> None:
    second = timedelta(seconds=1)
    began = {"one": NOW, "two": NOW, "three": NOW}
    assert late(began, {"one": NOW, "two": NOW - second, "three": NOW + second}) == {"three"}
    assert late(began, {"one": NOW}) == {"two", "three"}


def test_replies_that_differ_in_their_ids_and_dates_alone_are_uniform() -> None:
    other = replace(SOUND, headers=(SOUND.headers[0], ("x-request-id", "2"), ("date", "tomorrow")))
    assert len(kinds([SOUND, other])) == 1
    named = b'{"errors":[{"requestId":"%s"}]}'
    first, second = (replace(SOUND, body=named % id_) for id_ in (b"0" * 36, b"1" * 36))
    assert len(kinds([first, second])) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"status": 404},
        {"body": b'{"data":{"viewer":null} }'},
        {"headers": (*SOUND.headers, ("retry-after", "1"))},
        {"headers": SOUND.headers[1:]},
    ],
)
def test_any_other_difference_is_one(change: dict[str, object]) -> None:
    assert len(kinds([SOUND, replace(SOUND, **change)])) == 2  # type: ignore[arg-type]  # one field each


async def test_two_questions_are_asked_in_turns_and_timed() -> None:
    asked: list[str] = []

    def ask(name: str) -> Callable[[], object]:
        async def one() -> None:
            asked.append(name)

        return one

    pairs = await interleaved(ask("a"), ask("b"), pairs=4)  # type: ignore[arg-type]  # a coroutine function
    assert "".join(asked) == "baabbaab"
    assert (len(pairs.first_seconds), len(pairs.second_seconds)) == (4, 4)
    assert Pairs([0.001, 0.002, 0.9], [0.004, 0.005, 0.006]).apart_milliseconds == pytest.approx(3)


def test_work_within_bounds_is_and_work_beyond_them_is_named() -> None:
    with effort() as idle:
        pass
    assert idle.excess() == []
    with effort() as greedy:
        held = b"x" * (64 * 2**20)
    assert len(held) > 0
    assert any("memory" in excess for excess in greedy.excess())
    greedy.cpu_seconds = 0.2
    assert any("processor" in excess for excess in greedy.excess())


def test_a_caller_notices_what_takes_twice_as_long_and_long_at_all() -> None:
    assert percentile_99([*range(100), 1_000]) == 99
    assert percentile_99([1.0, 90.0, 2.0]) == 2
    assert not slowed([0.01], [0.05])
    assert not slowed([0.2], [0.3])
    assert slowed([0.2], [0.5])


async def test_an_innocent_caller_asks_at_a_steady_pace() -> None:
    began = asyncio.get_running_loop().time()
    seconds = await probed(lambda: asyncio.sleep(0), times=4, per_second=100)
    assert len(seconds) == 4
    assert asyncio.get_running_loop().time() - began >= 0.03


def test_descriptors_are_counted() -> None:
    before = open_descriptors()
    with open("/dev/null"):  # noqa: PTH123  a descriptor is the point
        assert open_descriptors() == before + 1
    assert open_descriptors() == before


def test_one_effect_and_one_reply_are_right_and_nothing_else_is() -> None:
    assert disputes(["booking-1"], [b"booked", b"booked"]) == []
    assert disputes(["booking-1", "booking-2"], [b"booked"]) == ["2 effects instead of 1"]
    assert disputes([], [b"booked"]) == ["0 effects instead of 1"]
    assert disputes(["booking-1"], [b"booked", b"refused"]) == ["2 different replies"]
    assert disputes([], [b"refused"], expected=0) == []


def test_an_answer_is_closed_with_an_error_and_without_a_value() -> None:
    error = [{"message": "No.", "extensions": {"code": "X"}}]
    assert openings({"data": None, "errors": error}) == []
    assert openings({"data": {"a": {"__typename": "A", "b": [None, {"c": None}]}}, "errors": error}) == []
    assert openings({"data": {"a": [{"b": False}]}, "errors": error}) == ["a value at data.a.0.b"]
    assert openings({"data": {"a": None}}) == ["no error"]
    assert openings({"errors": error}, took_seconds=3, deadline_seconds=2) == ["late by 1.0 s"]


def test_a_trace_that_tells_is_named_with_what_it_tells() -> None:
    needles = Needles(["Cnry0123456789abcdef"])
    traces = {"log": b"request_answered", "metrics": b'{name="cnry0123456789ABCDEF"}'}
    assert told(traces, needles) == {"metrics": {"Cnry0123456789abcdef"}}


async def test_a_source_that_was_asked_is_named(house: MemoryHouse) -> None:
    with untouched(house):
        await house.ask("biller", "{ viewer { subject } }")
    with pytest.raises(AssertionError, match="ehr for Patient by search"), untouched(house):
        await house.ask("biller", "{ patients(first: 1) { edges { node { id } } } }")


def test_a_sound_reply_has_nothing_wrong_with_it() -> None:
    assert complaints(SOUND) == []
    refused = b'{"errors":[{"message":"No.","extensions":{"code":"X"}}]}'
    assert complaints(replace(SOUND, status=400, body=refused)) == []
    busy = replace(SOUND, status=503, body=refused)
    assert complaints(replace(busy, headers=(*busy.headers, ("retry-after", "1")))) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 503}, "status 503"),
        ({"headers": (("content-type", "text/html"),)}, "media type 'text/html'"),
        ({"body": b"<HTML>"}, "no JSON"),
        ({"body": b"[]"}, "not a GraphQL response"),
        ({"body": b'{"data":{},"more":1}'}, "not a GraphQL response"),
        ({"body": b"{}"}, "not a GraphQL response"),
        ({"body": b'{"errors":[]}'}, "errors that are no list of errors"),
        ({"body": b'{"errors":[{"message":"No."}]}'}, "an error without message or code"),
        ({"body": b'{"data":"Traceback (most recent call last)"}'}, "tells b'Traceback'"),
    ],
)
def test_anything_else_is_named(change: dict[str, object], complaint: str) -> None:
    assert complaint in complaints(replace(SOUND, **change))  # type: ignore[arg-type]  # one field each
