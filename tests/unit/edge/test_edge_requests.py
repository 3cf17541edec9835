"""What may be sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson
import pytest

from portico.edge.endpoint import Limits


def code(response: httpx2.Response) -> str:
    return str(response.json()["errors"][0]["extensions"]["code"])


# What is sent


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
async def test_only_post_is_taken(edge: Any, method: str) -> None:
    response = await edge.request(
        method, "/graphql?query=mutation{erase}", headers={"authorization": "Bearer one", "x-http-method": "POST"}
    )

    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert edge.echo.callers == []


@pytest.mark.parametrize(
    "path", ["/", "/graphql/", "/GraphQL", "/graphiql", "/docs", "/metrics", "/health", "//graphql"]
)
async def test_there_is_nothing_at_any_other_address(edge: Any, path: str) -> None:
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
async def test_only_json_in_utf_8_is_taken(edge: Any, content_type: str | None) -> None:
    response = await edge.post(content_type=content_type)

    assert (response.status_code, code(response)) == (415, "UNSUPPORTED_MEDIA_TYPE")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "identity", "gzip, gzip"])
async def test_a_compressed_body_is_refused_unread(edge: Any, encoding: str) -> None:
    assert (await edge.post(content_encoding=encoding)).status_code == 415


@pytest.mark.parametrize("size", [65537, 1_000_000])
async def test_a_body_over_the_limit_is_refused_by_its_announced_length(edge: Any, size: int) -> None:
    response = await edge.post(b" " * size)

    assert (response.status_code, code(response)) == (413, "REQUEST_TOO_LARGE")


async def test_a_body_at_the_limit_is_taken(edge: Any) -> None:
    body = orjson.dumps({"query": "{ viewer }"})

    assert (await edge.post(body + b" " * (65536 - len(body)))).status_code == 200


@pytest.mark.parametrize("length", ["-1", "+5", "5_0", "1e3", "٣"])
async def test_a_length_that_is_no_number_is_refused(edge: Any, length: str) -> None:
    headers = [
        (b"authorization", b"Bearer one"),
        (b"content-type", b"application/json"),
        (b"content-length", length.encode()),
    ]

    response = await edge.request("POST", "/graphql", content=b"{}", headers=headers)

    assert response.status_code == 413


async def test_a_body_without_a_length_is_refused_once_it_is_too_long(edge: Any) -> None:
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


async def test_a_body_that_does_not_arrive_in_time_is_given_up(edge: Any) -> None:
    edge.limits = Limits(body_timeout_seconds=0.05)

    async def stalling() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"authorization": "Bearer one", "content-type": "application/json"}
    response = await edge.request("POST", "/graphql", content=stalling(), headers=headers)

    assert (response.status_code, code(response)) == (408, "REQUEST_TIMEOUT")
    assert response.headers["connection"] == "close"


async def test_a_batch_is_refused_as_a_whole(edge: Any) -> None:
    for size in (1, 2, 50):
        response = await edge.post(orjson.dumps([{"query": "{ viewer }"}] * size))
        assert (response.status_code, code(response)) == (400, "BAD_REQUEST")

    assert edge.echo.callers == []
