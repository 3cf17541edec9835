"""Consent as a command: a patient says who may see what of theirs, and takes it back."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from portico.access.commands import Limits
from portico.access.guard import Released
from portico.access.principal import Purpose
from portico.records.consent import Consent, Provision
from portico.records.errors import BadArgument, CommandRefused
from portico.records.references import PORTICO, By, PatientId, RecordType
from portico.records.types import Practitioner
from portico.store.consents import ConsentId, KeptConsent
from portico.store.emergency import DAY
from resolvers.commands import Command
from resolvers.own_records import consent, own_consent

WORDS_LIMIT: Final = 50
"""Words of a kind that one provision names."""
WORD_LIMIT: Final = 64
"""Characters of a word."""
_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a patient wants. An empty list of words, practitioners or organizations stands for all.

    Raises `BadArgument` for what can't be kept as it stands.
    """

    patient: str
    """Their opaque id."""
    provision: Provision
    practitioners: tuple[str, ...] = ()
    """Whom it concerns, by opaque ids; and which organizations."""
    organizations: tuple[str, ...] = ()
    start: datetime | None = None
    end: datetime | None = None

    def __post_init__(self) -> None:
        """Refuse too many words, words that are none, and a period that never is."""
        said = self.provision
        for words in (said.purposes, said.roles, said.tags, said.labels, self.practitioners, self.organizations):
            if len(words) > WORDS_LIMIT:
                raise BadArgument(f"A consent names at most {WORDS_LIMIT} of a kind.")
        if not said.purposes <= _PURPOSES:
            raise BadArgument("purposes must be purposes of use that are known here.")
        for word in (*said.purposes, *said.roles, *said.tags, *said.labels):
            if not word.isascii() or not word.isprintable() or not 0 < len(word.strip()) <= WORD_LIMIT:
                raise BadArgument(f"A word of a consent has 1 to {WORD_LIMIT} letters.")
        for moment in (self.start, self.end):
            if moment is not None and moment.tzinfo is None:
                raise BadArgument("start and end need an offset from UTC.")
        if self.start is not None and self.end is not None and self.start > self.end:
            raise BadArgument("end must not come before start.")


async def record_consent(command: Command, wish: Wish) -> Released | None:
    """Keep what a patient wants; it counts for every read that begins after this has answered."""
    id_ = command.resolve(RecordType.PATIENT, wish.patient)
    patient = None if id_ is None else PatientId(id_.value)
    limits = await command.permit(await command.relationships(patient))
    if patient is None:
        raise CommandRefused("unknown_patient")
    await _within(command, patient, limits)
    parties = await _parties(command, wish)
    await _refuse_unseen(command, patient, wish, parties)
    made = await asyncio.shield(_keep(command, patient, wish, parties))
    return await _released(command, patient, made)


async def revoke_consent(command: Command, name: str) -> Released | None:
    """End a consent of Portico's own for good. What a source keeps is for the source to change."""
    id_ = command.resolve(RecordType.CONSENT, name)
    named = None if id_ is None else own_consent(id_.value)
    patient = PatientId(id_.value.partition("/")[0]) if id_ is not None else None
    await command.permit(await command.relationships(patient))
    if patient is None:
        raise CommandRefused("unknown_consent")
    if named is None:
        raise CommandRefused("kept_by_its_source")
    made = ConsentId(named[1])
    if await _kept(command, patient, made) is None:
        raise CommandRefused("unknown_consent")
    await asyncio.shield(_end(command, patient, made))
    return await _released(command, patient, made)


async def _keep(command: Command, patient: PatientId, wish: Wish, parties: frozenset[str]) -> ConsentId:
    """Record that it is about to be kept, and keep it; once begun, both are done, whoever still waits."""
    principal = command.session.caller.principal
    await command.session.trail.commit(command.entry(patient, None))
    made = await command.stores.consents.record_consent(
        principal.tenant,
        patient,
        wish.provision,
        by=principal.subject,
        parties=parties,
        start=wish.start,
        end=wish.end,
    )
    if made is None:
        raise CommandRefused("unknown_patient")
    return made


async def _end(command: Command, patient: PatientId, made: ConsentId) -> None:
    principal = command.session.caller.principal
    await command.session.trail.commit(command.entry(patient, made))
    await command.stores.consents.revoke_consent(principal.tenant, made, patient=patient, by=principal.subject)


async def _within(command: Command, patient: PatientId, limits: Limits) -> None:
    """Raise `CommandRefused` where the caller has made as many in 24 hours as they may."""
    if limits.max_per_day is None:
        return
    principal, since = command.session.caller.principal, command.session.now - DAY
    kept = await command.stores.consents.consents_of(principal.tenant, patient)
    made = [one for one in kept if one.recorded_by == principal.subject and one.recorded_at > since]
    if len(made) >= limits.max_per_day:
        raise CommandRefused("daily_limit")


async def _refuse_unseen(command: Command, patient: PatientId, wish: Wish, parties: frozenset[str]) -> None:
    """Raise `BadArgument` where the caller would not be shown what they made, and so could never take it back.

    A consent is as sensitive as what it speaks of, and nobody is cleared for a label that the policies don't know.
    """
    draft = Consent(
        source=PORTICO,
        source_id=patient,
        consent_id="",
        provision=wish.provision,
        parties=parties,
        start=wish.start,
        end=wish.end,
    )
    record = consent(patient, KeptConsent(consent=draft, recorded_at=command.session.now))
    if not await command.session.admitted(await command.session.cases([record])):
        raise BadArgument("sensitivities must be labels that are known here.")


async def _parties(command: Command, wish: Wish) -> frozenset[str]:
    """Whom it concerns, as the store names them. Raises `BadArgument` for an id that names nobody such."""
    practitioners = _values(command, RecordType.PRACTITIONER, wish.practitioners)
    organizations = _values(command, RecordType.ORGANIZATION, wish.organizations)
    found = (
        await command.session.find(RecordType.PRACTITIONER, By.ID, practitioners, also=("npi",))
        if practitioners
        else {}
    )
    npis = {
        record.npi
        for records in found.values()
        for record in records
        if isinstance(record, Practitioner) and record.npi
    }
    if len(npis) != len(set(practitioners)):
        raise BadArgument("practitioners must be ids of practitioners.")
    return frozenset({f"npi {npi}" for npi in npis} | {f"organization {id_}" for id_ in organizations})


def _values(command: Command, type_: RecordType, names: Collection[str]) -> list[str]:
    ids = [command.resolve(type_, name) for name in names]
    if None in ids:
        raise BadArgument(f"{type_.value.lower()}s must be ids of {type_.value.lower()}s.")
    return [id_.value for id_ in ids if id_ is not None]


async def _kept(command: Command, patient: PatientId, made: ConsentId) -> KeptConsent | None:
    kept: Sequence[KeptConsent] = await command.stores.consents.consents_of(
        command.session.caller.principal.tenant, patient
    )
    own = [one for one in kept if one.consent.source == PORTICO and one.consent.consent_id == made]
    return own[0] if own else None


async def _released(command: Command, patient: PatientId, made: ConsentId) -> Released | None:
    command.session.forget_standing(patient)
    kept = await _kept(command, patient, made)
    return None if kept is None else await command.release(consent(patient, kept))
