"""Guardians and exclusions in Portico's own Postgres. Its SQL stands in `crosswalk.sql`."""

from __future__ import annotations

from datetime import datetime

from portico.records.references import PatientId, Tenant, is_patient_id
from portico.store.database import Database
from portico.store.grants import GuardianKind
from portico.store.parties import is_party
from portico.store.queries import load_queries

_SQL = load_queries("portico.store", "crosswalk.sql")


class PostgresGrants:
    """The `Grants` that count."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def grant_guardianship(
        self,
        tenant: Tenant,
        *,
        guardian: str,
        patient: PatientId,
        start: datetime | None,
        end: datetime | None,
        kind: GuardianKind = GuardianKind.GUARDIAN,
    ) -> bool:
        """See `Grants.grant_guardianship`."""
        if not is_patient_id(patient):
            return False
        return bool(await self._database.fetch(_SQL["grant_guardianship"], tenant, patient, guardian, start, end, kind))

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """See `Grants.revoke_guardianship`."""
        if not is_patient_id(patient):
            return False
        return bool(await self._database.fetch(_SQL["revoke_guardianship"], tenant, patient, guardian))

    async def exclude(
        self, tenant: Tenant, *, party: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """See `Grants.exclude`."""
        if not is_patient_id(patient) or not is_party(party):
            return False
        return bool(await self._database.fetch(_SQL["exclude"], tenant, patient, party, start, end))

    async def lift_exclusion(self, tenant: Tenant, *, party: str, patient: PatientId) -> bool:
        """See `Grants.lift_exclusion`."""
        if not is_patient_id(patient) or not is_party(party):
            return False
        return bool(await self._database.fetch(_SQL["lift_exclusion"], tenant, patient, party))
