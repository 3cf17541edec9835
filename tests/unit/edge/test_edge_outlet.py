"""An answer leaves in one write, and nothing of it is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from portico.edge.delivery import Outlet

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
BODY = b"{}"


class Recorded(asyncio.Transport):
    """A transport that remembers what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_a_head_and_its_body_are_one_write() -> None:
    transport = Recorded()
    outlet = Outlet(transport)

    for _ in range(2):
        outlet.write(HEAD)
        outlet.write(BODY)
        outlet.complete()

    assert transport.written == [HEAD + BODY] * 2


def test_a_head_without_a_body_is_written_when_the_answer_is_complete() -> None:
    transport = Recorded()
    outlet = Outlet(transport)

    outlet.write(HEAD)
    assert transport.written == []
    outlet.complete()

    assert transport.written == [HEAD]


def test_further_parts_are_written_as_they_come() -> None:
    transport = Recorded()
    outlet = Outlet(transport)

    for part in (HEAD, BODY, BODY):
        outlet.write(part)

    assert transport.written == [HEAD + BODY, BODY]


def test_a_permission_to_go_on_is_no_head() -> None:
    transport = Recorded()
    outlet = Outlet(transport)

    outlet.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    outlet.write(HEAD)
    outlet.write(BODY)

    assert transport.written == [b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + BODY]


def test_what_waits_is_written_before_the_end() -> None:
    transport = Recorded()
    outlet = Outlet(transport)

    outlet.write(HEAD)
    outlet.close()

    assert transport.written == [HEAD]
    assert outlet.is_closing()
