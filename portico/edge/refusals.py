"""Errors as callers see them: a GraphQL response body with a stable code, and nothing of the inside."""

from __future__ import annotations

from typing import Final

import orjson
from starlette.responses import Response

from portico.edge.media import MediaType
from portico.records.errors import (
    CallerError,
    MethodRefused,
    Overloaded,
    RequestTooSlow,
    SlowDown,
    Unauthenticated,
)

_OK: Final = 200

_UNAUTHENTICATED: Final = orjson.dumps(
    {"errors": [{"message": Unauthenticated().message, "extensions": {"code": Unauthenticated.code}}]}
)
"""The one answer to everyone who isn't known, whatever they sent: nothing to compare, nothing to learn."""


def refusal(error: CallerError, *, media_type: MediaType, request_id: str) -> Response:
    """The response for an error that the caller may see.

    A request that failed as a whole with 200 carries `data: null`, which GraphQL over HTTP wants of every 2xx answer.
    """
    if isinstance(error, Unauthenticated):
        return Response(
            _UNAUTHENTICATED, error.status, {"WWW-Authenticate": "Bearer"}, media_type=MediaType.JSON.content_type
        )
    told = {"message": error.message, "extensions": {"code": error.code, "requestId": request_id, **error.details}}
    body = {"errors": [told], "data": None} if error.status == _OK else {"errors": [told]}
    return Response(orjson.dumps(body), error.status, _headers(error), media_type=media_type.content_type)


def fault(request_id: str) -> Response:
    """The response for a bug: its request id, by which the log has its type and place."""
    told = {"message": "Something went wrong here.", "extensions": {"code": "INTERNAL", "requestId": request_id}}
    return Response(orjson.dumps({"errors": [told]}), 500, media_type=MediaType.JSON.content_type)


def _headers(error: CallerError) -> dict[str, str]:
    match error:
        case MethodRefused():
            return {"Allow": "POST"}
        case Overloaded():
            return {"Retry-After": "1"}
        case SlowDown(retry_after_seconds=seconds):
            return {"Retry-After": str(seconds)}
        case RequestTooSlow():
            return {"Connection": "close"}
        case _:
            return {}
