"""The audit trail in Portico's own Postgres. Its SQL stands in `audit.sql` and in the store's migrations."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from portico.audit.chain import ChainCheck, StoredRow
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import ANY_TIME, GENESIS, AuditRow, ChainHead, ChainReport, Period
from portico.records.errors import AuditUnavailable, StoreUnavailable
from portico.records.references import PatientId, Tenant, is_patient_id
from portico.store.database import Connection, Database, unsafe_message
from portico.store.queries import load_queries

_SQL = load_queries("portico.audit", "audit.sql")
_UNSAFE = "PA001"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrailConfig:
    """How long an answer waits for its row, and how many may wait."""

    commit_timeout_seconds: float = 2.0
    waiting_limit: int = 5000
    group_limit: int = 500
    """The most rows of one transaction."""
    group_limit_bytes: int = 1_048_576
    """From this many bytes on a transaction takes no further entry, so that large ones can't make it late."""
    verify_timeout_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class _Slip:
    """An entry that waits to be written, and the promise of its number."""

    encoded: str
    number: asyncio.Future[int]


class PostgresTrail:
    """The `AuditTrail` that counts.

    One transaction a time and a process: whatever arrives while it commits makes up the next one. So the waits for
    the disk are shared, and a single caller never waits for company.
    """

    def __init__(self, database: Database, config: TrailConfig) -> None:
        self._database = database
        self._config = config
        self._waiting: deque[_Slip] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._closed = False

    async def commit(self, entry: AuditEntry) -> int:
        """See `AuditTrail.commit`."""
        if self._closed or len(self._waiting) >= self._config.waiting_limit:
            raise AuditUnavailable
        slip = _Slip(entry.encode().decode(), asyncio.get_running_loop().create_future())
        self._waiting.append(slip)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_all())
        try:
            async with asyncio.timeout(self._config.commit_timeout_seconds):
                return await slip.number
        except TimeoutError as error:
            raise AuditUnavailable from error

    async def _write_all(self) -> None:
        while self._waiting:
            if group := self._next_group():
                await self._write(group)

    def _next_group(self) -> list[_Slip]:
        """The next ones whose callers still wait."""
        group: list[_Slip] = []
        size_bytes = 0
        while self._waiting and len(group) < self._config.group_limit and size_bytes < self._config.group_limit_bytes:
            slip = self._waiting.popleft()
            if not slip.number.done():
                group.append(slip)
                size_bytes += len(slip.encoded)
        return group

    async def _write(self, group: Sequence[_Slip]) -> None:
        try:
            rows = await self._database.fetch(
                _SQL["append"], [slip.encoded for slip in group], seconds=self._config.commit_timeout_seconds
            )
            for slip, row in zip(group, rows, strict=True):
                if not slip.number.done():
                    slip.number.set_result(row["number"])
        except Exception as error:  # noqa: BLE001  # whatever it is, the callers must hear of it: it is theirs to raise
            for slip in group:
                if not slip.number.done():
                    slip.number.set_exception(_refusal(error))

    async def verify(
        self, tenant: Tenant | None = None, *, witnessed: Collection[ChainHead] = ()
    ) -> Sequence[ChainReport]:
        """See `AuditTrail.verify`."""
        seconds = self._config.verify_timeout_seconds
        async with self._database.transaction(seconds=seconds, snapshot=True) as connection:
            heads = {
                Tenant(row["tenant"]): ChainHead(
                    tenant=Tenant(row["tenant"]), number=row["number"], hash=row["hash"] or GENESIS
                )
                for row in await connection.fetch(_SQL["heads"], tenant, timeout=seconds)
            }
            for name in (seen.tenant for seen in witnessed) if tenant is None else (tenant,):
                heads.setdefault(name, ChainHead(tenant=name, number=0, hash=GENESIS))
            return [
                await _verify(connection, head, [seen for seen in witnessed if seen.tenant == head.tenant])
                for head in heads.values()
            ]

    async def seen(self, tenant: Tenant, patient: PatientId, *, limit: int = 1000) -> Sequence[AuditRow]:
        """See `AuditTrail.seen`."""
        if not is_patient_id(patient):
            return []
        return [_row(row) for row in await self._database.fetch(_SQL["seen"], tenant, patient, limit)]

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
        charts = await self._charts(tenant, [patient for patient in patients if is_patient_id(patient)])
        rows = await self._database.fetch(
            _SQL["accesses"],
            tenant,
            [chart for _, chart in charts],
            [patients[patient] for patient, _ in charts],
            period.since,
            period.until,
            list(besides),
            limit,
        )
        found: dict[PatientId, dict[int, AuditRow]] = {patient: {} for patient in patients}
        try:
            for row in rows:
                patient, _ = charts[row["place"] - 1]
                found[patient][row["number"]] = _row(row)
        except ValueError as error:
            raise AuditUnavailable("A row of the audit trail is not as it was recorded.") from error
        return {patient: [of[number] for number in sorted(of, reverse=True)[:limit]] for patient, of in found.items()}

    async def _charts(self, tenant: Tenant, patients: Sequence[PatientId]) -> Sequence[tuple[PatientId, PatientId]]:
        """Each patient with themselves, and with every chart that was merged into theirs."""
        merged = await self._database.fetch(_SQL["merged"], tenant, patients)
        return [
            *((patient, patient) for patient in patients),
            *((PatientId(row["patient"]), PatientId(row["merged"])) for row in merged),
        ]

    async def heads(self) -> Sequence[ChainHead]:
        """See `AuditTrail.heads`."""
        return [
            ChainHead(
                tenant=Tenant(row["tenant"]), number=row["number"], hash=row["hash"], recorded_at=row["recorded_at"]
            )
            for row in await self._database.fetch(_SQL["newest"])
        ]

    async def hashes(self, tenant: Tenant, numbers: Collection[int]) -> Mapping[int, bytes]:
        """See `AuditTrail.hashes`."""
        rows = await self._database.fetch(_SQL["hashes"], tenant, list(numbers))
        return {row["number"]: row["hash"] for row in rows}

    async def aclose(self) -> None:
        """See `AuditTrail.aclose`."""
        self._closed = True
        if self._writer:
            await self._writer


