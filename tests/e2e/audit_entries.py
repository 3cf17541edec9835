"""The entry that suites of the audit trail write, over and over."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from portico.audit.entry import AuditEntry, Outcome
from portico.records.references import Tenant

RIVERBEND = Tenant("riverbend")

ENTRY = AuditEntry(
    tenant=RIVERBEND,
    request_id="req",
    subject="usr-physician",
    kind="person",
    roles=frozenset({"physician"}),
    purpose="TREAT",
    client="portal",
    operation="0f" * 32,
    released=frozenset({"Patient.name"}),
    policy_revision="rev-1",
    outcome=Outcome.RELEASED,
    at=datetime.now(UTC),
)


def entry(number: int) -> AuditEntry:
    return replace(ENTRY, request_id=f"req-{number}")
