"""Emergency accesses in Portico's own Postgres. Their SQL stands in `emergency.sql` and in migration 0006."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import asyncpg

from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant, is_patient_id
from portico.records.types import EmergencyVerdict
from portico.store.database import Database, unsafe_message
from portico.store.emergency import DAY, AccessId, Declaration, EmergencyAccess, Place, Recordable, Refused
from portico.store.queries import load_queries

_SQL = load_queries("portico.store", "emergency.sql")
_QUEUES = {
    descending: _SQL["queue"].replace("{after}", after).replace("{direction}", direction)
    for descending, after, direction in ((True, ">", "desc"), (False, "<", "asc"))
}
_DECLARED = "declared"
_UNSAFE = "PA001"


class PostgresEmergencyAccesses:
    """The `EmergencyAccesses` that count."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def declare(self, declaration: Declaration, *, entry: Recordable, alert: str) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.declare`."""
        new = declaration
        rows = await self._change(
            _SQL["declare"], new.tenant, new.id, new.subject, sorted(new.roles), new.patient, new.reason, new.at,
            new.minutes, new.per_day, entry.encode().decode(), alert,
        )  # fmt: skip
        if rows[0]["outcome"] != _DECLARED:
            return Refused(rows[0]["outcome"])
        return (await self.accesses(new.tenant, [new.id]))[new.id]

    async def exhausted(self, tenant: Tenant, subject: str, *, at: datetime, per_day: int) -> bool:
        """See `EmergencyAccesses.exhausted`."""
        (row,) = await self._database.fetch(_SQL["exhausted"], tenant, subject, at - DAY, per_day)
        return bool(row["exhausted"])

    async def end(
        self, tenant: Tenant, access: AccessId, *, by: str, at: datetime, entry: Recordable
    ) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.end`."""
        if not _is_access_id(access):
            return Refused.UNKNOWN_ACCESS
        rows = await self._change(_SQL["end"], tenant, access, by, at, entry.encode().decode())
        if rows:
            return _access(rows[0])
        known = (await self.accesses(tenant, [access])).get(access)
        if known is None:
            return Refused.UNKNOWN_ACCESS
        lost_answer = (known.ended_by, known.ended_at) == (by, at)
        return known if lost_answer else Refused.NOT_IN_FORCE

    async def review(
        self,
        tenant: Tenant,
        access: AccessId,
        *,
        reviewer: str,
        verdict: EmergencyVerdict,
        note: str | None,
        at: datetime,
        entry: Recordable,
    ) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.review`."""
        if not _is_access_id(access):
            return Refused.UNKNOWN_ACCESS
        rows = await self._change(
            _SQL["review"], tenant, access, reviewer, at, entry.encode().decode(), verdict.value, note
        )
        if rows:
            return _access(rows[0])
        known = (await self.accesses(tenant, [access])).get(access)
        if known is None:
            return Refused.UNKNOWN_ACCESS
        if known.subject == reviewer:
            return Refused.OWN_ACCESS
        lost_answer = (known.reviewer, known.reviewed_at) == (reviewer, at)
        return known if lost_answer else Refused.ALREADY_REVIEWED

    async def accesses(self, tenant: Tenant, ids: Collection[AccessId]) -> Mapping[AccessId, EmergencyAccess]:
        """See `EmergencyAccesses.accesses`."""
        wanted = [id_ for id_ in ids if _is_access_id(id_)]
        rows = await self._database.fetch(_SQL["accesses"], tenant, wanted) if wanted else ()
        return {AccessId(row["access"]): _access(row) for row in rows}

    async def accesses_of(
        self, tenant: Tenant, patients: Collection[PatientId]
    ) -> Mapping[PatientId, Sequence[EmergencyAccess]]:
        """See `EmergencyAccesses.accesses_of`."""
        wanted = [patient for patient in patients if is_patient_id(patient)]
        found: dict[PatientId, list[EmergencyAccess]] = {}
        for row in await self._database.fetch(_SQL["accesses_of"], tenant, wanted) if wanted else ():
            found.setdefault(PatientId(row["about"]), []).append(_access(row))
        return found

    async def queue(
        self,
        tenant: Tenant,
        *,
        patients: Collection[PatientId] | None = None,
        reviewed: bool | None = None,
        by_time: bool = True,
        descending: bool = True,
        after: Place | None = None,
        limit: int,
    ) -> Sequence[EmergencyAccess]:
        """See `EmergencyAccesses.queue`."""
        wanted = None if patients is None else [patient for patient in patients if is_patient_id(patient)]
        place = (None, None) if after is None else (after.started_at, after.id)
        rows = await self._database.fetch(_QUEUES[descending], tenant, wanted, reviewed, *place, by_time, limit)
        return [_access(row) for row in rows]

    async def _change(self, query: str, *arguments: object) -> list[asyncpg.Record]:
        try:
            return await self._database.fetch(query, *arguments)
        except asyncpg.PostgresError as error:
            if error.sqlstate == _UNSAFE:
                raise AuditUnavailable(unsafe_message(str(error))) from error
            raise


def _is_access_id(text: str) -> bool:
    """Accesses and patients are named alike: by UUIDs as Portico writes them."""
    return is_patient_id(text)


def _access(row: asyncpg.Record) -> EmergencyAccess:
    return EmergencyAccess(
        id=AccessId(row["access"]),
        subject=row["subject"],
        roles=frozenset(row["roles"]),
        patient=PatientId(row["about"]),
        reason=row["reason"],
        started_at=row["started_at"],
        ends_at=row["ends_at"],
        ended_at=row["ended_at"],
        ended_by=row["ended_by"],
        reviewed_at=row["reviewed_at"],
        reviewer=row["reviewer"],
        verdict=None if row["verdict"] is None else EmergencyVerdict(row["verdict"]),
        note=row["note"],
    )
