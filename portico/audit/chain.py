"""The arithmetic of a chain: how a row follows from the row before, and what shows that one doesn't."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from portico.audit.entry import AuditEntry
from portico.audit.trail import GENESIS, ChainHead, ChainReport, Flaw
from portico.records.references import Tenant

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """A row as it was found, nothing about it believed."""

    number: int
    recorded_at: datetime
    digest: bytes
    hash: bytes
    entry: AuditEntry | None
    """None where its fields don't make an entry."""
    filed: bool = True
    """Whether it lies in the partition of its month."""


def chain_hash(previous: bytes, number: int, recorded_at: datetime, digest: bytes) -> bytes:
    """The hash of a row: SHA-256 over what it follows, its number, when it was recorded, and its entry's digest.

    32 bytes of the previous row's hash (`GENESIS` for row 1), the number as 8 bytes, microseconds of `recorded_at`
    since 1970 in UTC as 8 bytes, 32 bytes of the digest; integers are signed and big-endian.
    """
    microseconds = (recorded_at - _EPOCH) // timedelta(microseconds=1)
    numbers = number.to_bytes(8, "big", signed=True) + microseconds.to_bytes(8, "big", signed=True)
    return sha256(previous + numbers + digest).digest()


class ChainCheck:
    """Follows one tenant's chain row by row, by number and then by time, and stops believing at the first flaw."""

    def __init__(self, head: ChainHead, witnessed: Collection[ChainHead] = ()) -> None:
        """`head` is what the database says was appended last; `witnessed` are heads of this tenant noted elsewhere."""
        self._tenant: Tenant = head.tenant
        self._end = head.number
        self._witnesses: dict[int, set[bytes]] = {}
        for seen in (head, *witnessed):
            if seen.number:
                self._witnesses.setdefault(seen.number, set()).add(seen.hash)
        self._sound = ChainHead(tenant=head.tenant, number=0, hash=GENESIS)
        self._recorded_at: datetime | None = None

    def follow(self, row: StoredRow) -> ChainReport | None:
        """None while the chain is sound; the report of its first flaw otherwise."""
        expected = self._sound.number + 1
        if row.number > expected and expected <= self._end:
            return self._report(Flaw.MISSING, expected)
        if flaw := next(self._flaws(row, expected), None):
            return self._report(flaw, row.number)
        self._sound = ChainHead(tenant=self._tenant, number=row.number, hash=row.hash)
        self._recorded_at = row.recorded_at
        return None

    def finish(self) -> ChainReport:
        """The report of a chain of which every row was sound: it may still end too early."""
        if self._sound.number < max(self._witnesses, default=0):
            return self._report(Flaw.CUT, self._sound.number + 1)
        return ChainReport(head=self._sound)

    def _flaws(self, row: StoredRow, expected: int) -> Iterator[Flaw]:
        if row.number < expected:
            yield Flaw.REPEATED
        if row.number > self._end:
            yield Flaw.BEYOND
        if row.entry is None or row.entry.tenant != self._tenant or row.entry.digest() != row.digest:
            yield Flaw.EDITED
        if chain_hash(self._sound.hash, row.number, row.recorded_at, row.digest) != row.hash:
            yield Flaw.MISPLACED
        if self._recorded_at and row.recorded_at < self._recorded_at:
            yield Flaw.MISDATED
        if not row.filed:
            yield Flaw.MISFILED
        if self._witnesses.get(row.number, set()) - {row.hash}:
            yield Flaw.FORKED

    def _report(self, flaw: Flaw, first_bad_row: int) -> ChainReport:
        return ChainReport(head=self._sound, first_bad_row=first_bad_row, flaw=flaw)
