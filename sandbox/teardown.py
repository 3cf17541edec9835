"""How a simulated source behind uvicorn tears a connection down without an answer."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.requests import Request

_LINGER_NOT: Final = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: closing sends RST."""


async def reset(request: Request) -> None:
    """Reset the TCP connection that the request came by; returns once it is gone.

    ASGI has no word for it, so this reaches for uvicorn's transport behind the request's channel.
    """
    cycle: Any = getattr(request.receive, "__self__", None)
    transport: asyncio.Transport = cycle.transport
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass
