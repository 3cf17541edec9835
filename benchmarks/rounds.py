"""Rounds of measurements, taken in turns, and what they come to: a median and how far the rounds lie apart."""

from __future__ import annotations

import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cost:
    """What one answer took: milliseconds by the clock, and of the process's own time on the processors.

    On a machine that others use too, the second is what can be compared.
    """

    wall: float
    cpu: float


Run = Callable[[int], Awaitable[Cost]]
"""So many answers one after the other; what one of them took."""


@dataclass(frozen=True, slots=True)
class Spread:
    """The figures of all rounds."""

    figures: Sequence[float]

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.figures)

    def text(self, digits: int = 2) -> str:
        """The median, with the lowest and the highest round."""
        return f"{self.median:.{digits}f} ({min(self.figures):.{digits}f} to {max(self.figures):.{digits}f})"


@dataclass(frozen=True, slots=True)
class Costs:
    """What answers took, in all rounds."""

    wall: Spread
    cpu: Spread


async def in_turns(contenders: Mapping[str, Run], *, rounds: int, seconds: float) -> dict[str, Costs]:
    """Each contender's milliseconds an answer. They take turns, so that a busy moment of the machine meets all.

    A turn is about so long: as many answers as fit by what the first warm ones took, at least three.
    """
    answers = {}
    for name, run in contenders.items():
        await run(5)
        answers[name] = max(3, int(seconds * 1_000 / (await run(3)).cpu))
        await run(answers[name])
    found: dict[str, list[Cost]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            found[name].append(await run(answers[name]))
    return {
        name: Costs(Spread([one.wall for one in costs]), Spread([one.cpu for one in costs]))
        for name, costs in found.items()
    }


async def timed(answer: Callable[[], Awaitable[object]], answers: int) -> Cost:
    """What an answer took, of so many one after the other in this process."""
    began, used = time.perf_counter(), time.process_time()
    for _ in range(answers):
        await answer()
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    return Cost(wall * 1_000 / answers, cpu * 1_000 / answers)


def node() -> str | None:
    """Where Node.js is, with npm beside it; None where one of them is missing."""
    return shutil.which("node") if shutil.which("npm") else None


def install(folder: Path) -> bool:
    """Install what a folder's lock file names, where it isn't yet; whether it is there now."""
    npm = shutil.which("npm")
    if npm is None:
        return False
    stamp, lock = folder / "node_modules" / ".package-lock.json", folder / "package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        return True
    return subprocess.run([npm, "ci", "--silent"], cwd=folder, check=False).returncode == 0  # noqa: S603  npm, with a lock file of ours


def machine(packages: Sequence[str] = ()) -> str:
    """What was measured where: processors, versions, the command, and how busy the machine was at the time."""
    parts = [
        f"{os.cpu_count()} processors",
        f"Python {platform.python_version()}",
        _node_version(),
        *(f"{name} {version(name)}" for name in packages),
        f"load {os.getloadavg()[0]:.2f}",
        f"`{' '.join(['python', '-m', *_module()])}`",
    ]
    return ", ".join(parts)


def _node_version() -> str:
    found = node()
    if found is None:
        return "no Node.js"
    asked = [found, "--version"]
    said = subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()  # noqa: S603  Node.js itself
    return f"Node.js {said.removeprefix('v')}"


def _module() -> list[str]:
    spec = sys.modules["__main__"].__spec__
    return [] if spec is None else [spec.name.removesuffix(".__main__"), *sys.argv[1:]]
