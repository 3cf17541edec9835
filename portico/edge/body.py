"""A request's body, read within its bounds."""

from __future__ import annotations

import asyncio

from starlette.requests import ClientDisconnect, Request

from portico.records.errors import InvalidRequest, RequestTooLarge, RequestTooSlow


async def read(request: Request, *, limit_bytes: int, timeout_seconds: float) -> bytes:
    """The whole body.

    Raises `RequestTooLarge` as soon as the length is announced or reached, `RequestTooSlow` when it isn't complete in
    time, and `InvalidRequest` when the client goes away meanwhile.
    """
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit_bytes:
        raise RequestTooLarge
    body = bytearray()
    try:
        async with asyncio.timeout(timeout_seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise RequestTooLarge
    except TimeoutError:
        raise RequestTooSlow from None
    except ClientDisconnect:
        raise InvalidRequest("The request is not complete.") from None
    return bytes(body)
