"""Whether this process lives, and whether it can do its work."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Readiness = Callable[[], Awaitable[Sequence[str]]]
"""The names of what is missing (`policy`, `audit`, `keys`), empty when all is there: words for an operator, no more."""

_TIMEOUT_SECONDS: Final = 2.0


def health_routes(readiness: Readiness) -> list[Route]:
    """`/health/live` and `/health/ready`, for anyone who can reach the server."""
    shared = _Shared(readiness)

    async def live(request: Request) -> Response:
        request.state.outcome = "HEALTH"
        return JSONResponse({"status": "live"})

    async def ready(request: Request) -> Response:
        request.state.outcome = "HEALTH"
        missing = await shared.missing()
        if missing:
            return JSONResponse({"status": "not ready", "missing": sorted(missing)}, status_code=503)
        return JSONResponse({"status": "ready"})

    return [Route("/health/live", live), Route("/health/ready", ready)]


class _Shared:
    """However many ask at once, and anyone may, what stands behind is asked once."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._asking: asyncio.Task[Sequence[str]] | None = None

    async def missing(self) -> Sequence[str]:
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(_missing(self._readiness))
        return await asyncio.shield(self._asking)


async def _missing(readiness: Readiness) -> Sequence[str]:
    try:
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            return await readiness()
    except TimeoutError:
        return ["readiness"]