def _refusal(error: Exception) -> AuditUnavailable:
    match error:
        case StoreUnavailable():
            refusal = AuditUnavailable(error.message)
        case asyncpg.PostgresError(sqlstate=state) if state == _UNSAFE:
            refusal = AuditUnavailable(unsafe_message(str(error)))
        case _:
            refusal = AuditUnavailable()
    refusal.__cause__ = error
    return refusal


async def _verify(connection: Connection, head: ChainHead, witnessed: Collection[ChainHead]) -> ChainReport:
    check = ChainCheck(head, witnessed)
    async for row in connection.cursor(_SQL["chain"], head.tenant, prefetch=500):
        if flaw := check.follow(_stored(row)):
            return flaw
    return check.finish()


def _row(row: asyncpg.Record) -> AuditRow:
    return AuditRow(number=row["number"], recorded_at=row["recorded_at"], entry=_entry(row))


def _stored(row: asyncpg.Record) -> StoredRow:
    try:
        entry = _entry(row)
    except (AuditUnavailable, TypeError, ValueError):
        entry = None
    return StoredRow(
        number=row["number"],
        recorded_at=row["recorded_at"],
        digest=row["digest"],
        hash=row["hash"],
        entry=entry,
        filed=bool(row["filed"]),
    )


def _entry(row: asyncpg.Record) -> AuditEntry:
    return AuditEntry(
        tenant=Tenant(row["tenant"]),
        request_id=row["request_id"],
        subject=row["subject"],
        kind=row["kind"],
        roles=_set(row["roles"]),
        purpose=row["purpose"],
        client=row["client"],
        operation=row["operation"],
        operation_name=row["operation_name"],
        patients=frozenset(map(PatientId, _set(row["patient_ids"]))),
        released=_set(row["released"]),
        masked=_set(row["masked"]),
        withheld=_set(row["withheld"]),
        sources=_set(row["sources"]),
        policy_revision=row["policy_revision"],
        decision_ids=_set(row["decision_ids"]),
        outcome=Outcome(row["outcome"]),
        labels=_set(row["labels"] or []),
        attempts=frozenset(map(PatientId, _set(row["attempts"] or []))),
        at=row["at"],
        command=row["command"],
        refusal=row["refusal"],
        target=row["target"],
    )


def _set(array: Sequence[str]) -> frozenset[str]:
    """The set that was recorded as this array; `ValueError` where it can't have been."""
    texts = frozenset(array)
    if sorted(texts) != array:
        raise ValueError
    return texts
