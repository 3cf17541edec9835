"""How many requests a tenant may make: so many a second, saved up to one second's worth."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import ceil

from sandbox.scheduling.refusals import Refusal


class Allowance:
    """Spends one request at a time; a request that can't be afforded is refused, and costs nothing."""

    def __init__(self, *, requests_per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = requests_per_second
        self._clock = clock
        self._saved = requests_per_second
        self._counted_at = clock()

    def spend(self) -> None:
        """Raise `Refusal` 429, with Retry-After in whole seconds, where there is nothing left to spend."""
        now = self._clock()
        self._saved = min(self._rate, self._saved + (now - self._counted_at) * self._rate)
        self._counted_at = now
        if self._saved < 1:
            wait_seconds = ceil((1 - self._saved) / self._rate)
            raise Refusal(429, "TOO_MANY_REQUESTS", "slow down", {"Retry-After": str(wait_seconds)})
        self._saved -= 1
