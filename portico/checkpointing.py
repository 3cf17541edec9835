"""What an operator does with checkpoints from the command line: verify, leave one, accept a gap."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Sequence
from dataclasses import dataclass

from portico.audit.checkpoint_file import CheckpointFile, CheckpointsDamaged
from portico.audit.checkpoints import Checkpoint, Gap
from portico.audit.trail import ChainHead, ChainReport
from portico.audit.witness import Distrust, accept_gaps, compare
from portico.inspection import chains, opened_trail, sentence
from portico.records.references import Tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What verifying came to, as sentences."""

    sentences: Sequence[str]
    sound: bool


async def verify(database_url: str, file: CheckpointFile | None) -> Verification:
    """Every chain, held against every checkpoint, and the checkpoints themselves."""
    told, damage = await asyncio.to_thread(_read, file) if file is not None else ([], None)
    witnessed = [head for seen in file.witnessed.values() for head in seen.heads.values()] if file is not None else []
    reports: Sequence[ChainReport] = await chains(database_url, witnessed)
    return Verification(
        sentences=[*map(sentence, reports), *told],
        sound=damage is None and not any(report.flaw for report in reports),
    )


def _read(file: CheckpointFile) -> tuple[list[str], CheckpointsDamaged | None]:
    """What the file says of itself, and what is wrong with it."""
    try:
        file.read(thorough=True)
    except CheckpointsDamaged as damage:
        return [*_gaps(file), str(damage)], damage
    return [*_gaps(file), f"checkpoints: {file.lines} lines, sound"], None


def _gaps(file: CheckpointFile) -> list[str]:
    return [gap_sentence(gap) for seen in file.witnessed.values() for gap in seen.gaps]


def gap_sentence(gap: Gap) -> str:
    """An accepted gap: `riverbend: rows 121 to 180 were given up on 2026-01-31 by ops: restored from the backup`."""
    rows = f"rows {gap.kept + 1} to {gap.lost} were given up"
    return f"{gap.head.tenant}: {rows} on {gap.accepted_at:%Y-%m-%d} by {gap.accepted_by}: {gap.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """The heads that were witnessed just now, and the chains that could not be."""

    heads: Sequence[ChainHead]
    distrusted: Sequence[tuple[Tenant, Distrust]]


async def leave_checkpoint(database_url: str, file: CheckpointFile) -> Left:
    """A checkpoint of every chain that grew and is what was witnessed before."""
    async with opened_trail(database_url) as (_, trail):
        await asyncio.to_thread(file.read, thorough=True)
        heads = {head.tenant: head for head in await trail.heads()}
        distrusted = await compare(trail, heads, file.witnessed)
        new = [Checkpoint(head=head) for tenant, head in heads.items() if tenant not in distrusted]
        written = await asyncio.to_thread(file.append, new)
    return Left(heads=[one.head for one in written], distrusted=sorted(distrusted.items()))


async def accept(database_url: str, file: CheckpointFile, *, reason: str) -> Sequence[Gap]:
    """Sign that every chain which is not what was witnessed goes on as it is; in the name of who runs the command."""
    async with opened_trail(database_url) as (_, trail):
        return await accept_gaps(trail, file, reason=reason, by=getpass.getuser())
