"""Emergency accesses and alerts in memory: the same contracts without a database, for tests and to try things out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from portico.records.references import PatientId, Tenant
from portico.records.types import EmergencyVerdict
from portico.store.alerts import Alert, AlertId
from portico.store.emergency import DAY, AccessId, Declaration, EmergencyAccess, Place, Recordable, Refused

Entry = TypeVar("Entry", bound=Recordable)

_ALWAYS = datetime.min.replace(tzinfo=UTC)


class MemoryAlerts:
    """`Alerts` that forget with their process. `clock` tells the time, aware."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._due: dict[AlertId, tuple[Alert, datetime]] = {}

    def put(self, tenant: Tenant, id_: AlertId, body: str) -> None:
        """Let an alert wait."""
        now = self._clock()
        self._due[id_] = (Alert(tenant=tenant, id=id_, body=body, created_at=now, attempts=0), now)

    async def take(self, tenants: Collection[Tenant], *, limit: int, lease_seconds: float) -> Sequence[Alert]:
        """See `Alerts.take`."""
        now = self._clock()
        ready = sorted(
            ((due, id_) for id_, (alert, due) in self._due.items() if due <= now and alert.tenant in tenants)
        )[:limit]
        for _, id_ in ready:
            alert = self._due[id_][0]
            self._due[id_] = (replace(alert, attempts=alert.attempts + 1), now + timedelta(seconds=lease_seconds))
        return [self._due[id_][0] for _, id_ in ready]

    async def acknowledge(self, alert: Alert) -> None:
        """See `Alerts.acknowledge`."""
        self._due.pop(alert.id, None)

    async def postpone(self, alert: Alert, *, seconds: float) -> None:
        """See `Alerts.postpone`."""
        if alert.id in self._due:
            self._due[alert.id] = (self._due[alert.id][0], self._clock() + timedelta(seconds=seconds))

    async def waiting(self, tenants: Collection[Tenant]) -> int:
        """See `Alerts.waiting`."""
        return sum(alert.tenant in tenants for alert, _ in self._due.values())


class MemoryEmergencyAccesses(Generic[Entry]):
    """`EmergencyAccesses` that forget with their process.

    `commit` records an audit entry, `knows` says whether a tenant has a patient.
    """

    def __init__(
        self,
        *,
        commit: Callable[[Entry], Awaitable[int]],
        knows: Callable[[Tenant, PatientId], bool],
        alerts: MemoryAlerts,
    ) -> None:
        self._commit = commit
        self._knows = knows
        self._alerts = alerts
        self._accesses: dict[tuple[Tenant, AccessId], EmergencyAccess] = {}
        self._misses: list[tuple[Tenant, str, datetime]] = []

    def bonds(self, tenant: Tenant, at: datetime) -> Iterator[tuple[PatientId, str]]:
        """Every patient of a tenant with the subject of an access to them that is in force."""
        for (of, _), access in self._accesses.items():
            if of == tenant and access.is_in_force(at):
                yield access.patient, access.subject

    async def declare(self, declaration: Declaration, *, entry: Entry, alert: str) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.declare`."""
        new = declaration
        known = self._accesses.get((new.tenant, new.id))
        if known is not None:
            return known
        if new.per_day is not None and await self.exhausted(new.tenant, new.subject, at=new.at, per_day=new.per_day):
            return Refused.DAILY_LIMIT
        if new.patient is None or not self._knows(new.tenant, new.patient):
            self._misses.append((new.tenant, new.subject, new.at))
            return Refused.UNKNOWN_PATIENT
        await self._commit(entry)
        self._alerts.put(new.tenant, AlertId(new.id), alert)
        access = EmergencyAccess(
            id=new.id,
            subject=new.subject,
            roles=new.roles,
            patient=new.patient,
            reason=new.reason,
            started_at=new.at,
            ends_at=new.at + timedelta(minutes=new.minutes),
        )
        self._accesses[new.tenant, new.id] = access
        return access

    async def exhausted(self, tenant: Tenant, subject: str, *, at: datetime, per_day: int) -> bool:
        """See `EmergencyAccesses.exhausted`."""
        since = at - DAY
        declared = [
            access
            for (of, _), access in self._accesses.items()
            if of == tenant and access.subject == subject and access.started_at > since
        ]
        missed = [when for of, by, when in self._misses if (of, by) == (tenant, subject) and when > since]
        return max(len(declared), len(missed)) >= per_day

    async def end(
        self, tenant: Tenant, access: AccessId, *, by: str, at: datetime, entry: Entry
    ) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.end`."""
        known = self._accesses.get((tenant, access))
        if known is None:
            return Refused.UNKNOWN_ACCESS
        if known.ended_at is not None or known.ends_at <= at:
            return Refused.NOT_IN_FORCE
        await self._commit(entry)
        self._accesses[tenant, access] = ended = replace(known, ended_at=at, ended_by=by)
        return ended

    async def review(
        self,
        tenant: Tenant,
        access: AccessId,
        *,
        reviewer: str,
        verdict: EmergencyVerdict,
        note: str | None,
        at: datetime,
        entry: Entry,
    ) -> EmergencyAccess | Refused:
        """See `EmergencyAccesses.review`."""
        known = self._accesses.get((tenant, access))
        if known is None:
            return Refused.UNKNOWN_ACCESS
        if known.subject == reviewer:
            return Refused.OWN_ACCESS
        if known.reviewed_at is not None:
            return Refused.ALREADY_REVIEWED
        await self._commit(entry)
        reviewed = replace(known, reviewed_at=at, reviewer=reviewer, verdict=verdict, note=note)
        self._accesses[tenant, access] = reviewed
        return reviewed

    async def accesses(self, tenant: Tenant, ids: Collection[AccessId]) -> Mapping[AccessId, EmergencyAccess]:
        """See `EmergencyAccesses.accesses`."""
        return {id_: self._accesses[tenant, id_] for id_ in ids if (tenant, id_) in self._accesses}

    async def accesses_of(
        self, tenant: Tenant, patients: Collection[PatientId]
    ) -> Mapping[PatientId, Sequence[EmergencyAccess]]:
        """See `EmergencyAccesses.accesses_of`."""
        found: dict[PatientId, list[EmergencyAccess]] = {}
        for access in self._latest_first(tenant):
            if access.patient in patients:
                found.setdefault(access.patient, []).append(access)
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

        def place(access: EmergencyAccess) -> tuple[datetime, AccessId]:
            return (access.started_at if by_time else _ALWAYS, access.id)

        found = [
            access
            for access in self._latest_first(tenant)
            if (patients is None or access.patient in patients)
            and (reviewed is None or (access.reviewed_at is not None) == reviewed)
        ]
        found.sort(key=place, reverse=descending)
        if after is not None:
            here = (after.started_at or _ALWAYS, after.id)
            found = [access for access in found if (place(access) < here if descending else place(access) > here)]
        return found[:limit]

    def _latest_first(self, tenant: Tenant) -> list[EmergencyAccess]:
        mine = [access for (of, _), access in self._accesses.items() if of == tenant]
        return sorted(mine, key=lambda access: (access.started_at, access.id), reverse=True)
