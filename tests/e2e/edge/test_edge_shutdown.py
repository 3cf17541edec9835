"""A server process of its own, told to stop by the signals that stop it in earnest."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

PROGRAM = """
import asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from portico.edge.serving import metrics_server, server

async def slow(_request: Request) -> PlainTextResponse:
    print("begun", flush=True)
    await asyncio.sleep(0.5)
    return PlainTextResponse("finished")

async def main() -> None:
    app = Starlette(routes=[Route("/", slow)])
    served = server(app, host="127.0.0.1", port=0, request_timeout_seconds=5)
    beside = metrics_server(Starlette(), port=0)
    try:
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(served.serve())
            group.create_task(beside.serve())
            while not (served.started and beside.started):
                await asyncio.sleep(0.01)
            print(served.servers[0].sockets[0].getsockname()[1], flush=True)
            await serving
            beside.should_exit = True
    finally:
        print("taken down", flush=True)

asyncio.run(main())
"""


@asynccontextmanager
async def running() -> AsyncIterator[tuple[asyncio.subprocess.Process, Callable[[], Awaitable[str]]]]:
    """The process, and how to read the next line that it prints."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, cwd=Path(__file__).parents[3], stdout=asyncio.subprocess.PIPE
    )

    async def line() -> str:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            return (await process.stdout.readline()).decode().strip()

    try:
        yield process, line
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_lets_requests_finish_and_everything_be_taken_down(number: signal.Signals) -> None:
    async with running() as (process, line), aiohttp.ClientSession() as session:
        port = await line()
        answer = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/"))
        assert await line() == "begun"

        process.send_signal(number)

        async with await answer as response:
            assert await response.text() == "finished"
        assert await line() == "taken down"
        assert await process.wait() == 0


async def test_a_stopping_server_takes_no_new_connection() -> None:
    async with running() as (process, line), aiohttp.ClientSession() as session:
        port = await line()
        answer = asyncio.create_task(session.get(f"http://127.0.0.1:{port}/"))
        assert await line() == "begun"
        process.terminate()

        async with asyncio.timeout(5):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", int(port))
                except ConnectionError:
                    break
                writer.close()

        async with await answer as response:
            assert response.status == 200
