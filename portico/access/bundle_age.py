"""How long ago an OPA server last had a sound look at its bundle, by its own word."""

from __future__ import annotations

import time
from datetime import datetime

from portico.access.documents import Json

_LOOKS = 4
"""How often the server is asked within the longest time allowed."""


class BundleAge:
    """Reads OPA's status API: `last_successful_request` of the one bundle, unless that request brought an error.

    A server that could not fetch its bundle, or that fetched one which it refuses (for its signature, or because it
    doesn't compile), goes on deciding by the last good one. This says for how long. The server's clock is held against
    this machine's, so that a start in between does not make an old bundle young.
    """

    def __init__(self, limit_seconds: float) -> None:
        self._limit_seconds = limit_seconds
        self._sound_at: float | None = None
        self._asked_at = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask the server again."""
        return time.monotonic() - self._asked_at >= self._limit_seconds / _LOOKS

    @property
    def is_within(self) -> bool:
        """Whether the last sound look is no longer ago than allowed, nor in a future that far away."""
        return self._sound_at is not None and abs(time.time() - self._sound_at) <= self._limit_seconds

    def note(self, status: Json) -> None:
        """Take in an answer of the status API. One that tells of no sound look leaves what is known as it is."""
        self._asked_at = time.monotonic()
        match status:
            case {"result": {"bundles": {**bundles}}} if len(bundles) == 1:
                bundle = next(iter(bundles.values()))
            case _:
                return
        match bundle:
            case {"code": str(), "last_successful_activation": looked}:
                sound_at = _seconds(looked)
            case {"code": _}:
                return
            case {"last_successful_request": looked}:
                sound_at = _seconds(looked)
            case _:
                return
        if sound_at is not None:
            self._sound_at = max(sound_at, self._sound_at or sound_at)


def _seconds(text: Json) -> float | None:
    """An instant of RFC 3339, with as many decimals as Go writes, in seconds since the epoch."""
    try:
        instant = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return instant.timestamp() if instant is not None and instant.tzinfo else None
