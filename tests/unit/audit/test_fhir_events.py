"""An audit row becomes a FHIR AuditEvent that keeps the profile, and tells nothing that it shouldn't."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fhirclient.models.auditevent import AuditEvent

from portico.audit.entry import Outcome
from portico.audit.fhir_events import audit_event
from portico.audit.trail import AuditRow
from portico.records.references import PatientId
from tests.e2e.audit_entries import ENTRY
from tests.unit.audit.balp import TABLE, departures

ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
BEN = PatientId("0b0b0b0b-0000-4000-8000-00000000000b")
FULL = replace(
    ENTRY,
    roles=frozenset({"physician", "teacher"}),
    patients=frozenset({ADA, BEN}),
    operation_name="Chart",
    masked=frozenset({"Patient.ssn"}),
    withheld=frozenset({"Claim.paid"}),
    sources=frozenset({"ehr", "billing"}),
    outcome=Outcome.PARTIAL,
    labels=frozenset({"SUD"}),
)
AT = datetime(2026, 1, 31, 3, 30, 0, 123456, tzinfo=timezone(timedelta(hours=-5)))


def event(entry: Any = FULL, patient: PatientId = ADA) -> Any:
    return audit_event(AuditRow(number=4711, recorded_at=AT, entry=entry), patient)


VARIANTS = {
    "everything": FULL,
    "as little as can be": replace(ENTRY, roles=frozenset(), released=frozenset(), patients=frozenset({ADA})),
    "a service": replace(FULL, kind="service", subject="svc-website", client="website"),
    "an unknown purpose": replace(FULL, purpose="X"),
    "hostile text": replace(FULL, subject="a\nb<script>", client='";\u202e', roles=frozenset({"ünï"}), request_id="{}"),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_an_event_keeps_the_profile(name: str) -> None:
    assert departures(event(VARIANTS[name])) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_an_event_is_read_again_as_it_was_written(name: str) -> None:
    written = event(VARIANTS[name])
    assert AuditEvent(json.loads(json.dumps(written))).as_json() == written


def test_an_event_says_who_when_why_and_what() -> None:
    told = event()
    user = next(agent for agent in told["agent"] if agent["requestor"])
    assert user["who"]["identifier"]["value"] == user["altId"] == "usr-physician"
    assert [role["text"] for role in user["role"]] == ["physician", "teacher"]
    assert user["purposeOfUse"][0]["coding"] == [
        {"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "TREAT"}
    ]
    assert told["recorded"] == "2026-01-31T08:30:00.123+00:00"
    assert datetime.fromisoformat(told["recorded"]).astimezone(UTC).hour == 8
    (data,) = [entity for entity in told["entity"] if entity.get("name") == "released"]
    assert [(one["type"], one["valueString"]) for one in data["detail"]] == [
        ("released", "Patient.name"), ("released", "Patient.ssn"), ("source", "billing"), ("source", "ehr"),
    ]  # fmt: skip
    (query,) = [entity["query"] for entity in told["entity"] if "query" in entity]
    assert base64.b64decode(query).decode() == f"sha256={FULL.operation}&operationName=Chart"


def test_an_event_names_one_patient_and_no_other() -> None:
    assert BEN not in json.dumps(event(patient=ADA))
    assert ADA not in json.dumps(event(patient=BEN))


def test_neither_labels_nor_what_was_withheld_leave() -> None:
    for secret in ("SUD", "Claim.paid", "withheld"):
        assert secret not in json.dumps({**event(), "outcomeDesc": ""})


def test_an_event_about_nothing_released_does_not_claim_the_profile() -> None:
    refused = event(replace(FULL, outcome=Outcome.REFUSED))
    assert refused["outcome"] == "8"
    assert "meta" not in refused


BREAKS: dict[str, Callable[[Any], object]] = {
    "another type": lambda one: one["type"].update(code="other"),
    "no subtype": lambda one: one.pop("subtype"),
    "a read": lambda one: one.update(action="R"),
    "a failure": lambda one: one.update(outcome="4"),
    "no client": lambda one: one["agent"].pop(0),
    "no server": lambda one: one["agent"].pop(1),
    "two clients": lambda one: one["agent"].append(copy.deepcopy(one["agent"][0])),
    "no network": lambda one: one["agent"][0].pop("network"),
    "an empty network": lambda one: one["agent"][0].update(network={}),
    "nobody asked": lambda one: one["agent"][2].update(requestor=False),
    "a user on the network": lambda one: one["agent"][2].update(network=one["agent"][0]["network"]),
    "no patient": lambda one: one["entity"].pop(0),
    "no query": lambda one: one["entity"].pop(1),
    "a named query": lambda one: one["entity"][1].update(name="x"),
    "details of the query": lambda one: one["entity"][1].update(detail=[{"type": "x", "valueString": "y"}]),
    "not a patient": lambda one: one["entity"][0]["what"].update(type="Person"),
}


@pytest.mark.parametrize("name", BREAKS)
def test_the_table_notices_what_breaks_the_profile(name: str) -> None:
    broken = copy.deepcopy(event())
    BREAKS[name](broken)
    assert departures(broken) != []


def test_the_table_asks_for_every_slice_of_the_profile() -> None:
    assert {path.partition(".")[0] for path, _, _ in TABLE} >= {
        "agent[110153]", "agent[110152]", "agent[IRCP]", "entity[1]", "entity[2]", "entity[XrequestId]",
    }  # fmt: skip
