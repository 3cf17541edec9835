"""Heads, keys and files for the suites about checkpoints."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from portico.audit.checkpoint_file import CheckpointFile, CheckpointsDamaged
from portico.audit.checkpoints import Checkpoint, CheckpointKeys, Gap, new_key
from portico.audit.trail import ChainHead
from portico.records.references import Tenant

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEYS = CheckpointKeys.read(new_key())


def head(number: int, tenant: Tenant = RIVERBEND, history: str = "") -> ChainHead:
    digest = sha256(f"{tenant}{history}{number}".encode()).digest()
    return ChainHead(tenant=tenant, number=number, hash=digest, recorded_at=NOON + timedelta(seconds=number))


def checkpoint(number: int, tenant: Tenant = RIVERBEND) -> Checkpoint:
    return Checkpoint(head=head(number, tenant))


def gap(number: int, kept: int, lost: int) -> Gap:
    return Gap(
        head=head(number, history="restored"),
        kept=kept,
        lost=lost,
        reason="restored from the backup of Saturday",
        accepted_at=NOON,
        accepted_by="ops",
    )


def file_of(path: Path, *statements: Checkpoint | Gap, keys: CheckpointKeys = KEYS) -> CheckpointFile:
    file = CheckpointFile(path, keys)
    file.append(statements)
    return file


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def damage(path: Path, keys: CheckpointKeys = KEYS) -> tuple[int, str] | None:
    """What a thorough reader finds wrong with a file."""
    try:
        CheckpointFile(path, keys).read(thorough=True)
    except CheckpointsDamaged as found:
        return found.line, found.flaw.name
    return None
