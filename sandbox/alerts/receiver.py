"""The receiver over HTTP: checks each alert's signature and age, and keeps what it got among its calls.

POST /{tenant}/alerts

It shares no code with the sender: how a signature is made stands in the documentation, for anyone to build a receiver.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.control import Control, Mode

MODES: Final = frozenset({Mode.WELL, Mode.SLOW, Mode.ERROR})
AGE_LIMIT_SECONDS: Final = 300
"""An alert that was signed longer ago is somebody's replay."""


def build(control: Control, keys: Mapping[str, bytes], *, clock: Callable[[], float] = time.time) -> Starlette:
    """The receiver's application; `keys` are the tenants' signing keys."""
    seen: set[tuple[str, str]] = set()

    async def receive(request: Request) -> Response:
        tenant, body = request.path_params["tenant"], await request.body()
        event, stamp = request.headers.get("portico-event-id", ""), request.headers.get("portico-timestamp", "")
        if control.mode is Mode.SLOW:
            await asyncio.sleep(control.seconds)
        if control.mode is Mode.ERROR:
            return Response(status_code=500)
        if tenant not in keys or not stamp.isdigit() or abs(clock() - int(stamp)) > AGE_LIMIT_SECONDS:
            return Response(status_code=401)
        signed = b".".join((stamp.encode(), event.encode(), body))
        proof = "v1=" + hmac.new(keys[tenant], signed, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof, request.headers.get("portico-signature", "")):
            return Response(status_code=401)
        if (tenant, event) not in seen:  # the same alert may come again: an acknowledgement can be lost
            seen.add((tenant, event))
            control.record(tenant, "POST /alerts", orjson.loads(body))
        return Response(status_code=204)

    return Starlette(routes=[Route("/{tenant}/alerts", receive, methods=["POST"]), *control.routes()])
