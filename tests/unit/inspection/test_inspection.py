from __future__ import annotations

import json
from datetime import UTC, datetime

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import GENESIS, AuditRow, ChainHead, ChainReport, Flaw
from portico.inspection import line, sentence
from portico.records.references import PatientId, Tenant

HEAD = ChainHead(tenant=Tenant("riverbend"), number=12, hash=GENESIS)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def test_a_sound_chain_is_told_with_its_length_and_head() -> None:
    assert sentence(ChainReport(head=HEAD)) == f"riverbend: 12 rows, sound, head {'00' * 32}"


def test_a_broken_chain_is_told_with_its_first_bad_row() -> None:
    report = ChainReport(head=HEAD, first_bad_row=13, flaw=Flaw.EDITED)
    assert sentence(report) == "riverbend: row 13 is edited; 12 rows before it are sound"


def test_a_row_is_one_line_of_json_with_its_sets_in_order() -> None:
    entry = AuditEntry(
        tenant=Tenant("riverbend"),
        request_id="r",
        subject="usr-biller",
        kind="person",
        roles=frozenset({"biller"}),
        purpose="HPAYMT",
        client="workstation",
        operation="0" * 64,
        patients=frozenset({PatientId("00000000-0000-4000-8000-000000000000")}),
        released=frozenset({"Patient.name", "Claim.paid"}),
        policy_revision="p",
        outcome=Outcome.RELEASED,
        at=NOW,
    )
    written = line(AuditRow(number=1, recorded_at=NOW, entry=entry))
    assert b"\n" not in written
    told = json.loads(written)
    assert told["released"] == ["Claim.paid", "Patient.name"]
    assert (told["number"], told["outcome"]) == (1, "released")
