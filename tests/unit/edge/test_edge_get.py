"""Queries by GET, where they are turned on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2
import orjson
import pytest

from portico.edge.endpoint import Limits
from portico.records.errors import MethodRefused

CANARY = "Quillfeather"
GRAPHQL = "application/graphql-response+json"
ORIGIN = "https://www.riverbend.example"


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


@pytest.fixture
def edge(edge: Any) -> Any:
    edge.get_queries = True
    return edge


async def test_a_query_by_get_is_answered_like_one_by_post(edge: Any) -> None:
    variables = quote('{"n":1}')

    response = await edge.get(f"query=query+A+{{+viewer+}}&variables={variables}&operationName=A", accept=GRAPHQL)

    assert response.status_code == 200
    assert response.headers["content-type"] == f"{GRAPHQL}; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["data"] == {
        "query": "query A { viewer }",
        "variables": {"n": 1},
        "operationName": "A",
        "readOnly": True,
        "purpose": "TREAT",
    }


async def test_a_post_is_not_read_only_and_still_takes_no_parameters(edge: Any) -> None:
    taken, refused = await edge.post(), await edge.post(path="/graphql?query={other}")

    assert taken.json()["data"]["readOnly"] is False
    assert (refused.status_code, code(refused)) == (400, "BAD_REQUEST")
    assert len(edge.echo.callers) == 1


@pytest.mark.parametrize("method", ["HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_no_further_method_is_taken(edge: Any, method: str) -> None:
    response = await edge.request(method, "/graphql?query={viewer}", headers={"authorization": "Bearer one"})

    assert response.status_code == 405
    assert set(response.headers["allow"].split(", ")) == {"GET", "POST"}
    assert edge.echo.callers == []


@pytest.mark.parametrize(
    "query_string", ["", "query={viewer}", "query={viewer}&query={viewer}", "query=%ff", "access_token=one"]
)
async def test_nothing_in_an_address_changes_the_answer_to_an_unknown_caller(edge: Any, query_string: str) -> None:
    expected = await edge.post(authorization=None)

    for authorization in (None, "Bearer unknown"):
        response = await edge.get(query_string, authorization=authorization)
        assert (response.status_code, response.content) == (401, expected.content)


@pytest.mark.parametrize(
    ("headers", "status", "refused"),
    [
        ({"authorization": "Bearer two"}, 403, "PURPOSE_REFUSED"),
        ({"x_purpose_of_use": "HPAYMT"}, 403, "PURPOSE_REFUSED"),
        ({"accept": "text/html"}, 406, "NOT_ACCEPTABLE"),
        ({"content_length": "2"}, 400, "BAD_REQUEST"),
        ({"transfer_encoding": "chunked"}, 400, "BAD_REQUEST"),
    ],
)
async def test_what_a_post_needs_a_get_needs_too(edge: Any, headers: dict[str, str], status: int, refused: str) -> None:
    response = await edge.get("query={viewer}", **headers)

    assert (response.status_code, code(response)) == (status, refused)
    assert edge.echo.callers == []


async def test_the_purpose_header_counts(edge: Any) -> None:
    response = await edge.get("query={viewer}", authorization="Bearer two", x_purpose_of_use="ETREAT")

    assert response.json()["data"]["purpose"] == "ETREAT"


async def test_an_announcement_of_no_body_is_no_body(edge: Any) -> None:
    assert (await edge.get("query={viewer}", content_length="0")).status_code == 200


async def test_an_address_over_the_limit_is_refused(edge: Any) -> None:
    edge.limits = Limits(body_limit_bytes=1024)
    room = 1024 - len("query={viewer}")

    fits, exceeds = [await edge.get("query={viewer}" + "+" * size) for size in (room, room + 1)]

    assert fits.status_code == 200
    assert (exceeds.status_code, code(exceeds)) == (400, "BAD_REQUEST")


@pytest.mark.parametrize("query_string", ["", "query=", "query={a}&query={b}", "query={a}&variables={", "q={a}"])
async def test_an_address_that_is_no_request_is_refused(edge: Any, query_string: str) -> None:
    response = await edge.get(query_string, accept=GRAPHQL)

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
    assert edge.echo.callers == []


async def test_a_method_that_the_executor_refuses_is_told_with_the_one_that_would_do(edge: Any) -> None:
    edge.echo.error = MethodRefused()

    for accept in (GRAPHQL, "application/json"):
        response = await edge.get("query=mutation{erase}", accept=accept)

        assert (response.status_code, code(response)) == (405, "METHOD_NOT_ALLOWED")
        assert response.headers["allow"] == "POST"
        assert "data" not in response.json()


async def test_a_document_that_is_refused_has_the_same_status_as_by_post(edge: Any) -> None:
    edge.echo.executed = False

    statuses = {accept: (await edge.get("query={viewer}", accept=accept)).status_code for accept in (GRAPHQL, "*/*")}

    assert statuses == {GRAPHQL: 400, "*/*": 200}


async def test_no_log_line_has_anything_of_an_address(edge: Any, capsys: pytest.CaptureFixture[str]) -> None:
    for query_string in (f"query={{viewer(a:{CANARY})}}", f"{CANARY}={CANARY}", f"query={{a}}&variables={CANARY}"):
        await edge.get(query_string)
    edge.echo.error = ValueError(CANARY)
    await edge.get(f"query={{{CANARY}}}")

    written = capsys.readouterr()
    assert CANARY not in written.out + written.err
    outcomes = [orjson.loads(line).get("outcome") for line in written.out.splitlines()]
    assert [outcome for outcome in outcomes if outcome] == ["ANSWERED", "BAD_REQUEST", "BAD_REQUEST", "INTERNAL"]


async def test_a_configured_origin_may_ask_by_get_only_where_that_is_turned_on(edge: Any) -> None:
    edge.origins = [ORIGIN]
    asked = {"origin": ORIGIN, "access-control-request-method": "GET"}

    allowed = await edge.request("OPTIONS", "/graphql", headers=asked)
    edge.get_queries = False
    refused = await edge.request("OPTIONS", "/graphql", headers=asked)

    assert (allowed.status_code, refused.status_code) == (200, 400)
