"""Real sockets for tests: any ASGI application served by uvicorn, in this process, on a port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

Application = Callable[..., Awaitable[None]]


@asynccontextmanager
async def serving(build: Callable[[str], Application | Any]) -> AsyncIterator[str]:
    """Serve what `build` makes of the URL at which it will be reached; gives that URL."""
    # asyncio sends without delay only where the socket says that it is TCP.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    listening.listen()
    url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(build(url), log_level="critical", lifespan="off", access_log=False))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield url
    finally:
        server.should_exit = True
        server.force_exit = True
        await running
        listening.close()
