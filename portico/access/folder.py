"""The policy folder as it is looked at again and again: read only where something may have changed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, TypeAlias

from portico.access.bundle import Files, read_files

READ_AGAIN_SECONDS: Final = 10.0
"""How long what a file system tells of its files is taken for what they hold."""
UNSETTLED_SECONDS: Final = 2.5
"""How long after a change another one could leave the same times behind: the clocks of file systems are coarse."""

_Stamp: TypeAlias = tuple[tuple[int, ...], ...]


class PolicyFolder:
    """One folder's policy files. `clock` reads seconds since the epoch, as file systems do.

    Reading gives up the interpreter some hundred times, and waits each time until whoever answers a request gives it
    back: so what didn't change is not read. A file's size, its times and which one it is tell that, once they are old
    enough; so do those of the folders for what comes and goes.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock
        self._files: Files = {}
        self._places: Sequence[str] = ()
        self._stamp: _Stamp | None = None
        self._read_at = 0.0

    def files(self) -> Files:
        """The files as of now. Raises `PoliciesRefused`. Cost: one look at each while nothing has changed."""
        now = self._clock()
        trusted = self._stamp is not None and 0 <= now - self._read_at < READ_AGAIN_SECONDS
        if trusted and _stamp(self._places, now) == self._stamp:
            return self._files
        self._stamp = None
        places = [str(self._folder), *map(str, filter(self._counts, self._folder.rglob("*")))]
        stamp = _stamp(places, now)  # before they are read: what changes meanwhile is seen the next time
        self._files = read_files(self._folder)
        self._places, self._stamp, self._read_at = places, stamp, now
        return self._files

    def _counts(self, path: Path) -> bool:
        return not any(part.startswith(".") for part in path.relative_to(self._folder).parts)


def _stamp(places: Sequence[str], now: float) -> _Stamp | None:
    """What the file system tells of these places; None where that proves nothing: one is gone, or has just changed."""
    settled = int((now - UNSETTLED_SECONDS) * 1e9)
    stamp: list[tuple[int, ...]] = []
    for place in places:
        try:
            seen = os.stat(place)  # noqa: PTH116  no path is made of it, four times a second
        except OSError:
            return None
        if max(seen.st_mtime_ns, seen.st_ctime_ns) > settled:
            return None
        stamp.append((seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns))
    return tuple(stamp)
