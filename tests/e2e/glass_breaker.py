"""A process that declares an emergency, prints its id once it is acknowledged, and waits to be killed.

    python glass_breaker.py URL TENANT PATIENT REQUEST [in-hand]

With `in-hand` it takes the alert to deliver it first, to a receiver that never answers.
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime
from uuid import uuid4

from portico.alerts.dispatcher import Dispatcher, DispatcherConfig
from portico.alerts.receiver import Receiver
from portico.audit.entry import AuditEntry, Outcome
from portico.records.references import PatientId, Tenant
from portico.store.alerts import Alert, PostgresAlerts
from portico.store.database import Database, DatabaseConfig
from portico.store.emergency import AccessId, Declaration, EmergencyAccess
from portico.store.postgres_emergency import PostgresEmergencyAccesses


def declaration(
    tenant: str, patient: str, *, subject: str = "usr-physician", at: datetime | None = None
) -> Declaration:
    return Declaration(
        tenant=Tenant(tenant),
        id=AccessId(str(uuid4())),
        subject=subject,
        roles=frozenset({"physician"}),
        patient=PatientId(patient),
        reason="unconscious, no history known",
        at=at or datetime.now(UTC),
        minutes=60,
        per_day=None,
    )


def entry(declared: Declaration, command: str = "breakTheGlass") -> AuditEntry:
    return AuditEntry(
        tenant=declared.tenant,
        request_id=str(uuid4()),
        subject=declared.subject,
        kind="person",
        roles=declared.roles,
        purpose="ETREAT",
        client="workstation",
        operation="0f" * 32,
        patients=frozenset({declared.patient} if declared.patient else ()),
        policy_revision="rev-1",
        outcome=Outcome.DONE,
        at=datetime.now(UTC),
        command=command,
        target=declared.id,
    )


def say(text: str) -> None:
    os.write(sys.stdout.fileno(), f"{text}\n".encode())


class Silence:
    """A delivery that never ends."""

    async def deliver(self, alert: Alert, receiver: Receiver) -> None:  # noqa: ARG002  the contract's
        say(f"taken {alert.id}")
        await asyncio.Event().wait()

    async def aclose(self) -> None:
        """Nothing is open."""


async def main(url: str, tenant: str, patient: str, how: str = "") -> None:
    database = await Database.open(DatabaseConfig(url=url))
    declared = declaration(tenant, patient)
    access = await PostgresEmergencyAccesses(database).declare(
        declared, entry=entry(declared), alert=f'{{"id":"{declared.id}"}}'
    )
    assert isinstance(access, EmergencyAccess)
    say(declared.id)
    if how == "in-hand":
        receiver = Receiver(url="https://nowhere.example", key=bytes(32))
        config = DispatcherConfig(lease_seconds=1.0)
        await Dispatcher(PostgresAlerts(database), {Tenant(tenant): receiver}, Silence(), config=config).round()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
