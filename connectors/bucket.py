"""The token bucket: how soon the next request may go to a source that allows so many a second."""

from __future__ import annotations

from collections.abc import Callable


class TokenBucket:
    """Lets `burst` requests go at once and `requests_per_second` go on, first come, first served.

    Over any stretch of t seconds at most `burst + t * requests_per_second` requests go. `clock` counts seconds.
    It knows no one's identity and keeps no queue: a taken token is a moment at which its holder may go.
    """

    def __init__(self, *, requests_per_second: float, burst: int, clock: Callable[[], float]) -> None:
        self._interval_seconds = 1 / requests_per_second
        self._slack_seconds = (burst - 1) * self._interval_seconds
        self._clock = clock
        self._full_at = clock()
        """When the bucket will be full again, if nothing more is taken."""

    def wait_seconds(self) -> float:
        """How long a request made now would have to wait; takes nothing."""
        return max(0.0, self._full_at - self._slack_seconds - self._clock())

    def take(self, *, limit_seconds: float) -> float | None:
        """Take the next token: how many seconds to wait before going, at most `limit_seconds`.

        None: it would take longer, and nothing was taken. There is no other way to get no: it never fails open.
        A token that was taken is spent, even if its holder gives up waiting.
        """
        wait = self.wait_seconds()
        if wait > limit_seconds:
            return None
        self._full_at = max(self._full_at, self._clock()) + self._interval_seconds
        return wait
