"""An entry is recorded as it is, in an encoding that anyone can make again, or not at all."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant

ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
BEN = PatientId("0b0b0b0b-0000-4000-8000-00000000000b")

ENTRY = AuditEntry(
    tenant=Tenant("riverbend"),
    request_id="req-1",
    subject="usr-physician",
    kind="person",
    roles=frozenset({"physician"}),
    purpose="TREAT",
    client="portal",
    operation=sha256(b"{ viewer { subject } }").hexdigest(),
    patients=frozenset({BEN, ADA}),
    released=frozenset({"Patient.name", "Patient.birthDate"}),
    masked=frozenset({"Patient.ssn"}),
    sources=frozenset({"ehr"}),
    policy_revision="rev-1",
    decision_ids=frozenset({"d-2", "d-1"}),
    outcome=Outcome.PARTIAL,
    at=datetime(2026, 1, 31, 8, 30, tzinfo=UTC),
)


def test_the_encoding_is_the_one_that_is_documented() -> None:
    assert ENTRY.encode().decode() == (
        '{"at":"2026-01-31T08:30:00.000000Z","client":"portal","decision_ids":["d-1","d-2"],'
        '"encoding":"portico.audit.1","kind":"person","masked":["Patient.ssn"],'
        f'"operation":"{ENTRY.operation}","operation_name":null,"outcome":"partial",'
        f'"patients":["{ADA}","{BEN}"],"policy_revision":"rev-1","purpose":"TREAT",'
        '"released":["Patient.birthDate","Patient.name"],"request_id":"req-1","roles":["physician"],'
        '"sources":["ehr"],"subject":"usr-physician","tenant":"riverbend","withheld":[]}'
    )
    assert ENTRY.digest() == sha256(ENTRY.encode()).digest()


@pytest.mark.parametrize(
    "text",
    [
        "line\nbreak",
        "\r\nforged: row",
        "tab\t\x01\x1f\x7f",
        "\u202eright to left",
        "é\u0301",
        '"}],',
        "\\u0000",
        "😀",
        "",
    ],
)
def test_hostile_text_is_encoded_as_any_json_library_would_read_it(text: str) -> None:
    entry = replace(ENTRY, subject=text, roles=frozenset({text}))
    encoded = entry.encode()

    assert json.loads(encoded)["subject"] == text
    assert json.loads(encoded)["roles"] == [text]
    assert b"\n" not in encoded
    assert (
        encoded == json.dumps(json.loads(encoded), ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    )


@pytest.mark.parametrize("text", ["\x00", "a\x00b", "\ud800"])
@pytest.mark.parametrize("name", ["subject", "client", "request_id", "operation_name", "tenant", "policy_revision"])
def test_text_that_no_database_could_hold_is_refused(name: str, text: str) -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, **{name: text})


@pytest.mark.parametrize("name", ["roles", "released", "masked", "withheld", "sources", "decision_ids", "labels"])
def test_such_text_is_refused_within_sets_too(name: str) -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, **{name: frozenset({"fine", "a\x00b"})})


@pytest.mark.parametrize("patient", ["e-1", "", str(ADA).upper(), str(ADA).replace("-", ""), f"{ADA}\n"])
def test_a_patient_without_a_canonical_id_is_refused(patient: str) -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, patients=frozenset({PatientId(patient)}))


def test_a_naive_time_and_an_empty_tenant_are_refused() -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, at=datetime(2026, 1, 31))  # noqa: DTZ001  # the missing zone is the case
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, tenant=Tenant(""))


def test_the_same_instant_in_another_zone_is_the_same_entry() -> None:
    elsewhere = ENTRY.at.astimezone(timezone(timedelta(hours=-5)))

    assert replace(ENTRY, at=elsewhere).digest() == ENTRY.digest()


def test_every_field_counts_in_the_digest() -> None:
    changes: dict[str, object] = {
        "tenant": Tenant("harbor"),
        "at": ENTRY.at + timedelta(microseconds=1),
        "outcome": Outcome.RELEASED,
        "operation_name": "Named",
        "patients": frozenset({ADA}),
    }
    for name in ("request_id", "subject", "kind", "purpose", "client", "operation", "policy_revision"):
        changes[name] = "changed"
    for name in ("command", "refusal", "target"):
        changes[name] = "changed"
    for name in ("roles", "released", "masked", "withheld", "sources", "decision_ids", "labels"):
        changes[name] = frozenset({"changed"})
    changes["attempts"] = frozenset({ADA})

    digests = {replace(ENTRY, **{name: value}).digest() for name, value in changes.items()}
    assert len(digests | {ENTRY.digest()}) == len(AuditEntry.__dataclass_fields__) + 1


def test_an_entry_about_a_command_names_another_encoding_and_only_the_fields_that_hold_something() -> None:
    content = json.loads(
        replace(ENTRY, command="breakTheGlass", refusal="daily_limit", outcome=Outcome.REFUSED).encode()
    )

    assert content["encoding"] == "portico.audit.2"
    assert content["command"] == "breakTheGlass"
    assert content["refusal"] == "daily_limit"
    assert "target" not in content
    assert content.keys() - {"command", "refusal"} == json.loads(ENTRY.encode()).keys()


def test_an_empty_text_in_a_field_of_commands_is_not_the_same_as_none() -> None:
    assert replace(ENTRY, target="").digest() != ENTRY.digest()


@pytest.mark.parametrize("name", ["command", "refusal", "target"])
def test_what_cannot_be_stored_is_refused_in_the_fields_of_commands_too(name: str) -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, **{name: "a\x00b"})


def test_only_releases_tell_about_their_patients() -> None:
    assert [outcome for outcome in Outcome if outcome.tells] == [Outcome.RELEASED, Outcome.PARTIAL]


def test_moving_a_name_from_one_set_to_another_changes_the_digest() -> None:
    moved = replace(ENTRY, released=ENTRY.released | ENTRY.masked, masked=frozenset())

    assert moved.digest() != ENTRY.digest()


def test_an_entry_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        ENTRY.subject = "usr-other"  # type: ignore[misc]


def test_labels_are_encoded_where_there_are_some_and_change_no_older_row() -> None:
    labelled = replace(ENTRY, labels=frozenset({"SUD", "PSY"}))
    content = json.loads(labelled.encode())

    assert (content["labels"], content["encoding"]) == (["PSY", "SUD"], "portico.audit.2")
    assert "labels" not in json.loads(ENTRY.encode())
    assert labelled.digest() != ENTRY.digest()


def test_attempts_are_encoded_where_there_are_some_and_change_no_older_row() -> None:
    tried = replace(ENTRY, attempts=frozenset({BEN, ADA}))
    content = json.loads(tried.encode())

    assert (content["attempts"], content["encoding"]) == ([ADA, BEN], "portico.audit.2")
    assert "attempts" not in json.loads(ENTRY.encode())
    assert tried.digest() != ENTRY.digest()


def test_an_attempt_at_somebody_without_a_canonical_id_is_refused() -> None:
    with pytest.raises(AuditUnavailable):
        replace(ENTRY, attempts=frozenset({PatientId("e-1")}))
