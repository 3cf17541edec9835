"""How the connector behaves towards a server that throttles, forgets, lies, redirects or breaks off."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress

import orjson
import pytest
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from connectors.fhir import FhirConnector
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable
from portico.records.references import By, RecordType
from portico.records.types import Record
from tests.contract.questions import context
from tests.unit.connectors.fhir.scripted import ScriptedEhr, grant, json, patient, searchset

Connect = Callable[..., FhirConnector]
SECRETIVE = "pat-1"


async def _find(connector: FhirConnector, *keys: str, seconds: float = 5.0) -> Sequence[Record]:
    return await connector.find(context(seconds=seconds), RecordType.PATIENT, By.ID, keys or [SECRETIVE])


def _odd_beside_a_match(odd: bytes) -> Response:
    """The right answer, but for something in it that is passed over."""
    entry = b'{"fullUrl": %b, "resource": {"resourceType": "Patient", "id": "pat-1"}}' % odd
    body = b'{"resourceType": "Bundle", "type": "searchset", "entry": [%b]}' % entry
    return Response(body, media_type="application/fhir+json")


async def _refusal(expected: type[SourceError], connector: FhirConnector, seconds: float = 5.0) -> str:
    with pytest.raises(expected) as caught:
        await _find(connector, seconds=seconds)
    error = caught.value
    assert error.source == "ehr"
    assert error.__cause__ is None
    assert SECRETIVE not in str(error)
    assert "token-1" not in str(error)
    assert "127.0.0.1" not in str(error)
    return str(error)


# -- the credential


async def test_the_client_presents_itself_by_basic_and_asks_for_its_scope(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"))]
    assert len(await _find(connect())) == 1
    (asked,) = ehr.asked_for_tokens
    pair = base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")).decode()
    assert pair == "port%3Aico:s3+cret%25"
    assert asked.parameters == {"grant_type": "client_credentials", "scope": "system/*.read"}
    assert ehr.received[0].headers["authorization"] == "Bearer token-1"


async def test_many_calls_share_one_token_request(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"))]
    connector = connect()
    await asyncio.gather(*(_find(connector) for _ in range(20)))
    await _find(connector)
    assert len(ehr.asked_for_tokens) == 1
    assert len(ehr.received) == 21


async def test_a_waiting_call_that_gives_up_leaves_the_token_to_the_others(ehr: ScriptedEhr, connect: Connect) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def late(_: Request) -> Response:
        arrived.set()
        await go.wait()
        return grant()

    ehr.grants, ehr.answers = [late], [searchset(patient("pat-1"))]
    connector = connect()
    first, second = asyncio.create_task(_find(connector)), asyncio.create_task(_find(connector))
    await arrived.wait()
    first.cancel()
    go.set()
    assert len(await second) == 1
    with pytest.raises(asyncio.CancelledError):
        await first
    assert len(ehr.asked_for_tokens) == 1


async def test_a_refused_token_is_replaced_once(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.grants = [grant("old"), grant("new")]
    ehr.answers = [json({}, 401), searchset(patient("pat-1"))]
    assert len(await _find(connect())) == 1
    assert [each.headers["authorization"] for each in ehr.received] == ["Bearer old", "Bearer new"]


async def test_a_token_refused_again_makes_the_source_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [json({}, 401)]
    await _refusal(SourceUnavailable, connect())
    assert len(ehr.received) == len(ehr.asked_for_tokens) == 2


async def test_a_token_that_is_about_to_end_is_renewed_before(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.grants = [grant("short", expires_in=1), grant("long")]
    ehr.answers = [searchset(patient("pat-1"))]
    connector = connect()
    await _find(connector)
    connector._server._credentials._clock = lambda: time.monotonic() + 0.8
    await _find(connector)
    assert [each.headers["authorization"] for each in ehr.received] == ["Bearer short", "Bearer long"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json({"error": "invalid_client"}, 401), SourceUnavailable),
        (json({"error": "invalid_scope"}, 400), SourceUnavailable),
        (json({}, 503), SourceUnavailable),
        (json({}, 302, {"Location": "http://elsewhere.invalid/"}), SourceUnavailable),
        (json({"access_token": "a b", "token_type": "Bearer"}), SourceInvalid),
        (json({"access_token": "a\r\nX: y", "token_type": "Bearer"}), SourceInvalid),
        (json({"access_token": "abc", "token_type": "mac"}), SourceInvalid),
        (json({"access_token": "abc", "token_type": "Bearer", "expires_in": "soon"}), SourceInvalid),
        (json({"access_token": "abc", "token_type": "Bearer", "expires_in": -1}), SourceInvalid),
        (json(["abc"]), SourceInvalid),
        (Response(b"<html>", media_type="text/html"), SourceInvalid),
        (Response(b" " * 100_000), SourceInvalid),
    ],
)
async def test_a_bad_token_endpoint_fails_the_call_and_no_data_is_asked_for(
    ehr: ScriptedEhr, connect: Connect, answer: Response, expected: type[SourceError]
) -> None:
    ehr.grants = [answer]
    await _refusal(expected, connect())
    assert not ehr.received


async def test_a_token_endpoint_that_failed_is_asked_again_by_the_next_call(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.grants, ehr.answers = [json({}, 503), grant()], [searchset(patient("pat-1"))]
    connector = connect()
    await _refusal(SourceUnavailable, connector)
    assert len(await _find(connector)) == 1


# -- time


async def test_a_throttled_call_waits_as_told_and_goes_on(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        json({}, 429, {"Retry-After": "0"}),
        json({}, 503, {"Retry-After": "0"}),
        searchset(patient("pat-1")),
    ]
    assert len(await _find(connect())) == 1


@pytest.mark.parametrize("retry_after", ["3600", "Fri, 31 Dec 1999 23:59:59 GMT", "-1", "", "9" * 400])
async def test_a_throttling_source_is_unavailable_at_once_where_waiting_is_no_use(
    ehr: ScriptedEhr, connect: Connect, retry_after: str
) -> None:
    ehr.answers = [json({}, 429, {"Retry-After": retry_after})]
    began = time.monotonic()
    await _refusal(SourceUnavailable, connect())
    assert time.monotonic() - began < 1
    assert len(ehr.received) == 1


async def test_endless_throttling_ends_in_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [json({}, 429, {"Retry-After": "0"})]
    await _refusal(SourceUnavailable, connect())
    assert len(ehr.received) == 3


async def test_the_deadline_holds_while_the_token_is_asked_for(ehr: ScriptedEhr, connect: Connect) -> None:
    go = asyncio.Event()

    async def never(_: Request) -> Response:
        await go.wait()
        return grant()

    ehr.grants, ehr.answers = [never], [searchset(patient("pat-1"))]
    await _refusal(SourceTimeout, connect(), seconds=0.1)
    go.set()


# -- what counts as an answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (json({}, 500), SourceUnavailable),
        (json({}, 502), SourceUnavailable),
        (json({}, 403), SourceUnavailable),
        (json({}, 503), SourceUnavailable),
        (json({}, 400), SourceInvalid),
        (json({}, 404), SourceInvalid),
        (json({}, 204), SourceInvalid),
        (RedirectResponse("/r4/Patient/_search"), SourceInvalid),
        (RedirectResponse("http://elsewhere.invalid/"), SourceInvalid),
        (Response(b"<html>signed out</html>", media_type="text/html"), SourceInvalid),
        (Response(b"{}", media_type="application/fhir+xml"), SourceInvalid),
        (Response(b"{", media_type="application/fhir+json"), SourceInvalid),
        (Response(b'{"a": NaN}', media_type="application/fhir+json"), SourceInvalid),
        (Response(b'"\xff"', media_type="application/fhir+json"), SourceInvalid),
        (Response(b"[" * 100_000, media_type="application/fhir+json"), SourceInvalid),
        (_odd_beside_a_match(b'"\xff"'), SourceInvalid),
        (_odd_beside_a_match(b'"\\ud800"'), SourceInvalid),
        (Response(b"{}", headers={"Content-Encoding": "gzip"}, media_type="application/fhir+json"), SourceInvalid),
        (json([]), SourceInvalid),
        (json({"resourceType": "OperationOutcome"}), SourceInvalid),
        (json({"resourceType": "Bundle", "type": "batch-response"}), SourceInvalid),
        (json({"resourceType": "Bundle", "type": "searchset", "entry": "all"}), SourceInvalid),
        (json({"resourceType": "Bundle", "type": "searchset", "entry": [{"fullUrl": "x"}]}), SourceInvalid),
        (searchset(patient("pat-2")), SourceInvalid),
        (searchset(patient("pat-1"), patient("pat-2")), SourceInvalid),
        (searchset({"resourceType": "Patient"}), SourceInvalid),
        (searchset({"resourceType": "Practitioner", "id": "pat-1"}), SourceInvalid),
        (searchset(patient("../pat-1")), SourceInvalid),
    ],
)
async def test_anything_but_the_right_answer_costs_the_answer(
    ehr: ScriptedEhr, connect: Connect, answer: Response, expected: type[SourceError]
) -> None:
    ehr.answers = [answer]
    await _refusal(expected, connect())


@pytest.mark.parametrize(
    "passed_over", [b"null", b'"\xc3\xa9"', b"[[1.5, {}]]", b'{"a": 123456789012345678901234567890}']
)
async def test_what_is_passed_over_costs_nothing(ehr: ScriptedEhr, connect: Connect, passed_over: bytes) -> None:
    ehr.answers = [_odd_beside_a_match(passed_over)]
    assert [record.id.value for record in await _find(connect())] == ["pat-1"]


async def test_what_is_nested_too_deep_beside_a_match_is_passed_over_or_costs_the_answer(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    """How deep is too deep differs between versions of Python."""
    ehr.answers = [_odd_beside_a_match(b"[" * 100_000 + b"]" * 100_000)]
    with suppress(SourceInvalid):
        assert [record.id.value for record in await _find(connect())] == ["pat-1"]


async def test_an_outcome_beside_the_matches_is_no_match(ehr: ScriptedEhr, connect: Connect) -> None:
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    ehr.answers = [searchset(entry=[outcome, {"resource": patient("pat-1"), "search": {"mode": "match"}}])]
    assert [record.id.value for record in await _find(connect())] == ["pat-1"]


async def test_a_searchset_without_entries_is_empty(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [json({"resourceType": "Bundle", "type": "searchset", "total": 0})]
    assert await _find(connect()) == []


async def test_a_body_over_the_limit_is_refused_whether_or_not_it_says_so(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1", note="x" * 5_000))]
    await _refusal(SourceInvalid, connect(body_limit_bytes=4_000))
    assert len(await _find(connect(body_limit_bytes=40_000))) == 1


async def test_a_connection_that_ends_without_an_answer_is_tried_once_more(ehr: ScriptedEhr, connect: Connect) -> None:
    hung_up = []

    async def hang_up(request: Request) -> Response:
        hung_up.append(request)
        request.receive.__self__.transport.abort()  # type: ignore[attr-defined]  # uvicorn's own
        while (await request.receive())["type"] != "http.disconnect":
            pass
        return Response()

    ehr.answers = [hang_up, searchset(patient("pat-1"))]
    connector = connect()
    assert len(await _find(connector)) == 1
    ehr.answers = [hang_up]
    await _refusal(SourceUnavailable, connector)
    assert len(hung_up) == 3


async def test_an_answer_that_breaks_off_is_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    async def break_off(request: Request) -> Response:
        async def half() -> AsyncIterator[bytes]:
            yield b'{"resourceType": "Bundle",'
            request.receive.__self__.transport.close()  # type: ignore[attr-defined]  # uvicorn's own

        return StreamingResponse(half(), headers={"Content-Length": "1000"}, media_type="application/fhir+json")

    ehr.answers = [break_off]
    await _refusal(SourceUnavailable, connect())


async def test_after_closing_the_source_is_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"))]
    connector = connect()
    await _find(connector)
    await connector.aclose()
    await _refusal(SourceUnavailable, connector)


# -- health, and what is sent besides


@pytest.mark.parametrize(
    ("statement", "healthy"),
    [
        ({"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}, True),
        ({"resourceType": "CapabilityStatement", "fhirVersion": "3.0.2"}, False),
        ({"resourceType": "CapabilityStatement"}, False),
        ({"resourceType": "Patient", "fhirVersion": "4.0.1"}, False),
        ([], False),
    ],
)
async def test_only_a_fhir_r4_server_answers_a_ping(
    ehr: ScriptedEhr, connect: Connect, statement: object, healthy: bool
) -> None:
    ehr.answers = [json(statement)]
    if healthy:
        await connect().ping(context())
    else:
        with pytest.raises(SourceInvalid):
            await connect().ping(context())
    assert ehr.received[0].path == "/r4/metadata"


async def test_requests_carry_the_trace_and_nothing_in_the_url(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"))]
    await _find(connect())
    (received,) = ehr.received
    assert (received.method, received.path) == ("POST", "/r4/Patient/_search")
    assert received.headers["x-request-id"] == context().trace_id
    assert received.headers["accept"] == "application/fhir+json"
    assert received.headers["accept-encoding"] == "identity"
    assert "cookie" not in received.headers


async def test_an_error_of_the_server_tells_nothing_of_its_body(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [Response(orjson.dumps({"issue": [{"diagnostics": "pat-1 Smith"}]}), 500)]
    assert "Smith" not in await _refusal(SourceUnavailable, connect())
