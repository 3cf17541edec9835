"""What a patient, or a privacy officer for them, asks from the command line: to whom was something disclosed."""

from __future__ import annotations

import getpass
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final, Literal, TypeAlias
from uuid import uuid4

import orjson

from portico.audit.disclosures import accesses, accounting, display_safe, told
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.fhir_events import audit_event
from portico.audit.trail import AuditRow, Period
from portico.inspection import NOBODY, NoSuchPatient, canonical_ids, opened_trail, tenants
from portico.records.references import PatientId, Tenant
from resolvers.seal import Seal

__all__ = ["NoSuchPatient", "Told", "disclosures", "nothing", "period_of", "written"]

COMMAND: Final = "portico audit disclosures"
SHOWN: Final = frozenset(
    f"Access.{name}" for name in ("at", "client", "disclosure", "purpose", "released", "sources", "who")
)
"""What an account tells, in the words of the graph, for its own audit row."""


Format: TypeAlias = Literal["text", "json", "fhir"]
"""How an account is written: a line for each row, whatever the format."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One row about the patient who was asked about."""

    tenant: Tenant
    patient: PatientId
    row: AuditRow


async def disclosures(
    database_url: str, patient: str, *, secret: bytes, period: Period, everything: bool
) -> AsyncIterator[Told]:
    """The disclosures of a patient's data, or `everything` that was told of them, newest first, tenant by tenant.

    That somebody looks at them is recorded like any other look at a patient, before the first row is given. Raises
    `NoSuchPatient`.
    """
    async with opened_trail(database_url) as (database, trail):
        for tenant, canonical in canonical_ids(Seal(secret), await tenants(database), patient):
            noted = False
            async for row in accesses(trail, tenant, canonical, period=period, everything=everything):
                if not noted:
                    await trail.commit(_reading(tenant, canonical))
                    noted = True
                yield Told(tenant=tenant, patient=canonical, row=row)


def period_of(since: datetime | None, until: datetime | None, *, everything: bool, now: datetime) -> Period:
    """From one moment to another. Without a beginning, an accounting reaches as far back as the law says."""
    if since is None and not everything:
        since = accounting().beginning(now)
    return Period(since=since, until=until)


def nothing(period: Period, *, everything: bool) -> str:
    """What to say where there is no row."""
    since = f" since {period.since:%Y-%m-%d}" if period.since else ""
    until = f" before {period.until:%Y-%m-%d}" if period.until else ""
    if everything:
        return f"{NOBODY}{since}{until}"
    return f"nothing to account for{since}{until}; --all lists every access"


def written(one: Told, how: Format) -> bytes:
    """A row in its format. Labels, and what was withheld and why, are in none of them."""
    match how:
        case "text":
            return _sentence(one).encode()
        case "json":
            return orjson.dumps(_facts(one))
        case "fhir":
            return orjson.dumps(audit_event(one.row, one.patient))


def _facts(one: Told) -> dict[str, object]:
    entry = one.row.entry
    return {
        "tenant": one.tenant,
        "number": one.row.number,
        "at": one.row.recorded_at,
        "subject": entry.subject,
        "kind": entry.kind,
        "roles": sorted(entry.roles),
        "client": entry.client,
        "purpose": entry.purpose,
        "released": told(entry),
        "sources": sorted(entry.sources),
        "request_id": entry.request_id,
        "disclosure": accounting().lists(entry),
    }


def _sentence(one: Told) -> str:
    entry = one.row.entry
    at = one.row.recorded_at.astimezone(UTC).isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    roles = ", ".join(map(display_safe, sorted(entry.roles))) or "no role"
    who = f"{display_safe(entry.subject)} ({roles}) with {display_safe(entry.client)}"
    mark = " [disclosure]" if accounting().lists(entry) else ""
    sources = f", from {', '.join(sorted(entry.sources))}" if entry.sources else ""
    return f"{at}  {who}, for {entry.purpose}{mark}: {', '.join(told(entry))}{sources}; request {entry.request_id}"


def _reading(tenant: Tenant, patient: PatientId) -> AuditEntry:
    """The row about the reading itself. No policy decides it: who may use the command may read the database."""
    return AuditEntry(
        tenant=tenant,
        request_id=str(uuid4()),
        subject=getpass.getuser(),
        kind="person",
        roles=frozenset(),
        purpose="HOPERAT",
        client=COMMAND,
        operation=sha256(COMMAND.encode()).hexdigest(),
        patients=frozenset({patient}),
        released=SHOWN,
        policy_revision="none",
        outcome=Outcome.RELEASED,
        at=datetime.now(UTC),
    )
