"""A request's body: read within its bounds, and understood in one way only."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.requests import ClientDisconnect, Request

from portico.edge.strict_json import AmbiguousJson, Json, parse
from portico.records.errors import InvalidRequest, RequestTooLarge, RequestTooSlow
from portico.records.exchange import GraphQLRequest

_MEMBERS: Final = frozenset({"query", "variables", "operationName", "extensions"})


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


def understand(body: bytes) -> GraphQLRequest:
    """The GraphQL request that a body is (GraphQL over HTTP, "request parameters"). Raises `InvalidRequest`."""
    try:
        parameters = parse(body)
    except AmbiguousJson:
        raise InvalidRequest("The body is not JSON that can be read in only one way.") from None
    match parameters:
        case list():
            raise InvalidRequest("Send one operation a request.")
        case dict():
            return _request(parameters)
        case _:
            raise InvalidRequest("The body must be a JSON object.")


def _request(parameters: dict[str, Json]) -> GraphQLRequest:
    if not parameters.keys() <= _MEMBERS:
        raise InvalidRequest("The body's members are query, variables, operationName and extensions.")
    query = parameters.get("query")
    if not isinstance(query, str) or not query.strip():
        raise InvalidRequest("query must be a GraphQL document.")
    variables = parameters.get("variables")
    if not isinstance(variables, dict | None):
        raise InvalidRequest("variables must be an object or null.")
    operation_name = parameters.get("operationName")
    if not isinstance(operation_name, str | None):
        raise InvalidRequest("operationName must be a string or null.")
    extensions = parameters.get("extensions")
    if not isinstance(extensions, dict | None):
        raise InvalidRequest("extensions must be an object or null.")
    if extensions and "persistedQuery" in extensions:
        raise InvalidRequest("Persisted queries are not accepted.")
    return GraphQLRequest(query=query, variables=variables or {}, operation_name=operation_name)
