"""How the vendor says no."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response


class Refusal(Exception):
    """An answer that is an error: `{"error": {"kind": ..., "text": ...}}`."""

    def __init__(self, status: int, kind: str, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(kind)
        self.status = status
        self.kind = kind
        self.text = text
        self.headers = dict(headers or {})


async def refused(_: Request, refusal: Exception) -> Response:
    """The response for a refusal."""
    if not isinstance(refusal, Refusal):
        raise refusal
    body = {"error": {"kind": refusal.kind, "text": refusal.text}}
    return JSONResponse(body, status_code=refusal.status, headers=refusal.headers)
