"""GraphQL over HTTP, as the audit suite of graphql-http judges it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest
from graphql import build_schema, execute_sync, parse, validate
from graphql.error import GraphQLError

from portico.access.principal import Caller
from portico.records.exchange import Answer, GraphQLRequest
from tests.e2e.graphql_http.suite import AUDITS, audit

_OPTIONAL = {"5A70": "notice", "D6D5": "notice", "6A70": "notice"}
"""What a server MAY do and this one does only where it is turned on: GET leaves queries in every proxy's log."""

pytestmark = [pytest.mark.node, pytest.mark.usefixtures("node")]


class SmallGraph:
    """An `Executor` with a schema of one field."""

    def __init__(self) -> None:
        self._schema = build_schema("type Query { name: String }")

    async def answer(self, request: GraphQLRequest, _caller: Caller) -> Answer:
        try:
            document = parse(request.query)
        except GraphQLError as error:
            return Answer(orjson.dumps({"errors": [error.formatted]}), executed=False)
        errors = validate(self._schema, document)
        if errors:
            return Answer(orjson.dumps({"errors": [error.formatted for error in errors]}), executed=False)
        result = execute_sync(
            self._schema,
            document,
            variable_values=dict(request.variables),
            operation_name=request.operation_name,
        )
        return Answer(orjson.dumps(result.formatted), executed=result.data is not None)


async def test_every_audit_is_ok_but_for_the_three_that_would_put_queries_into_urls(
    serve: Callable[..., Awaitable[Any]],
) -> None:
    served = await serve(SmallGraph())

    findings = await audit(served.url, "good")

    assert len(findings) == AUDITS
    assert {finding["id"]: finding["status"] for finding in findings if finding["status"] != "ok"} == _OPTIONAL
