"""Clients that are slow to take their answers: what they may cost, and what they may not."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from portico.access.principal import Caller
from portico.edge.wire import StrictProtocol
from portico.records.exchange import Answer, GraphQLRequest

Serve = Callable[..., Awaitable[Any]]
Until = Callable[..., Awaitable[None]]

LARGE = 2_000_000
SMALL = 10


class Generous:
    """An `Executor` whose answers are as long as the variable `size` says."""

    def __init__(self) -> None:
        self.answered: list[int] = []

    async def answer(self, request: GraphQLRequest, _caller: Caller) -> Answer:
        size = int(request.variables["size"])
        self.answered.append(size)
        return Answer(b'{"data":"' + b"x" * size + b'"}', executed=True)


class Narrow(StrictProtocol):
    """The real protocol with little patience and room for two large answers."""

    head_timeout_seconds = 0.4
    progress_seconds = 0.4
    socket_buffer_bytes = 65536
    unsent_limit_bytes = 5_000_000


class Client:
    """A client with a small window: what it doesn't read stays with the server."""

    def __init__(self, port: int) -> None:
        self._socket = socket.socket()
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._port = port
        self._loop = asyncio.get_running_loop()

    async def ask(self, *sizes: int) -> None:
        """Ask for answers of these sizes, all at once."""
        if self._socket.getsockname()[1] == 0:
            await self._loop.sock_connect(self._socket, ("127.0.0.1", self._port))
        await self._loop.sock_sendall(self._socket, b"".join(map(question, sizes)))

    async def take(self, size: int, *, pause_seconds: float = 0.0) -> int:
        """How many bytes came until there were as many, or the connection ended."""
        taken = 0
        while taken < size:
            try:
                chunk = await self._loop.sock_recv(self._socket, 65536)
            except ConnectionError:
                break
            if not chunk:
                break
            taken += len(chunk)
            if pause_seconds:
                await asyncio.sleep(pause_seconds)
        return taken

    def close(self) -> None:
        self._socket.close()


def question(size: int) -> bytes:
    body = orjson.dumps({"query": "{ a }", "variables": {"size": size}})
    return (
        b"POST /graphql HTTP/1.1\r\nHost: portico\r\nAuthorization: Bearer good\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    )


@pytest.fixture
def executor() -> Generous:
    return Generous()


@pytest.fixture
async def served(serve: Serve, executor: Generous) -> Any:
    return await serve(executor, protocol=Narrow)


def connections(served: Any) -> list[StrictProtocol]:
    return list(served.uvicorn.server_state.connections)


async def test_a_client_that_takes_nothing_of_its_answer_is_cut(served: Any, executor: Generous, until: Until) -> None:
    client = Client(served.port)
    await client.ask(LARGE)
    await until(lambda: executor.answered)

    await until(lambda: not connections(served))

    assert await client.take(LARGE) < LARGE
    client.close()


async def test_a_client_that_asks_again_instead_of_reading_is_cut_too(
    served: Any, executor: Generous, until: Until
) -> None:
    client = Client(served.port)
    await client.ask(LARGE)
    await until(lambda: connections(served) and connections(served)[0].stalled_at < float("inf"))
    await client.ask(LARGE)

    await until(lambda: not connections(served))

    assert executor.answered == [LARGE]
    client.close()


async def test_a_client_that_goes_on_reading_gets_its_whole_answer_however_long_it_takes(
    served: Any, executor: Generous
) -> None:
    client = Client(served.port)
    began = asyncio.get_running_loop().time()
    await client.ask(LARGE)

    async with asyncio.timeout(30):
        taken = await client.take(LARGE, pause_seconds=0.005)

    assert taken >= LARGE
    assert asyncio.get_running_loop().time() - began > 2 * Narrow.progress_seconds
    assert executor.answered == [LARGE]
    client.close()


async def test_the_next_request_waits_until_the_last_answer_is_taken(
    served: Any, executor: Generous, until: Until
) -> None:
    client = Client(served.port)
    await client.ask(LARGE)
    await until(lambda: connections(served) and connections(served)[0].stalled_at < float("inf"))
    await client.ask(SMALL)

    await client.take(LARGE)
    await until(lambda: executor.answered == [LARGE, SMALL])
    client.close()


async def test_what_was_asked_in_a_row_is_dropped_behind_an_answer_that_is_not_taken(
    served: Any, executor: Generous
) -> None:
    client = Client(served.port)
    await client.ask(LARGE, SMALL, SMALL)

    async with asyncio.timeout(10):
        taken = await client.take(2 * LARGE)

    assert LARGE < taken < LARGE + 1000
    assert executor.answered == [LARGE]
    client.close()


async def test_of_too_much_that_waits_the_oldest_goes_first(served: Any, executor: Generous, until: Until) -> None:
    clients = [Client(served.port) for _ in range(4)]
    for number, client in enumerate(clients, start=1):
        await client.ask(LARGE)
        await until(lambda number=number: len(executor.answered) == number)

    async with asyncio.timeout(10):
        taken = await asyncio.gather(*(client.take(LARGE) for client in clients))

    assert [size >= LARGE for size in taken] == [False, False, True, True]
    for client in clients:
        client.close()


async def test_others_are_served_while_some_do_not_read(served: Any, executor: Generous, until: Until) -> None:
    clients = [Client(served.port) for _ in range(20)]
    for client in clients:
        await client.ask(LARGE)
    await until(lambda: len(executor.answered) == len(clients))

    received = await served.raw(question(SMALL).replace(b"\r\n", b"\r\nConnection: close\r\n", 1))

    assert received.startswith(b"HTTP/1.1 200 ")
    held = sum(connection.transport.get_write_buffer_size() for connection in connections(served))
    assert held <= Narrow.unsent_limit_bytes
    for client in clients:
        client.close()


async def test_a_client_that_leaves_without_its_answer_leaves_nothing_behind(
    served: Any, executor: Generous, until: Until
) -> None:
    client = Client(served.port)
    await client.ask(LARGE)
    await until(lambda: executor.answered)

    client.close()

    await until(lambda: not connections(served))
