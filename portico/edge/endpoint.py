"""The one way in: what happens to a request to /graphql, in the order in which it happens."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from portico.access.principal import Caller
from portico.edge.body import read
from portico.edge.credentials import Verifier, authenticate, choose_purpose
from portico.edge.flight import Flights
from portico.edge.media import MediaType, negotiate, require_json
from portico.edge.parameters import from_address, from_body
from portico.records.errors import InvalidRequest
from portico.records.exchange import GraphQLRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may cost before and while it is answered."""

    body_limit_bytes: int = 65536
    body_timeout_seconds: float = 10.0
    request_timeout_seconds: float = 10.0
    in_flight_limit: int = 256


class Endpoint:
    """Answers GraphQL over HTTP."""

    def __init__(self, *, flights: Flights, verifier: Verifier, limits: Limits, methods: Sequence[str]) -> None:
        """`methods` are those of HTTP that it takes."""
        self._methods = methods
        self._flights = flights
        self._verifier = verifier
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as ASGI has it."""
        response = await self.answer(Request(scope, receive, send))
        await response(scope, receive, send)

    async def answer(self, http: Request) -> Response:
        """The response to one request. Raises the `CallerError` that refuses it; each step needs the one before."""
        principal = await authenticate(http.headers, self._verifier)
        if http.method not in self._methods:
            raise HTTPException(405, headers={"Allow": ", ".join(self._methods)})
        purpose = choose_purpose(http.headers, principal)
        media_type = http.state.media_type = negotiate(http.headers.getlist("accept"))
        request = self._in_address(http) if http.method == "GET" else await self._in_body(http)
        caller = Caller(
            principal=principal,
            purpose=purpose,
            request_id=http.state.request_id,
            deadline=time.monotonic() + self._limits.request_timeout_seconds,
        )
        answer = await self._flights.answer(http, request, caller)
        http.state.outcome = "ANSWERED" if answer.executed else "REFUSED"
        status = 200 if answer.executed or media_type is MediaType.JSON else 400
        return Response(answer.body, status, media_type=media_type.content_type)

    async def _in_body(self, http: Request) -> GraphQLRequest:
        require_json(http.headers.getlist("content-type"), http.headers.getlist("content-encoding"))
        if http.scope["query_string"]:
            raise InvalidRequest("The address takes no parameters.")
        limits = self._limits
        return from_body(
            await read(http, limit_bytes=limits.body_limit_bytes, timeout_seconds=limits.body_timeout_seconds)
        )

    def _in_address(self, http: Request) -> GraphQLRequest:
        query_string: bytes = http.scope["query_string"]
        if len(query_string) > self._limits.body_limit_bytes:
            raise InvalidRequest("The address is longer than a request may be.")
        if http.headers.get("content-length", "0") != "0" or "transfer-encoding" in http.headers:
            raise InvalidRequest("A GET request has no body.")
        return from_address(query_string)
