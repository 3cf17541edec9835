"""Consents in Portico's own Postgres. Its SQL stands in `consents.sql`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import uuid4

import asyncpg

from portico.records.consent import Consent, Provision
from portico.records.references import PatientId, SourceName, Tenant, is_patient_id
from portico.store.consents import PORTICO, ConsentId, KeptConsent, decoded, encoded, enforceable
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database
from portico.store.parties import is_storable
from portico.store.queries import load_queries
from portico.store.synchronisation import write_consents

_SQL = load_queries("portico.store", "consents.sql")


class PostgresConsents:
    """The `Consents` that count."""

    def __init__(self, database: Database, config: CrosswalkConfig) -> None:
        self._database = database
        self._config = config

    async def record_consent(
        self,
        tenant: Tenant,
        patient: PatientId,
        provision: Provision,
        *,
        by: str,
        parties: frozenset[str] = frozenset(),
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> ConsentId | None:
        """See `Consents.record_consent`."""
        made = ConsentId(str(uuid4()))
        consent = Consent(
            source=PORTICO,
            source_id=patient,
            consent_id=made,
            provision=provision,
            parties=parties,
            start=start,
            end=end,
        )
        if not is_patient_id(patient) or not is_storable(by) or enforceable(consent) != consent:
            return None
        found = await self._database.fetch(
            _SQL["record"], tenant, patient, made, encoded(provision), sorted(parties), start, end, by
        )
        return made if found else None

    async def revoke_consent(self, tenant: Tenant, consent: ConsentId, *, patient: PatientId, by: str) -> bool:
        """See `Consents.revoke_consent`."""
        if not is_patient_id(patient) or not is_patient_id(consent) or not is_storable(by):
            return False
        return bool(await self._database.fetch(_SQL["revoke"], tenant, patient, consent, by))

    async def consents_of(self, tenant: Tenant, patient: PatientId) -> Sequence[KeptConsent]:
        """See `Consents.consents_of`."""
        if not is_patient_id(patient):
            return ()
        rows = await self._database.fetch(_SQL["of_patient"], tenant, patient, self._config.minimum_assurance, PORTICO)
        return [_kept(row) for row in rows]

    async def replace_consents(self, tenant: Tenant, consents: Mapping[SourceName, Iterable[Consent]]) -> None:
        """See `Consents.replace_consents`."""
        seconds = self._config.synchronize_timeout_seconds
        async with self._database.transaction(seconds=seconds) as connection:
            await write_consents(connection, tenant, consents, seconds)


def _kept(row: asyncpg.Record) -> KeptConsent:
    return KeptConsent(
        consent=Consent(
            source=SourceName(row["source"]),
            source_id=row["source_id"],
            consent_id=row["consent_id"],
            provision=decoded(row["provision"]),
            parties=frozenset(row["parties"]),
            start=row["starts"],
            end=row["ends"],
        ),
        recorded_at=row["recorded_at"],
        recorded_by=row["recorded_by"],
        revoked_at=row["revoked_at"],
        revoked_by=row["revoked_by"],
    )
