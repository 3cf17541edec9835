"""How the EHR misbehaves on command."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.control import Control, Mode
from sandbox.fhir.datatypes import Json
from sandbox.fhir.refusals import FHIR_JSON, Refusal

FOREIGN = "http://elsewhere.invalid/fhir/Patient?_cursor=stolen"
_CHUNK = b" " * 65_536
_CHUNKS = 2_048


async def strike(control: Control, request: Request) -> Response | None:
    """What the mode makes of a request instead of an answer; None lets the answer happen."""
    match control.mode:
        case Mode.SLOW:
            await asyncio.sleep(control.seconds)
        case Mode.ERROR:
            raise Refusal(500, "exception", "something broke")
        case Mode.THROTTLE:
            raise Refusal(429, "throttled", "too many requests", {"Retry-After": "1"})
        case Mode.RESET:
            await _reset(request)
            return Response(status_code=500)
        case Mode.HUGE:
            return StreamingResponse(_huge(), media_type=FHIR_JSON)
        case _:
            pass
    return None


def bend(control: Control, searchset: Json) -> Json:
    """The searchset with a link to another host as its next page, in that mode."""
    if control.mode is not Mode.FOREIGN_NEXT:
        return searchset
    links = [link for link in searchset["link"] if link["relation"] != "next"]
    return searchset | {"link": [*links, {"relation": "next", "url": FOREIGN}]}


async def _reset(request: Request) -> None:
    """Tear the connection down without an answer: a TCP reset, by uvicorn's transport."""
    cycle: Any = getattr(request.receive, "__self__", None)
    transport: asyncio.Transport = cycle.transport
    opened = transport.get_extra_info("socket")
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _huge() -> AsyncIterator[bytes]:
    """128 MiB of white space within a Bundle."""
    yield b'{"resourceType":"Bundle","type":"searchset",'
    for _ in range(_CHUNKS):
        yield _CHUNK
    yield b'"entry":[]}'
