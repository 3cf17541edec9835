"""HTTP/1.1 as Portico takes it: uvicorn's httptools protocol, which is strict, with the bounds that it leaves open.

llhttp refuses what request smuggling is made of: Content-Length beside Transfer-Encoding, two lengths, bare line
feeds, folded headers, bad chunks. What it doesn't bound is added here: how large a head may be, how long it may take,
how many connections there are, and how much of a refused body is still read. The way out has bounds of its own.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from typing import ClassVar, Final

from portico.edge.delivery import BoundedDelivery

HEAD_LIMIT_BYTES: Final = 32768
"""Largest request line and headers together."""
FIELD_LIMIT: Final = 100
"""Most header fields."""
HEAD_TIMEOUT_SECONDS: Final = 15.0
"""Longest from a connection's beginning, or from an answer's delivery, to the end of the next request's headers."""
CONNECTION_LIMIT: Final = 1000
"""Most open connections."""
LEFTOVER_LIMIT_BYTES: Final = 1048576
"""How much of a body that nobody wants is read, so that its sender may see the answer, before the line is cut."""


class BadHead(Exception):
    """A request's head is too large or ambiguous; llhttp's callback error turns it into a 400."""


class StrictProtocol(BoundedDelivery):
    """One connection. Each bound is a class attribute, so that a test can narrow it in a subclass."""

    head_timeout_seconds: ClassVar[float] = HEAD_TIMEOUT_SECONDS
    connection_limit: ClassVar[int] = CONNECTION_LIMIT

    _head_bytes = 0
    _head_complete = False
    _leftover_bytes = 0
    _head_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
        """Begin a connection, or cut it at once where there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.connection_limit:
            transport.abort()
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, unless it is what nobody waits for any more."""
        if self.transport.is_closing():
            return
        if self.cycle is not None and self.cycle.response_complete:
            self._leftover_bytes += len(data)
            if self._leftover_bytes > LEFTOVER_LIMIT_BYTES:
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A request begins."""
        self._head_bytes = 0
        self._head_complete = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the request's target."""
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header. After the head it would be a trailer, which uvicorn would take for a header: refused."""
        if self._head_complete or len(self.headers) >= FIELD_LIMIT:
            raise BadHead
        self._count(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete: one host, one version that we speak, no transfer coding but chunked."""
        fields = [name for name, _ in self.headers]
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if self.parser.get_http_version() not in {"1.0", "1.1"} or fields.count(b"host") != 1:
            raise BadHead
        if codings not in ([], [b"chunked"]):
            raise BadHead
        self._head_complete = True
        self._leftover_bytes = 0
        self._stop_waiting()
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """The answer is written; the next head is waited for."""
        super().on_response_complete()
        self._await_head()

    def resume_writing(self) -> None:
        """The answer is taken; the next head is waited for."""
        super().resume_writing()
        self._await_head()

    def _count(self, part: bytes) -> None:
        self._head_bytes += len(part)
        if self._head_bytes > HEAD_LIMIT_BYTES:
            raise BadHead

    def _await_head(self) -> None:
        """Begin to wait, unless a request is being answered or its answer is still on its way."""
        self._stop_waiting()
        if (self.cycle is not None and not self.cycle.response_complete) or self.flow.write_paused:
            return
        self._head_timer = self.loop.call_later(self.head_timeout_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
