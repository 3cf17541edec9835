"""What the server complains about and whoever edits the policies should see at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NoReturn

import orjson

_POLL_SECONDS: Final = 0.5
_EVENT: Final = b'"policies_refused"'


class Complaints:
    """The policies that the server refused, as its log says, each told once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._read = 0

    async def follow(self, say: Callable[[str], None]) -> NoReturn:
        """Say each as it comes, for ever."""
        while True:
            for complaint in self.new():
                say(complaint)
            await asyncio.sleep(_POLL_SECONDS)

    def new(self) -> Iterator[str]:
        """Those since the last time. A line that isn't whole waits until it is."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            fresh = log.read()
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            if _EVENT in line:
                yield f"policies refused, the last good ones stay: {orjson.loads(line).get('reason')}"
