"""Portico as the source of its own records about patients: emergency accesses and consents.

They are found, paged, guarded and recorded like any source's, under the patients' canonical ids. Nothing leaves the
house to ask for them, so no register of destinations is asked either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from portico.audit.disclosures import display_safe
from portico.records import types
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import BadArgument, UnsupportedPredicate
from portico.records.references import PORTICO, By, PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.search import Hit, Page, Search
from portico.records.types import Record
from portico.records.values import Accessor, Period, Provenance
from portico.store.consents import KeptConsent, encoded
from portico.store.emergency import AccessId, EmergencyAccess, EmergencyAccesses, Place
from resolvers.seal import Seal

_TYPES: Final = {
    RecordType.EMERGENCY_ACCESS: frozenset({By.ID, By.PATIENT}),
    RecordType.CONSENT: frozenset({By.ID, By.PATIENT}),
}
_BETWEEN: Final = "/"
"""Between the parts of a consent's id: its patient, and what the consent is called."""


class Consents(Protocol):
    """What patients decided about their data; see `portico.store.consents.Consents`."""

    async def consents_of(self, tenant: Tenant, patient: PatientId) -> Sequence[KeptConsent]:
        """All of a patient's, oldest first."""


class OwnRecords:
    """A `resolvers.session.Channel` to Portico's own store. One for a process; each call names its tenant."""

    source: SourceName = PORTICO
    destination = PORTICO
    keys: Mapping[RecordType, frozenset[By]] = _TYPES

    def __init__(self, emergency: EmergencyAccesses[Any], consents: Consents, seal: Seal) -> None:
        self._emergency = emergency
        self._consents = consents
        self._seal = seal

    async def find(
        self, call: CallContext, type_: RecordType, by: By, keys: Sequence[str]
    ) -> Mapping[str, tuple[Record, ...]]:
        """Records by key. Cost: one query; of consents, one for each patient."""
        if type_ is RecordType.CONSENT:
            return await self._consents_by(call.tenant, by, keys)
        found: dict[str, tuple[Record, ...]] = {}
        if by is By.PATIENT:
            of_patients = await self._emergency.accesses_of(call.tenant, [PatientId(key) for key in keys])
            for patient, accesses in of_patients.items():
                found[patient] = tuple(self.access(call.tenant, one) for one in accesses)
            return found
        for id_, access in (await self._emergency.accesses(call.tenant, [AccessId(key) for key in keys])).items():
            found[id_] = (self.access(call.tenant, access),)
        return found

    async def _consents_by(self, tenant: Tenant, by: By, keys: Sequence[str]) -> Mapping[str, tuple[Record, ...]]:
        patients = {key: PatientId(key.partition(_BETWEEN)[0]) for key in keys}
        made: dict[PatientId, tuple[Record, ...]] = {}
        for patient in dict.fromkeys(patients.values()):
            kept = await self._consents.consents_of(tenant, patient)
            made[patient] = tuple(consent(patient, one) for one in kept)
        if by is By.PATIENT:
            return {key: made[patient] for key, patient in patients.items()}
        return {
            key: tuple(record for record in made[patient] if record.id.value == key)
            for key, patient in patients.items()
        }

    async def search(self, call: CallContext, search: Search) -> Page:
        """One page of the emergency accesses. Cost: one query."""
        if search.type is not RecordType.EMERGENCY_ACCESS or search.order not in ("id", "at"):
            raise UnsupportedPredicate(f"no search for {search.type} by {search.order}")
        asked: dict[str, Any] = {}
        for condition in search.where:
            match condition.field:
                case "patient":
                    asked["patients"] = [PatientId(value) for value in condition.values]
                case "reviewed":
                    asked["reviewed"] = condition.values == ("true",)
                case other:
                    raise UnsupportedPredicate(f"no search for {search.type} where {other}")
        found = await self._emergency.queue(
            call.tenant,
            **asked,
            by_time=search.order == "at",
            descending=search.descending,
            after=None if search.after is None else _place(search.after),
            limit=search.limit + 1,
        )
        hits = [Hit(self.access(call.tenant, one), _position(one, search.order)) for one in found[: search.limit]]
        return Page(tuple(hits), more=len(found) > search.limit)

    async def ping(self, call: CallContext) -> None:
        """Answered by the store itself; nobody asks here."""

    def access(self, tenant: Tenant, access: EmergencyAccess) -> types.EmergencyAccess:
        """An emergency access as a record."""
        return types.EmergencyAccess(
            id=RecordId(RecordType.EMERGENCY_ACCESS, PORTICO, access.id),
            provenance=_provenance(PORTICO, access.id),
            subject=access.patient,
            patient_id=self._seal.seal(("id", tenant), (RecordType.PATIENT, PORTICO, access.patient)),
            who=Accessor(
                subject=display_safe(access.subject),
                kind="person",
                roles=tuple(display_safe(role) for role in sorted(access.roles)),
            ),
            at=access.started_at,
            ends_at=access.ends_at,
            ended_at=access.ended_at,
            reason=access.reason,
            reviewed_at=access.reviewed_at,
            reviewer=None if access.reviewer is None else display_safe(access.reviewer),
            verdict=access.verdict,
            note=access.note,
        )


def consent(patient: PatientId, kept: KeptConsent) -> types.Consent:
    """A consent as a record: as sensitive as what it speaks of."""
    made, provision = kept.consent, kept.consent.provision
    own = made.source == PORTICO
    called = made.consent_id if own else _BETWEEN.join((made.source, made.consent_id, _wording(made)))
    return types.Consent(
        id=RecordId(RecordType.CONSENT, PORTICO, f"{patient}{_BETWEEN}{called}"),
        provenance=_provenance(made.source, made.consent_id),
        subject=patient,
        labels=provision.labels,
        kind=provision.kind,
        purposes=tuple(sorted(provision.purposes)),
        roles=tuple(sorted(provision.roles)),
        tags=tuple(sorted(provision.tags)),
        sensitivities=tuple(sorted(provision.labels)),
        parties=tuple(sorted(made.parties)),
        period=Period(start=made.start, end=made.end),
        recorded_at=kept.recorded_at,
        revoked_at=kept.revoked_at,
    )


def _wording(made: Consent) -> str:
    """What tells the provisions of one document apart."""
    said = (encoded(made.provision), sorted(made.parties), made.start, made.end)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:16]


def own_consent(value: str) -> tuple[PatientId, str] | None:
    """The patient and the id of a consent of Portico's own, from the value of its record id; None of another's."""
    match value.split(_BETWEEN):
        case [patient, id_]:
            return PatientId(patient), id_
    return None


def _position(access: EmergencyAccess, order: str) -> str:
    return f"{access.started_at.isoformat()}{_BETWEEN}{access.id}" if order == "at" else access.id


def _place(position: str) -> Place:
    """Raises `BadArgument` for what is no position of such a list."""
    moment, between, id_ = position.rpartition(_BETWEEN)
    try:
        return Place(AccessId(id_), datetime.fromisoformat(moment) if between else None)
    except ValueError:
        raise BadArgument("after is not a cursor of this list.") from None


def _provenance(source: str, id_: str) -> Provenance:
    return Provenance(source=source, source_id=id_, retrieved_at=datetime.now(UTC), mapping_version="1")
