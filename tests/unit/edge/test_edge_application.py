"""Everything that happens to a request, in process: the real application around an executor that echoes."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
import pytest

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.application import application
from portico.edge.endpoint import Limits
from portico.edge.memory import Echo, KnownTokens
from portico.edge.metrics import Metrics
from portico.records.errors import AuditUnavailable, BadArgument, CallerError, PolicyUnavailable, SourceTimeout
from portico.records.references import Tenant

CANARY = "Xaverine Quillfeather 1931-02-03"
GRAPHQL = "application/graphql-response+json"


def principal(*purposes: Purpose) -> Principal:
    return Principal(
        subject="dr-rivera",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset({"physician"}),
        purposes=frozenset(purposes),
        client="portal",
        expires_at=2**40,
    )


@dataclass
class Edge:
    """The application with everything it was given."""

    echo: Echo = field(default_factory=Echo)
    metrics: Metrics = field(default_factory=Metrics)
    missing: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    origins: Sequence[str] = ()

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        tokens = {
            "one": principal(Purpose.TREATMENT),
            "two": principal(Purpose.TREATMENT, Purpose.EMERGENCY),
            "none": principal(),
        }
        app = application(
            executor=self.echo,
            verifier=KnownTokens(tokens),
            readiness=self._readiness,
            metrics=self.metrics,
            limits=self.limits,
            origins=self.origins,
        )
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://portico") as client:
            yield client

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async with self.client() as client:
            return await client.request(method, path, **options)

    async def post(self, body: object = None, path: str = "/graphql", **headers: str | None) -> httpx2.Response:
        """POST as a caller with one purpose. A header given as None is left out; `_` in its name is a hyphen."""
        content = body if isinstance(body, bytes) else orjson.dumps(body or {"query": "{ viewer }"})
        sent = {"authorization": "Bearer one", "content-type": "application/json"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        kept = [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value is not None]
        return await self.request("POST", path, content=content, headers=kept)

    async def _readiness(self) -> Sequence[str]:
        return self.missing


@pytest.fixture
def edge() -> Edge:
    return Edge()


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


async def test_a_known_caller_is_answered(edge: Edge) -> None:
    response = await edge.post({"query": "query A { viewer }", "variables": {"n": 1}, "operationName": "A"})

    assert response.status_code == 200
    assert response.json()["data"] == {
        "query": "query A { viewer }",
        "variables": {"n": 1},
        "operationName": "A",
        "purpose": "TREAT",
    }


async def test_the_executor_learns_the_callers_request_id_and_deadline(edge: Edge) -> None:
    response = await edge.post()

    [caller] = edge.echo.callers
    assert caller.request_id == response.headers["x-request-id"]
    assert caller.principal.subject == "dr-rivera"
    assert caller.deadline > 0


async def test_every_answer_is_marked_as_not_to_be_stored_or_sniffed(edge: Edge) -> None:
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


async def test_the_request_id_is_always_our_own(edge: Edge) -> None:
    given = str(uuid.uuid4())

    first, second = await edge.post(x_request_id=given), await edge.post(x_request_id=given)

    ids = {given, first.headers["x-request-id"], second.headers["x-request-id"]}
    assert len(ids) == 3
    assert uuid.UUID(first.headers["x-request-id"]).version == 4


# Who asks


ANONYMOUS: list[str | None] = [
    None,
    "",
    "Bearer",
    "Bearer ",
    "Bearer  one",
    "Bearer unknown",
    "Bearer one, Bearer one",
    "Basic b25lOm9uZQ==",
    "one",
    "Bearer " + "x" * 100_000,
    "Bearer \x00",
]


@pytest.mark.parametrize("authorization", ANONYMOUS, ids=lambda given: repr(given)[:24])
async def test_everyone_who_is_not_known_gets_the_same_answer(edge: Edge, authorization: str | None) -> None:
    response = await edge.post(authorization=authorization)

    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.content == (
        b'{"errors":[{"message":"Authentication required.","extensions":{"code":"UNAUTHENTICATED"}}]}'
    )
    assert edge.echo.callers == []


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"", {}),
        (b"not json", {}),
        (b"[" * 100_000, {}),
        (b"x" * 2_000_000, {}),
        (orjson.dumps({"query": "{ __schema { types { name } } }"}), {}),
        (orjson.dumps({"query": "mutation { erase }"}), {"content_type": "text/plain"}),
        (b"{}", {"content_encoding": "gzip"}),
        (b"{}", {"accept": "text/html", "x_purpose_of_use": "NOSUCH"}),
    ],
)
async def test_nothing_that_an_unknown_caller_sends_changes_the_answer(
    edge: Edge, body: bytes, headers: dict[str, str]
) -> None:
    plain = await edge.post(authorization=None)
    other = await edge.post(body, authorization="Bearer unknown", **headers)

    same = {"status": other.status_code, "body": other.content, "type": other.headers["content-type"]}
    assert same == {"status": 401, "body": plain.content, "type": plain.headers["content-type"]}


async def test_two_authorization_headers_are_ambiguous(edge: Edge) -> None:
    headers = [("authorization", "Bearer one"), ("authorization", "Bearer two"), ("content-type", "application/json")]

    response = await edge.request("POST", "/graphql", content=b'{"query":"{a}"}', headers=headers)

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")
    assert edge.echo.callers == []


@pytest.mark.parametrize("path", ["/graphql?access_token=one", "/graphql?token=one"])
async def test_a_token_in_the_url_is_no_token(edge: Edge, path: str) -> None:
    assert (await edge.post(path=path, authorization=None)).status_code == 401


async def test_a_token_in_a_cookie_or_the_body_is_no_token(edge: Edge) -> None:
    body = b"access_token=one"

    response = await edge.post(body, authorization=None, cookie="access_token=one", content_type="text/plain")

    assert response.status_code == 401


async def test_a_known_caller_who_puts_anything_into_the_url_is_told_so(edge: Edge) -> None:
    response = await edge.post(path="/graphql?query={viewer}")

    assert (response.status_code, code(response)) == (400, "BAD_REQUEST")


# Why


async def test_the_only_purpose_of_a_token_need_not_be_named(edge: Edge) -> None:
    assert (await edge.post()).json()["data"]["purpose"] == "TREAT"


async def test_a_permitted_purpose_is_taken_from_the_header(edge: Edge) -> None:
    response = await edge.post(authorization="Bearer two", x_purpose_of_use="ETREAT")

    assert response.json()["data"]["purpose"] == "ETREAT"


@pytest.mark.parametrize(
    ("token", "purpose"),
    [
        ("two", None),
        ("none", None),
        ("none", "TREAT"),
        ("one", "HPAYMT"),
        ("one", "treat"),
        ("one", "TREATMENT"),
        ("one", " TREAT,ETREAT"),
        ("one", ""),
        ("one", "TREAT\u00a0"),
    ],
)
async def test_a_purpose_that_is_missing_unknown_or_not_the_tokens_is_refused(
    edge: Edge, token: str, purpose: str | None
) -> None:
    response = await edge.post(authorization=f"Bearer {token}", x_purpose_of_use=purpose)

    assert (response.status_code, code(response)) == (403, "PURPOSE_REFUSED")
    assert edge.echo.callers == []


async def test_two_purposes_are_refused_even_when_both_are_permitted(edge: Edge) -> None:
    headers = [("authorization", "Bearer two"), ("x-purpose-of-use", "TREAT"), ("x-purpose-of-use", "ETREAT")]

    response = await edge.request("POST", "/graphql", content=b'{"query":"{a}"}', headers=headers)

    assert response.status_code == 403


# What is sent


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_post_is_taken(edge: Edge, method: str) -> None:
    response = await edge.request(
        method, "/graphql?query=mutation{erase}", headers={"authorization": "Bearer one", "x-http-method": "POST"}
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert edge.echo.callers == []


@pytest.mark.parametrize(
    "path", ["/", "/graphql/", "/GraphQL", "/graphiql", "/docs", "/metrics", "/health", "//graphql"]
)
async def test_there_is_nothing_at_any_other_address(edge: Edge, path: str) -> None:
    response = await edge.request("POST", path, headers={"authorization": "Bearer one"})

    assert (response.status_code, code(response)) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/plain",
        "application/graphql",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=utf-16",
        "application/json; charset=utf-8; charset=utf-16",
        "application/json, text/plain",
        "application/jsonx",
    ],
)
async def test_only_json_in_utf_8_is_taken(edge: Edge, content_type: str | None) -> None:
    response = await edge.post(content_type=content_type)

    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip"])
async def test_a_compressed_body_is_refused_unread(edge: Edge, encoding: str) -> None:
    assert (await edge.post(content_encoding=encoding)).status_code == 415


@pytest.mark.parametrize("size", [65537, 1_000_000])
async def test_a_body_over_the_limit_is_refused_by_its_announced_length(edge: Edge, size: int) -> None:
    response = await edge.post(b" " * size)

    assert (response.status_code, code(response)) == (413, "REQUEST_TOO_LARGE")


async def test_a_body_at_the_limit_is_taken(edge: Edge) -> None:
    body = orjson.dumps({"query": "{ viewer }"})

    assert (await edge.post(body + b" " * (65536 - len(body)))).status_code == 200


@pytest.mark.parametrize("length", ["-1", "+5", "5_0", "1e3", "٣"])
async def test_a_length_that_is_no_number_is_refused(edge: Edge, length: str) -> None:
    headers = [
        (b"authorization", b"Bearer one"),
        (b"content-type", b"application/json"),
        (b"content-length", length.encode()),
    ]

    response = await edge.request("POST", "/graphql", content=b"{}", headers=headers)

    assert response.status_code == 413


async def test_a_body_without_a_length_is_refused_once_it_is_too_long(edge: Edge) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 1
            yield b" " * 10_000

    headers = {"authorization": "Bearer one", "content-type": "application/json"}
    response = await edge.request("POST", "/graphql", content=endless(), headers=headers)

    assert response.status_code == 413
    assert sent == 7


async def test_a_body_that_does_not_arrive_in_time_is_given_up(edge: Edge) -> None:
    edge.limits = Limits(body_timeout_seconds=0.05)

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"authorization": "Bearer one", "content-type": "application/json"}
    response = await edge.request("POST", "/graphql", content=stalling(), headers=headers)

    assert (response.status_code, code(response)) == (408, "REQUEST_TIMEOUT")
    assert response.headers["connection"] == "close"


async def test_a_batch_is_refused_as_a_whole(edge: Edge) -> None:
    for size in (1, 2, 50):
        response = await edge.post(orjson.dumps([{"query": "{ viewer }"}] * size))
        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")

    assert edge.echo.callers == []


# What is answered


@pytest.mark.parametrize(
    ("accept", "executed", "status"),
    [(GRAPHQL, True, 200), (GRAPHQL, False, 400), ("application/json", True, 200), ("application/json", False, 200)],
)
async def test_the_status_tells_of_execution_where_the_media_type_says_so(
    edge: Edge, accept: str, *, executed: bool, status: int
) -> None:
    edge.echo.executed = executed

    response = await edge.post(accept=accept)

    assert response.status_code == status
    assert response.headers["content-type"] == f"{accept}; charset=utf-8"


async def test_an_accept_header_that_leaves_nothing_to_give_is_refused(edge: Edge) -> None:
    response = await edge.post(accept="multipart/mixed, text/event-stream")

    assert (response.status_code, code(response)) == (406, "NOT_ACCEPTABLE")


@pytest.mark.parametrize(
    "error", [BadArgument(), PolicyUnavailable(), AuditUnavailable(), SourceTimeout("ehr")], ids=lambda e: e.code
)
async def test_an_error_of_the_whole_request_has_its_code_and_no_data(edge: Edge, error: CallerError) -> None:
    edge.echo.error = error

    response = await edge.post(accept=GRAPHQL)

    assert response.status_code == error.status
    told = {"code": error.code, "requestId": response.headers["x-request-id"]}
    assert response.json() == {"errors": [{"message": error.message, "extensions": told}], "data": None}


async def test_a_bug_is_told_by_its_request_id_alone(edge: Edge, capsys: pytest.CaptureFixture[str]) -> None:
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
    edge: Edge, capsys: pytest.CaptureFixture[str]
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


async def test_a_request_that_takes_too_long_is_cancelled_and_told(edge: Edge) -> None:
    edge.limits = Limits(request_timeout_seconds=0.01)
    edge.echo.seconds = 60

    response = await edge.post()

    assert (response.status_code, code(response)) == (504, "DEADLINE_EXCEEDED")
    await asyncio.sleep(0)
    assert edge.echo.cancelled == 1


async def test_requests_beyond_the_limit_are_turned_away_at_once(edge: Edge) -> None:
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


async def test_outcomes_and_refused_tokens_are_counted(edge: Edge) -> None:
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


async def preflight(edge: Edge, origin: str) -> httpx2.Response:
    asked = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    return await edge.request("OPTIONS", "/graphql", headers=asked)


async def test_a_configured_origin_may_ask_from_a_browser(edge: Edge) -> None:
    edge.origins = [ORIGIN]

    allowed, answered = await preflight(edge, ORIGIN), await edge.post(origin=ORIGIN)

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert answered.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-credentials" not in answered.headers


@pytest.mark.parametrize(
    "origin", ["https://evil.example", ORIGIN + ".evil.example", "http://www.riverbend.example", "null"]
)
async def test_another_origin_may_not(edge: Edge, origin: str) -> None:
    edge.origins = [ORIGIN]

    refused, answered = await preflight(edge, origin), await edge.post(origin=origin)

    assert refused.status_code == 400
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in answered.headers


async def test_without_configured_origins_there_is_no_preflight(edge: Edge) -> None:
    response = await preflight(edge, ORIGIN)

    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


async def test_probes_tell_life_and_readiness_apart(edge: Edge) -> None:
    edge.missing = ["policy", "audit"]

    live, ready = await edge.request("GET", "/health/live"), await edge.request("GET", "/health/ready")
    edge.missing = []
    recovered = await edge.request("GET", "/health/ready")

    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert (ready.status_code, ready.json()) == (503, {"status": "not ready", "missing": ["audit", "policy"]})
    assert (recovered.status_code, recovered.json()) == (200, {"status": "ready"})
