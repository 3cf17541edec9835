"""Processes that the demo starts, watches and ends. None outlives it, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import orjson

_LEASH: Final = str(Path(__file__).with_name("leash.py"))
_GRACE_SECONDS: Final = 8.0
_TAIL_LINES: Final = 12


class DemoFailed(Exception):
    """The demo can't start or go on; the message says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running process, the leader of its own process group."""

    name: str
    process: asyncio.subprocess.Process
    log: Path
    last_word: signal.Signals
    """The signal by which it ends in good order."""

    async def announcement(self) -> Mapping[str, Any]:
        """The line of JSON by which a child of the sandbox says where it listens."""
        if self.process.stdout is None:
            raise DemoFailed(f"{self.name} has no standard output")
        line = await self.process.stdout.readline()
        if not line:
            raise self.failure()
        announced: Mapping[str, Any] = orjson.loads(line)
        return announced

    def failure(self) -> DemoFailed:
        """What to say of a child that ended by itself: the end of its log is the reason."""
        lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        return DemoFailed("\n".join([f"{self.name} has ended; the end of {self.log}:", *lines]))


class Children:
    """All of them. As a context it ends those that are left, the youngest first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for child in reversed(self._children):
            await _end(child)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by name."""
        return {child.name: child.process.pid for child in self._children}

    async def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        last_word: signal.Signals = signal.SIGTERM,
    ) -> Child:
        """Start a process that ends with this one. Its errors go to its log, its output to `Child.announcement`."""
        log = self._logs / f"{name}.log"
        leash = [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), str(int(last_word)), user or "-"]
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *leash,
                *map(str, command),
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                process_group=0,
            )
        child = Child(name=name, process=process, log=log, last_word=last_word)
        self._children.append(child)
        return child

    async def first_death(self) -> Child:
        """The first child that ends."""
        waiting = {asyncio.create_task(child.process.wait()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        return waiting[done.pop()]


async def _end(child: Child) -> None:
    """End a child by its id: in good order if it will, else for good, with whatever it has started."""
    if child.process.returncode is None:
        child.process.send_signal(child.last_word)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(child.process.wait(), _GRACE_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.process.pid, signal.SIGKILL)
    await child.process.wait()
