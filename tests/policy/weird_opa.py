"""A policy server that answers as it is told: named misbehaviour over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from aiohttp import web

REVISION = "weird-1"

_HIDDEN = {"visible": False, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": "no_relationship"}

HONEST: dict[str, Any] = {
    "ceiling": {"Patient": {"tags": [], "coordinates": {}}},
    "classes": {"nobody": _HIDDEN, "willing": _HIDDEN},
    "scope": {"rows": []},
    "command": {"effect": "deny", "reason": "unknown_command", "obligations": []},
    "egress": {"tags": [], "reason": "unknown_destination"},
    "violations": [],
}
"""What sound policies answer to the questions of the proof."""


def enveloped(result: object, *, revision: object = REVISION) -> str:
    return json.dumps({"provenance": {"bundles": {"b": {"revision": revision}}}, "result": result})


class WeirdOpa:
    """Answers the proof honestly and everything about `riverbend` with `answer`. Use as an async context manager."""

    def __init__(self) -> None:
        self.answer: Callable[[web.Request], web.StreamResponse] | str | bytes = ""
        self.honest: dict[str, Any] = dict(HONEST)
        self.revision: object = REVISION
        self.seconds: float = 0
        self.status: object = {"code": "internal_error", "message": "status plugin not enabled"}
        self.requests: list[str] = []
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True)
        self.url = ""

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path_qs}")
        if request.path == "/v1/status":
            return _json(json.dumps(self.status))
        question = json.loads(await request.read() or "{}")["input"]
        if question.get("principal", {}).get("tenant") != "riverbend":
            rule = request.path.rsplit("/", 1)[1]
            return _json(enveloped(self.honest[rule], revision=self.revision))
        await asyncio.sleep(self.seconds)
        if isinstance(self.answer, str | bytes):
            return _json(self.answer)
        return self.answer(request)


def _json(body: str | bytes) -> web.Response:
    return web.Response(body=body if isinstance(body, bytes) else body.encode(), content_type="application/json")
