"""The house in memory behind the real edge on a real socket: what comes in and goes out is bytes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from portico.edge.application import application
from portico.edge.endpoint import Limits
from portico.edge.memory import KnownTokens
from portico.edge.metrics import Metrics
from portico.edge.serving import server
from portico.edge.wire import StrictProtocol
from tests.house import MemoryHouse
from tests.oracles.reply import Reply

OPEN_SECONDS = 10.0
"""How long a server may take to come up."""


@dataclass
class Front:
    """A running server; a persona's name is their token."""

    port: int
    session: aiohttp.ClientSession

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self.port}/graphql"

    async def send(
        self, persona: str | None, body: Any, *, method: str = "POST", url: str | None = None, **headers: str
    ) -> Reply:
        """The reply to a body, of nobody known without a persona. `_` in a header's name is a hyphen."""
        given = {"Content-Type": "application/json"}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if persona is not None:
            given.setdefault("Authorization", f"Bearer {persona}")
        async with self.session.request(method, url or self.url, data=body, headers=given) as response:
            read = tuple((name.decode(), value.decode("latin-1")) for name, value in response.raw_headers)
            return Reply(status=response.status, headers=read, body=await response.read())

    async def ask(self, persona: str | None, query: str, **variables: Any) -> Reply:
        """The reply to a query."""
        return await self.send(persona, orjson.dumps({"query": query, "variables": variables}))

    async def raw(self, *pieces: bytes, seconds: float = 5.0) -> bytes:
        """What comes back on one connection for some bytes, until it closes or falls silent."""
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


async def until(fact: Callable[[], object], seconds: float = OPEN_SECONDS) -> None:
    """Wait for a fact of which no event tells."""
    async with asyncio.timeout(seconds):
        while not fact():  # noqa: ASYNC110 - sockets and uvicorn tell no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def fronted(
    house: MemoryHouse,
    *,
    limits: Limits | None = None,
    protocol: type[StrictProtocol] = StrictProtocol,
    get_queries: bool = False,
    origins: Sequence[str] = (),
) -> AsyncIterator[Front]:
    """A server for the house that ends with the block."""
    running = server(
        application(
            executor=house.executor,
            verifier=KnownTokens(_principals(house)),
            readiness=_ready,
            metrics=Metrics(),
            limits=limits,
            get_queries=get_queries,
            origins=origins,
        ),
        host="127.0.0.1",
        port=0,
        request_timeout_seconds=5,
        protocol=protocol,
    )
    task = asyncio.create_task(running.serve())
    await until(lambda: running.started)
    timeout = aiohttp.ClientTimeout(total=30)
    try:
        async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
            yield Front(running.servers[0].sockets[0].getsockname()[1], session)
    finally:
        running.should_exit = True
        await task


def _principals(house: MemoryHouse) -> Mapping[str, Any]:
    return {name: house.caller(name).principal for name in house.personas}


async def _ready() -> Sequence[str]:
    return []
