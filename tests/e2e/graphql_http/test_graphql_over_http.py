"""GraphQL over HTTP as the whole server speaks it, by POST and by GET."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import orjson
import pytest

from tests.e2e.graphql_http.suite import AUDITS, audit
from tests.e2e.whole.stage import Demo

CANARY = "Quillfeather"
GRAPHQL = "application/graphql-response+json"
PATIENTS = "query Q($n: Int) { patients(first: $n) { edges { node { id name { family } birthDate ssn } } } }"


@pytest.fixture
async def client(demo: Demo) -> AsyncIterator[aiohttp.ClientSession]:
    """A physician at the running demo."""
    headers = {"Authorization": f"Bearer {demo.token('physician')}"}
    async with aiohttp.ClientSession(demo.url, headers=headers) as session:
        yield session


def told(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without what differs between any two requests."""
    errors = [{**error, "extensions": {**error["extensions"], "decisionId": ""}} for error in answer.get("errors", [])]
    return {"data": answer["data"], "errors": errors}


@pytest.mark.node
@pytest.mark.usefixtures("node")
async def test_every_audit_of_the_whole_server_is_ok(demo: Demo) -> None:
    findings = await audit(f"{demo.url}/graphql", demo.token("physician"))

    assert len(findings) == AUDITS
    assert [finding for finding in findings if finding["status"] != "ok"] == []


async def test_a_query_by_get_gets_what_it_gets_by_post(client: aiohttp.ClientSession) -> None:
    async with client.post("/graphql", json={"query": PATIENTS, "variables": {"n": 3}}) as response:
        by_post = await response.json()
    async with client.get("/graphql", params={"query": PATIENTS, "variables": '{"n":3}'}) as response:
        by_get = await response.json()

    assert len(by_get["data"]["patients"]["edges"]) == 3
    assert told(by_get) == told(by_post)


@pytest.mark.parametrize("operation", ["mutation { erase }", "mutation { __typename }", "subscription { __typename }"])
@pytest.mark.parametrize("accept", [GRAPHQL, "application/json"])
async def test_anything_but_a_query_by_get_has_no_effect_and_is_told_to_post(
    demo: Demo, client: aiohttp.ClientSession, operation: str, accept: str
) -> None:
    demo.forget_calls()

    async with client.get("/graphql", params={"query": operation}, headers={"Accept": accept}) as response:
        answer = await response.json(content_type=None)

    assert (response.status, response.headers["Allow"]) == (405, "POST")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["METHOD_NOT_ALLOWED"]
    assert demo.calls() == []


async def test_head_is_refused(client: aiohttp.ClientSession) -> None:
    async with client.head("/graphql", params={"query": PATIENTS}) as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(", ")) == {"GET", "POST"}


@pytest.mark.parametrize("length", [33_000, 5_000_000])
async def test_an_address_that_is_too_long_is_refused(client: aiohttp.ClientSession, length: int) -> None:
    try:
        async with client.get("/graphql", params={"query": "{ __typename }" + " " * length}) as response:
            assert response.status == 400
    except (aiohttp.ClientConnectionError, ConnectionError):
        assert length > 1_000_000, "a sender that doesn't listen may be cut off"


async def test_an_unknown_caller_gets_the_same_answer_by_any_method(demo: Demo) -> None:
    async with aiohttp.ClientSession(demo.url) as stranger:
        async with stranger.post("/graphql", data=b"{") as response:
            by_post = (response.status, await response.read())
        async with stranger.get("/graphql", params={"query": PATIENTS, "access_token": "x"}) as response:
            by_get = (response.status, await response.read())

    assert by_get == by_post
    assert by_get[0] == 401


async def test_nothing_of_an_address_is_in_any_log(demo: Demo, client: aiohttp.ClientSession) -> None:
    search = f'{{ patients(filter: {{ family: "{CANARY}" }}) {{ edges {{ node {{ id }} }} }} }}'

    async with client.get("/graphql", params={"query": search}) as response:
        request_id = response.headers["X-Request-Id"]
        assert orjson.loads(await response.read())["data"] == {"patients": {"edges": []}}

    async with asyncio.timeout(5):
        while request_id not in demo.log("server"):  # noqa: ASYNC110 - a file tells no event
            await asyncio.sleep(0.01)
    written = {log.name: log.read_text() for log in demo.state.logs.iterdir()}
    assert [name for name, text in written.items() if CANARY in text] == []
