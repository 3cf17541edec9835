"""Commands: what a caller has done, rather than is told.

Every command goes the same way. The policies say whether the caller may run it, given how they stand to the patient;
their obligations are checked here; then it has its effect, together with its audit entry; then its answer is released
by the guard like any record. A command that is refused has no effect, and the answer's own audit entry says so.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from portico.access.commands import Limits
from portico.access.guard import Released
from portico.audit.entry import AuditEntry, Outcome
from portico.records.errors import BadArgument, CommandRefused, StepUpRequired
from portico.records.references import PatientId, RecordId, RecordType
from portico.records.types import Record
from portico.store.consents import Consents
from portico.store.emergency import EmergencyAccesses
from resolvers.own_records import OwnRecords
from resolvers.session import Session

TEXT_LIMIT: Final = 2_000
"""Characters of a text that somebody gives with a command, whatever the policies say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandStores:
    """Where commands have their effects; made once by `main`."""

    emergency: EmergencyAccesses[AuditEntry]
    consents: Consents
    records: OwnRecords


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command of one request. `operation` is the SHA-256 of the document that holds it."""

    name: str
    session: Session
    stores: CommandStores
    operation: str
    operation_name: str | None

    async def relationships(self, patient: PatientId | None) -> frozenset[str]:
        """How the caller stands to a patient; to nobody, and to nobody known, in no way. One query."""
        standings = await self.session.standings_of([] if patient is None else [patient])
        for known in standings:
            self.session.ledger.patients.add(known)
        return frozenset().union(*(standing.facts.relationships for standing in standings.values()))

    async def permit(self, relationships: Collection[str]) -> Limits:
        """The limits within which the caller may run it; one policy call.

        Raises `CommandRefused` where the policies are against it, `StepUpRequired` where the caller's authentication
        is too weak or too old for them.
        """
        session = self.session
        facts = {"relationships": sorted(relationships)}
        decision = await session.decisions.command(session.caller, self.name, facts, session.tally)
        if decision.reason is not None:
            raise CommandRefused(decision.reason)
        step_up = decision.step_up
        if step_up is not None and not step_up.is_met_by(session.caller.principal, session.now.timestamp()):
            raise StepUpRequired(step_up.challenge())
        return decision.limits

    def entry(self, patient: PatientId, target: str | None) -> AuditEntry:
        """What the trail is told of the command as it is carried out."""
        session, principal = self.session, self.session.caller.principal
        return AuditEntry(
            tenant=principal.tenant,
            request_id=session.caller.request_id,
            subject=principal.subject,
            kind=principal.kind.value,
            roles=principal.roles,
            purpose=session.caller.purpose.value,
            client=principal.client,
            operation=self.operation,
            operation_name=self.operation_name,
            patients=frozenset({patient}),
            policy_revision=session.ceiling.revision,
            decision_ids=frozenset(session.tally.decision_ids),
            outcome=Outcome.DONE,
            at=session.now,
            command=self.name,
            target=target,
        )

    async def release(self, record: Record) -> Released | None:
        """What of a record the caller may be told; None: nothing."""
        return (await self.session.release(await self.session.cases([record])))[0]

    def resolve(self, type_: RecordType, name: str) -> RecordId | None:
        """What an opaque id names, if that is of this type."""
        id_ = self.session.resolve_id(name)
        return id_ if id_ is not None and id_.type is type_ else None


def written(name: str, text: str | None, limits: Limits) -> str:
    """A text that somebody wrote, with the white space that says nothing taken out; empty where none was given.

    Raises `BadArgument` where it is longer or shorter than the policies ask, or has characters that don't print.
    """
    plain = " ".join(unicodedata.normalize("NFC", text or "").split())
    fewest, most = limits.reason_characters or (0, TEXT_LIMIT)
    most = min(most, TEXT_LIMIT)
    if not plain.isprintable():
        raise BadArgument(f"{name} must be printable text on one line.")
    if not fewest <= len(plain) <= most:
        raise BadArgument(f"{name} must have {fewest} to {most} characters.")
    return plain
