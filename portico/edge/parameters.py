"""The parameters of a GraphQL request, in a body or in an address, understood in one way only (GraphQL over HTTP)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

from portico.edge.strict_json import AmbiguousJson, Json, parse
from portico.records.errors import InvalidRequest
from portico.records.exchange import GraphQLRequest

_NAMES: Final = frozenset({"query", "variables", "operationName", "extensions"})
_ENCODED: Final = re.compile(rb"(?:[^%\x80-\xff]|%[0-9A-Fa-f]{2})*")
_UNREADABLE: Final = "The address must carry the parameters, URL-encoded in UTF-8."


def from_body(body: bytes) -> GraphQLRequest:
    """The request that a JSON body is. Raises `InvalidRequest`."""
    parameters = _json(body, "The body")
    match parameters:
        case list():
            raise InvalidRequest("Send one operation a request.")
        case dict():
            return _request(parameters, read_only=False)
        case _:
            raise InvalidRequest("The body must be a JSON object.")


def from_address(query_string: bytes) -> GraphQLRequest:
    """The request that an address carries as `application/x-www-form-urlencoded`. Raises `InvalidRequest`.

    It is read-only, since a GET may be repeated by anyone between here and the client.
    """
    texts = _texts(query_string)
    parameters: dict[str, Json] = {**texts}
    for name in texts.keys() & {"variables", "extensions"}:
        parameters[name] = _json(texts[name].encode(), name)
    if parameters.get("operationName") == "":
        del parameters["operationName"]
    return _request(parameters, read_only=True)


def _texts(query_string: bytes) -> dict[str, str]:
    """Each parameter's text. What decoders read differently is refused: duplicates, stray `%`, anything not UTF-8."""
    if not _ENCODED.fullmatch(query_string):
        raise InvalidRequest(_UNREADABLE)
    try:
        pairs = parse_qsl(
            query_string.decode(),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=len(_NAMES),
        )
    except ValueError:
        raise InvalidRequest(_UNREADABLE) from None
    texts = dict(pairs)
    if len(texts) != len(pairs):
        raise InvalidRequest("Give each parameter once.")
    return texts


def _json(text: bytes, what: str) -> Json:
    try:
        return parse(text)
    except AmbiguousJson:
        raise InvalidRequest(f"{what} is not JSON that can be read in only one way.") from None


def _request(parameters: Mapping[str, Json], *, read_only: bool) -> GraphQLRequest:
    if not parameters.keys() <= _NAMES:
        raise InvalidRequest("The parameters are query, variables, operationName and extensions.")
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
    return GraphQLRequest(query=query, variables=variables or {}, operation_name=operation_name, read_only=read_only)
