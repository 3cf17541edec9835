"""Breaking the glass, ending that, and looking into it afterwards."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from uuid import uuid4

import orjson

from portico.access.commands import Limits
from portico.access.guard import Released
from portico.access.rulings import SWITCHED_OFF
from portico.records.errors import BadArgument, CommandRefused
from portico.records.references import PORTICO, PatientId, RecordId, RecordType
from portico.records.search import Condition, Op, Search
from portico.records.types import EmergencyVerdict
from portico.store.emergency import MINUTES_LIMIT, AccessId, Declaration, EmergencyAccess, Refused
from resolvers.commands import Command, written

MRN_LIMIT: Final = 128
"""Characters of a medical record number."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Emergency:
    """An emergency as somebody declares it: for a patient of whom they have the id, or the number and the birth date.

    Raises `BadArgument` unless it is one or the other.
    """

    patient: str | None = None
    """An opaque id."""
    mrn: str | None = field(default=None, repr=False)
    birth_date: str | None = field(default=None, repr=False)
    """YYYY-MM-DD."""
    reason: str = field(repr=False)
    minutes: int

    def __post_init__(self) -> None:
        """Refuse half a name, and two names."""
        by_number = (self.mrn is not None, self.birth_date is not None)
        if by_number != ((False, False) if self.patient is not None else (True, True)):
            raise BadArgument("Name the patient by patient, or by mrn and birthDate together.")
        if self.mrn is not None and not (self.mrn.strip() and self.mrn.isprintable() and len(self.mrn) <= MRN_LIMIT):
            raise BadArgument(f"mrn must be 1 to {MRN_LIMIT} printable characters.")
        if self.birth_date is not None and not _is_day(self.birth_date):
            raise BadArgument("birthDate must be a day, YYYY-MM-DD.")


async def break_the_glass(command: Command, emergency: Emergency) -> Released | None:
    """Give the caller emergency access to one patient.

    The patient is one of whom the caller has an opaque id, which nobody can make up, or whose medical record number
    and birth date they both know. The EHR is asked for the latter only once the policies have allowed the command, and
    for nobody who has no declaration left: a guess that counts for nothing would be free, and its time would tell.
    Whoever is not found costs what somebody who is found does, and counts against the caller.
    """
    patient = None if emergency.patient is None else _patient(command, emergency.patient)
    limits = await command.permit(await command.relationships(patient))
    minutes, reason = _minutes(emergency.minutes, limits), written("reason", emergency.reason, limits)
    if emergency.patient is None:
        await _refuse_exhausted(command, limits)
        patient = await _patient_at_the_ehr(command, emergency)
        limits = await command.permit(await command.relationships(patient))
    declared = _declaration(command, patient, reason, minutes, limits)
    about = patient or PatientId(declared.id)  # an entry names somebody; that of a refusal is never recorded
    access = await command.stores.emergency.declare(
        declared, entry=command.entry(about, declared.id), alert=_alert(command, declared)
    )
    if isinstance(access, Refused):
        raise CommandRefused(access.value)
    command.session.forget_standing(access.patient)
    return await _released(command, access)


async def end_break_the_glass(command: Command, name: str) -> Released | None:
    """End an emergency access before its time: from then on it counts for nothing."""
    access = await _access(command, name)
    related = await command.relationships(access.patient if access else None)
    if access is None or access.subject != command.session.caller.principal.subject:
        related -= {"emergency"}  # by another's access one stands to nobody
    await command.permit(related)
    if access is None:
        raise CommandRefused(Refused.UNKNOWN_ACCESS)
    principal, now = command.session.caller.principal, command.session.now
    ended = await command.stores.emergency.end(
        principal.tenant, access.id, by=principal.subject, at=now, entry=command.entry(access.patient, access.id)
    )
    return await _changed(command, ended)


