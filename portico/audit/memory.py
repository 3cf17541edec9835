"""The audit trail in memory: the same contract without a database, for tests and for trying things out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from portico.audit.chain import ChainCheck, StoredRow, chain_hash
from portico.audit.entry import AuditEntry
from portico.audit.trail import GENESIS, AuditRow, ChainHead, ChainReport
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant


class MemoryTrail:
    """An `AuditTrail` that forgets with its process. `available` can be set to False to see what then is released."""

    def __init__(self) -> None:
        self.available = True
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
        rows = [
            AuditRow(number=row.number, recorded_at=row.recorded_at, entry=row.entry)
            for row in reversed(self._chains.get(tenant, []))
            if row.entry and patient in row.entry.patients
        ]
        return rows[:limit]

    async def aclose(self) -> None:
        """See `AuditTrail.aclose`."""
        self.available = False
