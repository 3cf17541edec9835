"""What comes back, and what is told about it."""

from __future__ import annotations

import asyncio
import re
import uuid
from typing import Any

import httpx2
import orjson
import pytest

from portico.edge.endpoint import Limits
from portico.records.errors import (
    AuditUnavailable,
    BadArgument,
    CallerError,
    PolicyUnavailable,
    SlowDown,
    SourceTimeout,
)

CANARY = "Xaverine Quillfeather 1931-02-03"
GRAPHQL = "application/graphql-response+json"


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


async def test_a_known_caller_is_answered(edge: Any) -> None:
    response = await edge.post({"query": "query A { viewer }", "variables": {"n": 1}, "operationName": "A"})

    assert response.status_code == 200
    assert response.json()["data"] == {
        "query": "query A { viewer }",
        "variables": {"n": 1},
        "operationName": "A",
        "readOnly": False,
        "purpose": "TREAT",
    }


async def test_the_executor_learns_the_callers_request_id_and_deadline(edge: Any) -> None:
    response = await edge.post()

    [caller] = edge.echo.callers
    assert caller.request_id == response.headers["x-request-id"]
    assert caller.principal.subject == "dr-rivera"
    assert caller.deadline > 0


async def test_every_answer_is_marked_as_not_to_be_stored_or_sniffed(edge: Any) -> None:
    responses = [
        await edge.post(),
        await edge.post(authorization=None),
        await edge.request("GET", "/graphql"),
        await edge.request("GET", "/nowhere"),
        await edge.request("GET", "/health/live"),
        await edge.request("GET", "/health/ready"),
    ]

    for response in responses:
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_the_request_id_is_always_our_own(edge: Any) -> None:
    given = str(uuid.uuid4())

    first, second = await edge.post(x_request_id=given), await edge.post(x_request_id=given)

    ids = {given, first.headers["x-request-id"], second.headers["x-request-id"]}
    assert len(ids) == 3
    assert uuid.UUID(first.headers["x-request-id"]).version == 4


# What is answered


@pytest.mark.parametrize(
    ("accept", "executed", "status"),
    [(GRAPHQL, True, 200), (GRAPHQL, False, 400), ("application/json", True, 200), ("application/json", False, 200)],
)
async def test_the_status_tells_of_execution_where_the_media_type_says_so(
    edge: Any, accept: str, *, executed: bool, status: int
) -> None:
    edge.echo.executed = executed

    response = await edge.post(accept=accept)

    assert response.status_code == status
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"


async def test_an_accept_header_that_leaves_nothing_to_give_is_refused(edge: Any) -> None:
    response = await edge.post(accept="multipart/mixed, text/event-stream")

    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    "error", [BadArgument(), PolicyUnavailable(), AuditUnavailable(), SourceTimeout("ehr")], ids=lambda e: e.code
)
async def test_an_error_of_the_whole_request_has_its_code_and_no_data(edge: Any, error: CallerError) -> None:
    edge.echo.error = error

    response = await edge.post(accept=GRAPHQL)

    assert response.status_code == error.status
    told = {"code": error.code, "requestId": response.headers["x-request-id"]}
    assert response.json() == {"errors": [{"message": error.message, "extensions": told}], "data": None}


async def test_a_bug_is_told_by_its_request_id_alone(edge: Any, capsys: pytest.CaptureFixture[str]) -> None:
    edge.echo.error = ValueError(CANARY)

    response = await edge.post({"query": "{ viewer }", "variables": {"name": CANARY}})

    assert (response.status_code, code(response)) == (500, "INTERNAL")
    assert CANARY not in response.text
    written = capsys.readouterr()
    assert CANARY not in written.out + written.err
    failed = orjson.loads(written.out.splitlines()[0])
    assert failed["exception"] == "ValueError"
    assert re.fullmatch(r"portico/edge/memory.py:\d+", failed["place"])
    assert failed["request_id"] == response.headers["x-request-id"]