async def review_emergency_access(
    command: Command, name: str, verdict: EmergencyVerdict, note: str | None
) -> Released | None:
    """Say what to make of an emergency access: once, and not of one's own."""
    access = await _access(command, name)
    limits = await command.permit(await command.relationships(access.patient if access else None))
    said = written("note", note, limits)
    if access is None:
        raise CommandRefused(Refused.UNKNOWN_ACCESS)
    principal = command.session.caller.principal
    reviewed = await command.stores.emergency.review(
        principal.tenant,
        access.id,
        reviewer=principal.subject,
        verdict=verdict,
        note=said or None,
        at=command.session.now,
        entry=command.entry(access.patient, access.id),
    )
    return await _changed(command, reviewed)


async def _changed(command: Command, changed: EmergencyAccess | Refused) -> Released | None:
    if isinstance(changed, Refused):
        raise CommandRefused(changed.value)
    return await _released(command, changed)


async def _released(command: Command, access: EmergencyAccess) -> Released | None:
    return await command.release(command.stores.records.access(command.session.caller.principal.tenant, access))


def _patient(command: Command, name: str) -> PatientId | None:
    id_ = command.resolve(RecordType.PATIENT, name)
    return None if id_ is None else PatientId(id_.value)


async def _access(command: Command, name: str) -> EmergencyAccess | None:
    id_ = command.resolve(RecordType.EMERGENCY_ACCESS, name)
    wanted = AccessId("" if id_ is None else id_.value)
    found = await command.stores.emergency.accesses(command.session.caller.principal.tenant, [wanted])
    return found.get(wanted)


async def _refuse_exhausted(command: Command, limits: Limits) -> None:
    principal = command.session.caller.principal
    if limits.max_per_day is not None and await command.stores.emergency.exhausted(
        principal.tenant, principal.subject, at=command.session.now, per_day=limits.max_per_day
    ):
        raise CommandRefused(Refused.DAILY_LIMIT)


async def _patient_at_the_ehr(command: Command, emergency: Emergency) -> PatientId | None:
    """The one patient with this number and this birth date; None where it is nobody, or nobody who is linked."""
    session = command.session
    if session.caller.switched_off.intersection(("Patient.mrn", "Patient.birthDate")):
        raise CommandRefused(SWITCHED_OFF)
    search = Search(
        type=RecordType.PATIENT,
        where=(
            Condition("mrn", Op.IN, (emergency.mrn or "",)),
            Condition("birth_date", Op.IN, (emergency.birth_date or "",)),
        ),
        order="id",
        limit=2,
    )
    hits = (await session.search(search)).hits
    cases = await session.cases([hit.record for hit in hits])
    return cases[0].patient if len(cases) == 1 else None


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False


def _minutes(asked: int, limits: Limits) -> int:
    most = min(limits.max_minutes or MINUTES_LIMIT, MINUTES_LIMIT)
    if not 1 <= asked <= most:
        raise BadArgument(f"minutes must be between 1 and {most}.")
    return asked


def _declaration(command: Command, patient: PatientId | None, reason: str, minutes: int, limits: Limits) -> Declaration:
    principal = command.session.caller.principal
    return Declaration(
        tenant=principal.tenant,
        id=AccessId(str(uuid4())),
        subject=principal.subject,
        roles=principal.roles,
        patient=patient,
        reason=reason,
        at=command.session.now,
        minutes=minutes,
        per_day=limits.max_per_day,
    )


def _alert(command: Command, declared: Declaration) -> str:
    """What the tenant's receiver is told: whom to look at, and nothing clinical. The reason is for reviewers."""
    session = command.session
    access = RecordId(RecordType.EMERGENCY_ACCESS, PORTICO, declared.id)
    patient = RecordId(RecordType.PATIENT, PORTICO, declared.patient or "")
    body = {
        "event": "emergency_access.declared",
        "id": declared.id,
        "tenant": declared.tenant,
        "at": declared.at.isoformat(timespec="milliseconds"),
        "access": session.name(access, None),
        "patient": session.name(patient, declared.patient),
        "subject": declared.subject,
        "roles": sorted(declared.roles),
        "client": session.caller.principal.client,
        "purpose": session.caller.purpose.value,
        "minutes": declared.minutes,
    }
    return orjson.dumps(body).decode()
