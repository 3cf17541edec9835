"""Answers on their way out, with bounds for clients that are slow to take them.

What the system's socket buffer doesn't hold of an answer waits in this process. So a connection holds one answer at
most, its client has to go on taking it, and all of them together hold no more than a limit.
"""

from __future__ import annotations

import asyncio
import socket
from asyncio import TimerHandle
from math import inf
from operator import attrgetter
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SOCKET_BUFFER_BYTES: Final = 262144
"""What the system may hold for a connection; left to itself it takes megabytes, which are nobody's to count."""
PROGRESS_BYTES: Final = 65536
PROGRESS_SECONDS: Final = 15.0
"""A client takes at least `PROGRESS_BYTES` in this time, some 4 kB a second."""
UNSENT_LIMIT_BYTES: Final = 67108864
"""What all clients together may leave waiting in this process."""


class BoundedDelivery(HttpToolsProtocol):
    """One connection's way out. Each bound is a class attribute, so that a test can narrow it in a subclass."""

    socket_buffer_bytes: ClassVar[int] = SOCKET_BUFFER_BYTES
    progress_bytes: ClassVar[int] = PROGRESS_BYTES
    progress_seconds: ClassVar[float] = PROGRESS_SECONDS
    unsent_limit_bytes: ClassVar[int] = UNSENT_LIMIT_BYTES

    stalled_at = inf
    """Since when an answer waits for its client, in the loop's time; for ever in the future while none does."""
    _unsent_bytes = 0
    """How much of it there was when the client's progress was last looked at."""
    _progress_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Begin a connection."""
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.socket_buffer_bytes)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._settle()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """The answer is written. Until its client has taken it, nothing further is read or done for them."""
        stalls = self.flow.write_paused
        if stalls and self.pipeline:
            self.transport.close()  # after this answer; requests that came in its wake are never begun
        super().on_response_complete()
        if stalls:
            self.stalled_at = self.loop.time()
            self._expect_progress()
            self._relieve()
            if not self.transport.is_closing():
                self.flow.pause_reading()

    def resume_writing(self) -> None:
        """The client has taken what waited for them."""
        super().resume_writing()
        self._settle()
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _settle(self) -> None:
        self.stalled_at = inf
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None

    def _expect_progress(self) -> None:
        self._unsent_bytes = self.transport.get_write_buffer_size()
        self._progress_timer = self.loop.call_later(self.progress_seconds, self._judge_progress)

    def _judge_progress(self) -> None:
        taken = self._unsent_bytes - self.transport.get_write_buffer_size()
        if taken < self.progress_bytes:
            self.cut()
        else:
            self._expect_progress()

    def _relieve(self) -> None:
        """Cut those who have kept answers waiting for longest, as long as all together hold too much."""
        connections = [each for each in self.connections if isinstance(each, BoundedDelivery)]
        stalled = sorted((each for each in connections if each.stalled_at < inf), key=attrgetter("stalled_at"))
        unsent = [each.transport.get_write_buffer_size() for each in stalled]
        excess = sum(unsent) - self.unsent_limit_bytes
        for each, held in zip(stalled, unsent, strict=True):
            if excess <= 0:
                return
            excess -= held
            each.cut()

    def cut(self) -> None:
        """End the connection now, whatever waits for its client."""
        self._settle()
        self.transport.abort()
