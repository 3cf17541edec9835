"""The file of signed checkpoints: read line by line, appended to under a lock, and on the disk before it counts."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from portico.audit.checkpoints import FIRST, BadLine, CheckpointKeys, Gap, LineFlaw, SignedLine, Statement
from portico.audit.trail import ChainHead
from portico.records.errors import Fault
from portico.records.references import Tenant

MODE = 0o640


class CheckpointsDamaged(Fault):
    """A line of the checkpoint file can't be believed, nor can any after it."""

    def __init__(self, line: int, flaw: LineFlaw) -> None:
        super().__init__(f"checkpoints: line {line} is {flaw.value}; {line - 1} lines before it are sound")
        self.line = line
        self.flaw = flaw


@dataclass(slots=True)
class Witnessed:
    """What the lines so far say of one tenant's chain."""

    heads: dict[int, ChainHead] = field(default_factory=dict)
    """Heads that still count, by number and in its order; those that a gap gave up don't."""
    last: ChainHead | None = None
    """What the chain must have reached."""
    gaps: list[Gap] = field(default_factory=list)

    def goes_on(self, head: ChainHead) -> bool:
        """Whether a head lies beyond what was witnessed."""
        return head.number > (0 if self.last is None else self.last.number)

    def note(self, statement: Statement) -> None:
        """Count another line. Raises `BadLine` where it can't come after those before."""
        if isinstance(statement, Gap):
            self.heads = {number: head for number, head in self.heads.items() if number <= statement.kept}
            self.gaps.append(statement)
        elif not self.goes_on(statement.head):
            raise BadLine(LineFlaw.BACKWARDS)
        self.last = statement.head
        if statement.head.number:
            self.heads[statement.head.number] = statement.head


class CheckpointFile:
    """One reader and writer of the file. Others, also in other processes, may append to it at the same time.

    What was read before is remembered, and only what came since is read again. Its methods block on the disk and
    raise `OSError`; a missing file is an empty one.
    """

    def __init__(self, path: Path, keys: CheckpointKeys) -> None:
        self._path = path
        self._keys = keys
        self._offset = 0
        self._previous = FIRST
        self._tenants: dict[Tenant, Witnessed] = {}
        self._damage: CheckpointsDamaged | None = None
        self.lines = 0
        """How many lines were read, all of them sound."""

    @property
    def witnessed(self) -> Mapping[Tenant, Witnessed]:
        """What was read, by tenant."""
        return self._tenants

    def read(self, *, thorough: bool = False) -> None:
        """Read what came since. Raises `CheckpointsDamaged` at the first line that is not to be believed.

        `thorough` verifies every signature; else only the last one, which vouches for the lines before it.
        """
        try:
            with self._path.open("rb") as file:
                self._catch_up(file, thorough=thorough)
        except FileNotFoundError:
            if self._offset:
                raise self._damaged(1, LineFlaw.SHORTENED) from None

    def append(self, statements: Iterable[Statement]) -> Sequence[Statement]:
        """Sign and append, after reading what came since; gives what was written once the disk has it.

        A checkpoint that isn't beyond the last one is left out: somebody else was faster.
        """
        with self._held() as file:
            self._catch_up(file, thorough=False)
            fresh = [one for one in statements if isinstance(one, Gap) or self._of(one).goes_on(one.head)]
            if not fresh:
                return ()
            file.truncate(self._offset)  # what a crash left of a line
            file.seek(self._offset)
            file.write(b"".join(self._signed(fresh)))
            file.flush()
            os.fsync(file.fileno())
            file.seek(self._offset)
            self._catch_up(file, thorough=False)
        return fresh

    def _signed(self, statements: Iterable[Statement]) -> Iterator[bytes]:
        previous = self._previous
        for statement in statements:
            line = self._keys.sign(statement, previous)
            previous = self._keys.open(line).digest
            yield line + b"\n"

    @contextmanager
    def _held(self) -> Iterator[BinaryIO]:
        """The file, made if need be, while nobody else appends to it."""
        new = not self._path.exists()
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if new:
                _keep_name(self._path)
            yield file

    def _catch_up(self, file: BinaryIO, *, thorough: bool) -> None:
        if self._damage is not None:
            raise self._damage
        if os.fstat(file.fileno()).st_size < self._offset:
            raise self._damaged(self.lines, LineFlaw.SHORTENED)
        file.seek(self._offset)
        last: SignedLine | None = None
        for line in file:
            if not line.endswith(b"\n"):
                break  # somebody is still writing it, or never will
            try:
                last = self._opened(line[:-1], thorough=thorough)
            except BadLine as bad:
                raise self._damaged(self.lines + 1, bad.flaw) from None
            self._previous = last.digest
            self._offset += len(line)
            self.lines += 1
        try:
            if last is not None and not thorough:
                last.verify()
        except BadLine as bad:
            raise self._damaged(self.lines, bad.flaw) from None

    def _opened(self, line: bytes, *, thorough: bool) -> SignedLine:
        """A line that follows from those before, noted."""
        opened = self._keys.open(line)
        if thorough:
            opened.verify()
        if opened.previous != self._previous:
            raise BadLine(LineFlaw.MISPLACED)
        self._of(opened.statement).note(opened.statement)
        return opened

    def _damaged(self, line: int, flaw: LineFlaw) -> CheckpointsDamaged:
        """What is wrong, for good: nothing after it is read."""
        self._damage = CheckpointsDamaged(line, flaw)
        return self._damage

    def _of(self, statement: Statement) -> Witnessed:
        return self._tenants.setdefault(statement.head.tenant, Witnessed())


def _keep_name(path: Path) -> None:
    """Have the disk know the new file's name too."""
    descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
