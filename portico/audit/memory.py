"""The audit trail in memory: the same contract without a database, for tests and for trying things out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime

from portico.audit.chain import ChainCheck, StoredRow, chain_hash
from portico.audit.entry import AuditEntry
from portico.audit.trail import ANY_TIME, GENESIS, AuditRow, ChainHead, ChainReport, Period
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant


class MemoryTrail:
    """An `AuditTrail` that forgets with its process. `available` can be set to False to see what then is released."""

    def __init__(self) -> None:
        self.available = True
        self.questions = 0
        """How often it was asked who looked at whom."""
        self._chains: defaultdict[Tenant, list[StoredRow]] = defaultdict(list)
        self._numbers: dict[bytes, int] = {}

    async def commit(self, entry: AuditEntry) -> int:
        """See `AuditTrail.commit`."""
        if not self.available:
            raise AuditUnavailable
        digest = entry.digest()
        if digest not in self._numbers:
            chain = self._chains[entry.tenant]
            previous = chain[-1] if chain else None
            number, moment = len(chain) + 1, datetime.now(UTC)
            if previous:
                moment = max(moment, previous.recorded_at)
            hash_ = chain_hash(previous.hash if previous else GENESIS, number, moment, digest)
            chain.append(StoredRow(number=number, recorded_at=moment, digest=digest, hash=hash_, entry=entry))
            self._numbers[digest] = number
        return self._numbers[digest]

    async def verify(
        self, tenant: Tenant | None = None, *, witnessed: Collection[ChainHead] = ()
    ) -> Sequence[ChainReport]:
        """See `AuditTrail.verify`."""
        tenants = sorted({*self._chains, *(seen.tenant for seen in witnessed)}) if tenant is None else [tenant]
        return [self._verify(name, [seen for seen in witnessed if seen.tenant == name]) for name in tenants]

    def _verify(self, tenant: Tenant, witnessed: Collection[ChainHead]) -> ChainReport:
        chain = self._chains.get(tenant, [])
        head = ChainHead(tenant=tenant, number=len(chain), hash=chain[-1].hash if chain else GENESIS)
        check = ChainCheck(head, witnessed)
        return next((flaw for row in chain if (flaw := check.follow(row))), None) or check.finish()

    async def seen(self, tenant: Tenant, patient: PatientId, *, limit: int = 1000) -> Sequence[AuditRow]:
        """See `AuditTrail.seen`."""
        return [row for row in self._rows(tenant) if patient in row.entry.patients][:limit]

    def _rows(self, tenant: Tenant) -> list[AuditRow]:
        return [
            AuditRow(number=row.number, recorded_at=row.recorded_at, entry=row.entry)
            for row in reversed(self._chains.get(tenant, []))
            if row.entry
        ]

    async def accesses(
        self,
        tenant: Tenant,
        patients: Mapping[PatientId, int | None],
        *,
        period: Period = ANY_TIME,
        besides: Collection[str] = (),
        limit: int,
    ) -> Mapping[PatientId, Sequence[AuditRow]]:
        """See `AuditTrail.accesses`."""
        if not self.available:
            raise AuditUnavailable
        self.questions += 1
        told = [
            row
            for row in self._rows(tenant)
            if row.entry.outcome.tells
            and row.entry.purpose not in besides
            and (period.since is None or row.recorded_at >= period.since)
            and (period.until is None or row.recorded_at < period.until)
        ]
        return {
            patient: [row for row in told if patient in row.entry.patients and (before is None or row.number < before)][
                :limit
            ]
            for patient, before in patients.items()
        }

    async def heads(self) -> Sequence[ChainHead]:
        """See `AuditTrail.heads`."""
        return [
            ChainHead(tenant=tenant, number=chain[-1].number, hash=chain[-1].hash, recorded_at=chain[-1].recorded_at)
            for tenant, chain in sorted(self._chains.items())
        ]

    async def hashes(self, tenant: Tenant, numbers: Collection[int]) -> Mapping[int, bytes]:
        """See `AuditTrail.hashes`."""
        return {row.number: row.hash for row in self._chains.get(tenant, []) if row.number in numbers}

    async def aclose(self) -> None:
        """See `AuditTrail.aclose`."""
        self.available = False
