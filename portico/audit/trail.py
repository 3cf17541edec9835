"""The contract of the audit trail: chains of rows, one a tenant, that only ever grow."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol

from portico.audit.entry import AuditEntry
from portico.records.references import PatientId, Tenant

GENESIS: Final = bytes(32)
"""The hash that the first row of a chain follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRow:
    """An entry in its place. Rows of one tenant are numbered 1, 2, 3 without a gap."""

    number: int
    recorded_at: datetime
    """When the row was written, by the database's clock; never earlier than the row before."""
    entry: AuditEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainHead:
    """The last row of a tenant's chain. Noted elsewhere, it proves later that nothing before it was replaced."""

    tenant: Tenant
    number: int
    hash: bytes
    recorded_at: datetime | None = field(default=None, compare=False)
    """When that row was recorded, where it is told; aware."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From `since` on and before `until`, by when rows were recorded; None is open. Aware."""

    since: datetime | None = None
    until: datetime | None = None


ANY_TIME: Final = Period()


class Flaw(StrEnum):
    """What is wrong with a row, the first of its chain that is."""

    EDITED = "edited"
    """Its fields are not those that were recorded."""
    MISPLACED = "misplaced"
    """Its hash doesn't follow from the row before: inserted, replaced, or moved."""
    MISSING = "missing"
    """No row has this number, though later ones were written."""
    REPEATED = "repeated"
    """A second row has this number."""
    MISDATED = "misdated"
    """It was recorded before the row before it."""
    MISFILED = "misfiled"
    """It doesn't lie in the partition of its month."""
    CUT = "cut"
    """The chain ends before this row, which was written."""
    BEYOND = "beyond"
    """It was never appended by Portico: the chain's head lies before it."""
    FORKED = "forked"
    """It differs from the row of this number that was witnessed elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """What verifying one tenant's chain found. Sound where `flaw` is None."""

    head: ChainHead
    """The last sound row; number 0 and `GENESIS` where there is none."""
    first_bad_row: int | None = None
    flaw: Flaw | None = None


class AuditTrail(Protocol):
    """Where entries are recorded for good. Safe for many tasks and many processes at once."""

    async def commit(self, entry: AuditEntry) -> int:
        """Record an entry durably and return its number in the tenant's chain. The same entry is recorded once.

        Raises `AuditUnavailable` where that fails, takes too long, or the database could lose what it acknowledges:
        then nothing may be released. (The row may exist nevertheless: it says what was about to be released.)
        """

    async def verify(
        self, tenant: Tenant | None = None, *, witnessed: Collection[ChainHead] = ()
    ) -> Sequence[ChainReport]:
        """Recompute the chains of one tenant or of all, as of now, up to the first bad row each. Memory is constant."""

    async def seen(self, tenant: Tenant, patient: PatientId, *, limit: int = 1000) -> Sequence[AuditRow]:
        """The latest rows that tell about a patient, newest first. Cost: an index look-up."""

    async def accesses(
        self,
        tenant: Tenant,
        patients: Mapping[PatientId, int | None],
        *,
        period: Period = ANY_TIME,
        besides: Collection[str] = (),
        limit: int,
    ) -> Mapping[PatientId, Sequence[AuditRow]]:
        """For each patient the latest rows that told something about them, newest first, at most `limit` each.

        With a patient comes the number of the row to go on before, or None: from the newest. Rows that released
        nothing, and those of the purposes `besides`, are left out. Rows about a chart that was merged into the
        patient's are theirs, where the trail knows of merges. Cost: two queries, an index look-up a patient.
        """

    async def heads(self) -> Sequence[ChainHead]:
        """The last row of every chain, by tenant, with when it was recorded. Cost: one small query."""

    async def hashes(self, tenant: Tenant, numbers: Collection[int]) -> Mapping[int, bytes]:
        """The hashes of a tenant's rows of these numbers, as they stand; rows that aren't there are absent."""

    async def aclose(self) -> None:
        """Record what is waiting, then refuse."""