async def test_the_log_line_of_a_request_has_its_outcome_and_nothing_that_was_sent(
    edge: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    response = await edge.post(
        {"query": f'{{ patient(name: "{CANARY}") }}'}, x_canary=CANARY, authorization="Bearer one"
    )

    written = capsys.readouterr().out
    line = orjson.loads(written)
    assert CANARY not in written
    assert line.keys() == {"event", "level", "at", "request_id", "status", "milliseconds", "outcome"}
    assert (line["event"], line["status"], line["outcome"]) == ("request_answered", 200, "ANSWERED")
    assert line["request_id"] == response.headers["x-request-id"]


async def test_a_request_that_takes_too_long_is_cancelled_and_told(edge: Any) -> None:
    edge.limits = Limits(request_timeout_seconds=0.01)
    edge.echo.seconds = 60

    response = await edge.post()

    assert (response.status_code, code(response)) == (504, "DEADLINE_EXCEEDED")
    await asyncio.sleep(0)
    assert edge.echo.cancelled == 1


async def test_an_executor_that_gives_up_by_itself_is_a_bug(edge: Any) -> None:
    edge.echo.error = asyncio.CancelledError()

    response = await edge.post()

    assert (response.status_code, code(response)) == (500, "INTERNAL")


async def test_requests_beyond_the_limit_are_turned_away_at_once(edge: Any) -> None:
    edge.limits = Limits(in_flight_limit=2)
    edge.echo.seconds = 0.2

    async with edge.client() as client:
        headers = {"authorization": "Bearer one", "content-type": "application/json"}
        posts = [client.post("/graphql", content=b'{"query":"{a}"}', headers=headers) for _ in range(5)]
        responses = await asyncio.gather(*posts)
        after = await client.post("/graphql", content=b'{"query":"{a}"}', headers=headers)

    refused = [response for response in responses if response.status_code == 503]
    assert len(refused) == 3
    assert {code(response) for response in refused} == {"OVERLOADED"}
    assert {response.headers["retry-after"] for response in refused} == {"1"}
    assert after.status_code == 200


async def test_whoever_is_slowed_is_told_when_to_come_again(edge: Any) -> None:
    edge.echo.error = SlowDown(41.2)

    response = await edge.post()

    assert (response.status_code, code(response)) == (429, "SLOW_DOWN")
    assert response.headers["retry-after"] == "42"
    assert response.json()["errors"][0]["extensions"]["retryAfterSeconds"] == 42


async def test_outcomes_and_refused_tokens_are_counted(edge: Any) -> None:
    await edge.post()
    await edge.post(authorization="Bearer unknown")
    await edge.post(accept="text/html")

    def value(name: str, **labels: str) -> float | None:
        return edge.metrics.registry.get_sample_value(name, labels)

    assert value("portico_request_seconds_count", outcome="ANSWERED") == 1
    assert value("portico_request_seconds_count", outcome="UNAUTHENTICATED") == 1
    assert value("portico_request_seconds_count", outcome="NOT_ACCEPTABLE") == 1
    assert value("portico_tokens_refused_total", reason="shape") == 1
    assert value("portico_requests_in_flight") == 0


# Browsers and probes


ORIGIN = "https://www.riverbend.example"


async def preflight(edge: Any, origin: str) -> httpx2.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    return await edge.request("OPTIONS", "/graphql", headers=asked)


async def test_a_configured_origin_may_ask_from_a_browser(edge: Any) -> None:
    edge.origins = [ORIGIN]

    allowed, answered = await preflight(edge, ORIGIN), await edge.post(origin=ORIGIN)

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in answered.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", ORIGIN + ".evil.example", "http://www.riverbend.example", "null"]
)
async def test_another_origin_may_not(edge: Any, origin: str) -> None:
    edge.origins = [ORIGIN]

    refused, answered = await preflight(edge, origin), await edge.post(origin=origin)

    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in answered.headers


async def test_without_configured_origins_there_is_no_preflight(edge: Any) -> None:
    response = await preflight(edge, ORIGIN)

    assert response.status_code == 401
    assert "access-control-allow-origin" not in response.headers


async def test_probes_tell_life_and_readiness_apart(edge: Any) -> None:
    edge.missing = ["policy", "audit"]

    live, ready = await edge.request("GET", "/health/live"), await edge.request("GET", "/health/ready")
    edge.missing = []
    recovered = await edge.request("GET", "/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "missing": ["audit", "policy"]})
    assert (recovered.status_code, recovered.json()) == (200, {"status": "ready"})
