"""The edge behind the real server, on an ephemeral port of this process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn

from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.edge.application import application
from portico.edge.endpoint import Limits
from portico.edge.flight import Executor
from portico.edge.memory import Echo, KnownTokens
from portico.edge.metrics import Metrics
from portico.edge.serving import server
from portico.edge.wire import StrictProtocol
from portico.records.references import Tenant

_PRINCIPAL = Principal(
    subject="dr-rivera",
    kind=PrincipalKind.PERSON,
    tenant=Tenant("riverbend"),
    roles=frozenset({"physician"}),
    purposes=frozenset({Purpose.TREATMENT}),
    client="portal",
    expires_at=2**40,
)


class Impatient(StrictProtocol):
    """The real protocol with a short patience and room for few."""

    head_timeout_seconds = 0.3
    connection_limit = 20


@dataclass
class Served:
    """A running server."""

    port: int
    uvicorn: uvicorn.Server
    running: asyncio.Task[None]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/graphql"

    async def raw(self, *pieces: bytes, seconds: float = 5.0) -> bytes:
        """What the server sends on one connection for some bytes, until it closes or falls silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        received = b""
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(seconds):
                while chunk := await reader.read(65536):
                    received += chunk
        except (TimeoutError, ConnectionError):
            pass
        finally:
            writer.close()
        return received


async def _until(fact: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - sockets and uvicorn tell no event
            await asyncio.sleep(0.01)


async def _readiness() -> Sequence[str]:
    return []


@asynccontextmanager
async def _serving(
    executor: Executor, limits: Limits | None = None, protocol: type[StrictProtocol] = StrictProtocol
) -> AsyncIterator[Served]:
    app = application(
        executor=executor,
        verifier=KnownTokens({"good": _PRINCIPAL}),
        readiness=_readiness,
        metrics=Metrics(),
        limits=limits,
    )
    running = server(app, host="127.0.0.1", port=0, request_timeout_seconds=5, protocol=protocol)
    task = asyncio.create_task(running.serve())
    await _until(lambda: running.started)
    try:
        yield Served(running.servers[0].sockets[0].getsockname()[1], running, task)
    finally:
        running.should_exit = True
        await task


Serve = Callable[..., Awaitable[Served]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Call it with an executor, and limits or a protocol where they matter, for a server that ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(
            executor: Executor, limits: Limits | None = None, protocol: type[StrictProtocol] = StrictProtocol
        ) -> Served:
            return await stack.enter_async_context(_serving(executor, limits, protocol))

        yield start


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture(scope="module")
async def _shared() -> AsyncIterator[tuple[Served, Echo]]:
    echo = Echo()
    async with _serving(echo) as served:
        yield served, echo


@pytest.fixture
def served(_shared: tuple[Served, Echo]) -> Served:
    """A server that a module's tests share; `callers` are those of the test alone."""
    served, echo = _shared
    echo.callers.clear()
    return served


@pytest.fixture
def callers(_shared: tuple[Served, Echo]) -> list[Caller]:
    return _shared[1].callers


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """Waits until a fact is true, and fails where it doesn't come true in time."""
    return _until


@pytest.fixture
def impatient() -> type[StrictProtocol]:
    return Impatient
