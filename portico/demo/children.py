"""Processes that the demo starts, watches and ends. None outlives it, however it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import orjson

_T = TypeVar("_T")

_LEASH: Final = str(Path(__file__).with_name("leash.py"))
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
        """The line of JSON by which a process of the sandbox says where it listens."""
        line = await self.process.stdout.readline() if self.process.stdout else b""
        if not line:
            raise self.failure()
        announced: Mapping[str, Any] = orjson.loads(line)
        return announced

    def failure(self) -> DemoFailed:
        """What to say of a child that ended by itself: the end of its log is the reason."""
        try:
            lines = self.log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
        except OSError:
            lines = []
        where = f"; the end of {self.log}:" if lines else ""
        return DemoFailed("\n".join([f"{self.name} has ended by itself{where}", *lines]))

    async def end(self, *, grace_seconds: float) -> None:
        """End it by its id, in good order if it will in time, else for good; and with it whatever it has started."""
        if self.process.returncode is None:
            self.process.send_signal(self.last_word)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.process.wait(), grace_seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        await self.process.wait()


class Children:
    """All of them. As a context it ends those that are left, the youngest first."""

    def __init__(self, logs: Path, *, grace_seconds: float = 8.0) -> None:
        self._logs = logs
        self._grace_seconds = grace_seconds
        self._children: list[Child] = []
        self._watching: list[asyncio.Task[None]] = []
        self._fallen: asyncio.Future[Child] = asyncio.get_running_loop().create_future()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for watch in self._watching:
            watch.cancel()
        for child in reversed(self._children):
            await child.end(grace_seconds=self._grace_seconds)

    @property
    def pids(self) -> Mapping[str, int]:
        """The process ids by name."""
        return {child.name: child.process.pid for child in self._children}

    async def start(
        self,
        name: str,
        *command: str | Path,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        last_word: signal.Signals = signal.SIGTERM,
        announces: bool = False,
    ) -> Child:
        """Start a process that is to run as long as the demo. What it writes goes to its log, but an announcement."""
        child = await self._start(name, command, env=env, user=user, last_word=last_word, announces=announces)
        self._watching.append(asyncio.create_task(self._watch(child)))
        return child

    async def run(self, name: str, *command: str | Path, env: Mapping[str, str] | None = None) -> Child:
        """Run a process to its end. Raises `DemoFailed` unless it ends well."""
        child = await self._start(name, command, env=env)
        if await child.process.wait() != 0:
            raise child.failure()
        self._children.remove(child)
        return child

    async def guard(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Do something as long as every child lives. Raises `DemoFailed` when one has ended by itself."""
        task = asyncio.create_task(work)
        either: set[asyncio.Future[Any]] = {task, self._fallen}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if self._fallen.done():
                raise self._fallen.result().failure()
            return await task
        except BaseExceptionGroup as group:
            raise _first(group) from group
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, DemoFailed, BaseExceptionGroup):
                await task

    async def _start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        last_word: signal.Signals = signal.SIGTERM,
        announces: bool = False,
    ) -> Child:
        log = self._logs / f"{name}.log"
        leash = (sys.executable, "-I", "-S", _LEASH, str(os.getpid()), str(int(last_word)), user or "-")
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *leash,
                *map(str, command),
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if announces else errors,
                stderr=errors,
                process_group=0,
            )
        child = Child(name=name, process=process, log=log, last_word=last_word)
        self._children.append(child)
        return child

    async def _watch(self, child: Child) -> None:
        await child.process.wait()
        if not self._fallen.done():
            self._fallen.set_result(child)


def _first(error: BaseException) -> BaseException:
    """What went wrong first: of things that failed at once, one is enough to say."""
    while isinstance(error, BaseExceptionGroup):
        error = (error.subgroup(DemoFailed) or error).exceptions[0]
    return error
