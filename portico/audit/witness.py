"""Chains held against what was witnessed of them: no release on a chain that is not the one it was.

A database that was restored from a backup, or rebuilt, has chains that lie behind their last checkpoint or differ from
it. Rows that were acknowledged are gone then, so nothing is released until somebody accepts that with their name.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from portico import logs
from portico.audit.checkpoint_file import CheckpointFile, CheckpointsDamaged, Witnessed
from portico.audit.checkpoints import Checkpoint, Gap
from portico.audit.entry import AuditEntry
from portico.audit.trail import ANY_TIME, GENESIS, AuditRow, AuditTrail, ChainHead, ChainReport, Period
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant

_log = logs.logger()

NOT_WITNESSED: Final = "The audit trail is not the one that was witnessed, so nothing is released."
NOT_COMPARED: Final = "The audit trail was not yet held against its checkpoints, so nothing is released."
_HASHES_AT_ONCE: Final = 1_000

LAST_LOOK_SECONDS: Final = 1.0
"""What the checkpoint at the end may take: a server without its database must end all the same."""


class Distrust(StrEnum):
    """Why a chain is not believed."""

    BEHIND = "behind its last checkpoint"
    FORKED = "other than its last checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessConfig:
    """How often chains are looked at."""

    interval_seconds: float = 300.0
    """Between two looks, each of which leaves a checkpoint of every chain that grew."""
    distrust_seconds: float = 1.0
    """Between two looks while something is wrong: how soon an accepted gap counts."""


async def compare(
    trail: AuditTrail, heads: Mapping[Tenant, ChainHead], witnessed: Mapping[Tenant, Witnessed]
) -> Mapping[Tenant, Distrust]:
    """The tenants whose chain doesn't hold what was witnessed last, and why. `heads` were read after the witnesses.

    Cost: a small query for each witnessed tenant.
    """
    distrusted: dict[Tenant, Distrust] = {}
    for tenant, seen in witnessed.items():
        last, head = seen.last, heads.get(tenant)
        if last is None or last.number == 0:
            continue
        if head is None or head.number < last.number:
            distrusted[tenant] = Distrust.BEHIND
        elif (await trail.hashes(tenant, [last.number])).get(last.number) != last.hash:
            distrusted[tenant] = Distrust.FORKED
    return distrusted


async def accept_gaps(trail: AuditTrail, file: CheckpointFile, *, reason: str, by: str) -> Sequence[Gap]:
    """Sign for every chain that is not what was witnessed: from here on it goes on as it is now."""
    await asyncio.to_thread(file.read, thorough=True)
    heads = await _heads(trail)
    gaps: list[Gap] = []
    for tenant in await compare(trail, heads, file.witnessed):
        seen = file.witnessed[tenant]
        gaps.append(
            Gap(
                head=heads.get(tenant) or ChainHead(tenant=tenant, number=0, hash=GENESIS),
                kept=await _kept(trail, tenant, seen),
                lost=0 if seen.last is None else seen.last.number,
                reason=reason,
                accepted_at=datetime.now(UTC),
                accepted_by=by,
            )
        )
    if gaps:
        await asyncio.to_thread(file.append, gaps)
    return gaps


async def _heads(trail: AuditTrail) -> Mapping[Tenant, ChainHead]:
    return {head.tenant: head for head in await trail.heads()}


async def _kept(trail: AuditTrail, tenant: Tenant, seen: Witnessed) -> int:
    """The last witnessed row up to which the chain is still the one that was witnessed."""
    numbers, kept = list(seen.heads), 0
    for start in range(0, len(numbers), _HASHES_AT_ONCE):
        some = numbers[start : start + _HASHES_AT_ONCE]
        hashes = await trail.hashes(tenant, some)
        for number in some:
            if hashes.get(number) != seen.heads[number].hash:
                return kept
            kept = number
    return kept


class WitnessedTrail:
    """An `AuditTrail` that records nothing on a chain that is not what was witnessed, and leaves checkpoints."""

    def __init__(self, trail: AuditTrail, file: CheckpointFile, config: WitnessConfig) -> None:
        self._trail = trail
        self._file = file
        self._config = config
        self._looked = False
        self._damaged = False
        self._unwritten = False
        self._distrusted: Mapping[Tenant, Distrust] = {}
        self._watching: asyncio.Task[None] | None = None
        self._looking = asyncio.Lock()

    def watch(self) -> None:
        """Look now and then every so often, until closed."""
        self._watching = asyncio.create_task(self._watch())

    @property
    def sound(self) -> bool:
        """Whether every chain was found to be what was witnessed, and what is witnessed now gets written."""
        return self._looked and not (self._damaged or self._unwritten or self._distrusted)

    async def look(self) -> None:
        """Hold every chain against its last checkpoint, and leave new ones of those that are sound and grew."""
        async with self._looking:
            try:
                await asyncio.to_thread(self._file.read)
            except (CheckpointsDamaged, OSError) as error:
                self._note_damage(error)
                return
            heads = await _heads(self._trail)
            distrusted = await compare(self._trail, heads, self._file.witnessed)
            self._note_distrust(distrusted)
            self._looked = True
            await self._write([Checkpoint(head=head) for tenant, head in heads.items() if tenant not in distrusted])

    async def commit(self, entry: AuditEntry) -> int:
        """See `AuditTrail.commit`. A number that was witnessed before tells that rows were lost."""
        self._require(entry.tenant)
        seen = self._file.witnessed.get(entry.tenant)
        witnessed = 0 if seen is None or seen.last is None else seen.last.number
        number = await self._trail.commit(entry)
        if number <= witnessed and entry.tenant not in self._distrusted:
            await self.look()
        self._require(entry.tenant)
        return number

    def _require(self, tenant: Tenant) -> None:
        if self._damaged or tenant in self._distrusted:
            raise AuditUnavailable(NOT_WITNESSED)
        if not self._looked:
            raise AuditUnavailable(NOT_COMPARED)

    async def verify(
        self, tenant: Tenant | None = None, *, witnessed: Collection[ChainHead] = ()
    ) -> Sequence[ChainReport]:
        """See `AuditTrail.verify`."""
        return await self._trail.verify(tenant, witnessed=witnessed)

    async def seen(self, tenant: Tenant, patient: PatientId, *, limit: int = 1000) -> Sequence[AuditRow]:
        """See `AuditTrail.seen`."""
        return await self._trail.seen(tenant, patient, limit=limit)

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
        return await self._trail.accesses(tenant, patients, period=period, besides=besides, limit=limit)

    async def heads(self) -> Sequence[ChainHead]:
        """See `AuditTrail.heads`."""
        return await self._trail.heads()

    async def hashes(self, tenant: Tenant, numbers: Collection[int]) -> Mapping[int, bytes]:
        """See `AuditTrail.hashes`."""
        return await self._trail.hashes(tenant, numbers)

    async def aclose(self) -> None:
        """See `AuditTrail.aclose`; then leave the last checkpoint."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        await self._trail.aclose()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_LOOK_SECONDS):
                await self._look_anyway()

    async def _watch(self) -> None:
        while True:
            await self._look_anyway()
            sound = self.sound
            await asyncio.sleep(self._config.interval_seconds if sound else self._config.distrust_seconds)

    async def _look_anyway(self) -> None:
        """Look; what can't be looked at now stays as it was found last."""
        try:
            await self.look()
        except Exception as error:  # noqa: BLE001  whatever it was, the next look must come
            _log.warning("checkpoint_failed", exc_info=error)

    async def _write(self, checkpoints: Sequence[Checkpoint]) -> None:
        try:
            written = await asyncio.to_thread(self._file.append, checkpoints)
        except CheckpointsDamaged as error:
            self._note_damage(error)
        except OSError as error:
            self._unwritten = True
            _log.error("checkpoint_failed", exc_info=error)
        else:
            self._unwritten = False
            if written:
                _log.debug("checkpoint_written", count=len(written))

    def _note_damage(self, error: CheckpointsDamaged | OSError) -> None:
        if not self._damaged:
            reason = error.flaw.value if isinstance(error, CheckpointsDamaged) else None
            _log.error("checkpoints_damaged", reason=reason, exc_info=error)
        self._damaged = True

    def _note_distrust(self, distrusted: Mapping[Tenant, Distrust]) -> None:
        self._damaged = False
        for tenant in distrusted.keys() - self._distrusted.keys():
            _log.error("chain_distrusted", tenant=tenant, reason=distrusted[tenant].value)
        self._distrusted = distrusted
