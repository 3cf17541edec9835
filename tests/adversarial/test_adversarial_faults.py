"""A server that runs out of what the system gives it (F cases) sheds load, lives on and comes back."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.adversarial.front import until

DESCRIPTORS = 64
CROWD = int(os.environ.get("ADVERSARIAL_CROWD", "150"))
ROOT = Path(__file__).parents[2]

PROGRAM = f"""
import asyncio, resource
from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.application import application
from portico.edge.memory import Echo, KnownTokens
from portico.edge.metrics import Metrics
from portico.edge.serving import server

async def ready() -> list[str]:
    return []

async def main() -> None:
    principal = Principal(
        subject="usr-one", kind=PrincipalKind.PERSON, tenant="riverbend", roles=frozenset(),
        purposes=frozenset({{Purpose.TREATMENT}}), client="portal", expires_at=2**40,
    )
    app = application(
        executor=Echo(), verifier=KnownTokens({{"good": principal}}), readiness=ready, metrics=Metrics()
    )
    served = server(app, host="127.0.0.1", port=0, request_timeout_seconds=5)
    serving = asyncio.create_task(served.serve())
    while not served.started:
        await asyncio.sleep(0.01)
    resource.setrlimit(resource.RLIMIT_NOFILE, ({DESCRIPTORS}, {DESCRIPTORS}))
    print("port", served.servers[0].sockets[0].getsockname()[1], flush=True)
    await serving

import uvloop
uvloop.run(main())
"""

BODY = b'{"query":"{ viewer }"}'
REQUEST = (
    b"POST /graphql HTTP/1.1\r\nHost: portico\r\nAuthorization: Bearer good\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(BODY)
) + BODY


@asynccontextmanager
async def _starved(log: Path) -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    """A server with few descriptors, and its port. What it logs goes to a file."""
    with log.open("wb") as stream:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, cwd=ROOT, stdout=stream)
    try:
        await until(lambda: b"port " in _written(log), seconds=20)
        yield process, int(_written(log).partition(b"port ")[2].split()[0])
    finally:
        process.kill()
        await process.wait()


async def _answer(port: int) -> bytes:
    """How an answer begins; empty where none comes in two seconds."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(REQUEST)
                return await reader.read(12)
            finally:
                writer.close()
    return b""


def _written(log: Path) -> bytes:
    return log.read_bytes()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "server.log"


async def test_a_server_without_descriptors_sheds_connections_and_comes_back(log: Path) -> None:
    async with _starved(log) as (process, port):
        assert await _answer(port) == b"HTTP/1.1 200"
        crowd = [await asyncio.open_connection("127.0.0.1", port) for _ in range(CROWD)]
        shed = [await _answer(port) for _ in range(3)]
        assert set(shed) <= {b"", b"HTTP/1.1 200", b"HTTP/1.1 503"}
        for _, writer in crowd:
            writer.close()
        answers: list[bytes] = []
        async with asyncio.timeout(15):
            while b"HTTP/1.1 200" not in answers:
                answers.append(await _answer(port))
        assert process.returncode is None
    assert b'"event":"request_failed"' not in _written(log)
