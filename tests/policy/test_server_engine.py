"""The server engine takes nothing for an answer that is none, and no revision that has not proven itself."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from portico.access.bundle import PoliciesRefused, read_bundle
from portico.access.engine import Rule
from portico.access.server import ServerConfig, ServerEngine
from portico.records.errors import Fault, PolicyUnavailable
from tests.policy.engines import POLICIES
from tests.policy.opa_server import OpaServer
from tests.policy.questions import REST, ceiling, classes, facts, principal, scope
from tests.policy.weird_opa import HONEST, REVISION, WeirdOpa, enveloped

SCHEMAS = read_bundle(POLICIES).schemas
WHO = principal("physician", purposes=["TREAT"])
CLASSES = classes(WHO, "TREAT", a=facts("Patient", "care_team"), b=facts("Claim"))
SHOWN = {"visible": True, "allow": ["PUBLIC"], **REST}
HIDDEN = HONEST["classes"]["nobody"]
GOOD = {"a": SHOWN, "b": HIDDEN}


@pytest.fixture
async def weird() -> AsyncIterator[WeirdOpa]:
    async with WeirdOpa() as server:
        yield server


@pytest.fixture
async def engine(weird: WeirdOpa) -> AsyncIterator[ServerEngine]:
    engine = await ServerEngine.start(config(weird.url))
    yield engine
    await engine.aclose()


def config(url: str, **changes: Any) -> ServerConfig:
    return ServerConfig(
        **{
            "url": url,
            "schemas": SCHEMAS,
            "deadline_seconds": 5,
            "poll_seconds": 0.02,
            "stale_seconds": 60,
            "answer_limit_bytes": 1 << 20,
            **changes,
        }
    )


async def until(true: Callable[[], bool], within_seconds: float = 20) -> None:
    deadline = time.monotonic() + within_seconds
    while not true():
        assert time.monotonic() < deadline, "never came true"
        await asyncio.sleep(0.01)


def changed(**changes: Any) -> str:
    return enveloped({"a": {**SHOWN, **changes}, "b": HIDDEN})


async def test_a_good_answer_is_taken(engine: ServerEngine, weird: WeirdOpa) -> None:
    weird.answer = enveloped(GOOD)
    verdict = await engine.ask(Rule.CLASSES, CLASSES)
    assert verdict.result == GOOD
    assert verdict.revision == REVISION == engine.revision
    weird.answer = json.dumps({**json.loads(enveloped(GOOD)), "decision_id": "d-7", "metrics": {}})
    assert (await engine.ask(Rule.CLASSES, CLASSES)).decision_id == "d-7"


async def test_the_server_is_asked_for_provenance_and_strict_errors_and_never_told_anything(
    engine: ServerEngine, weird: WeirdOpa
) -> None:
    weird.answer = enveloped(GOOD)
    await engine.ask(Rule.CLASSES, CLASSES)
    assert {request.split("/")[0] for request in weird.requests} == {"POST "}
    assert {request.split("?")[1] for request in weird.requests} == {"provenance=true&strict-builtin-errors=true"}
    assert {request.split("?")[0].removeprefix("POST ") for request in weird.requests} == {
        *(f"/v1/data/portico/decision/{rule}" for rule in Rule),
        "/v1/data/portico/integrity/violations",
    }


WEIRD: dict[str, str | bytes] = {
    "undefined": json.dumps({"provenance": {"bundles": {"b": {"revision": REVISION}}}}),
    "no provenance": json.dumps({"result": GOOD}),
    "no bundle": json.dumps({"provenance": {"bundles": {}}, "result": GOOD}),
    "two bundles": json.dumps(
        {"provenance": {"bundles": {"b": {"revision": REVISION}, "c": {"revision": REVISION}}}, "result": GOOD}
    ),
    "no revision": json.dumps({"provenance": {"bundles": {"b": {}}}, "result": GOOD}),
    "an empty revision": enveloped(GOOD, revision=""),
    "a revision that is no text": enveloped(GOOD, revision=7),
    "an empty object": "{}",
    "an empty body": "",
    "null": enveloped(None),
    "a text": enveloped("true"),
    "true": enveloped(True),
    "a number": enveloped(1),
    "a list": enveloped([]),
    "allow true": enveloped({"allow": True}),
    "a bare list": "[]",
    "a bare text": '"true"',
    "HTML": "<html><body>200 OK</body></html>",
    "a key not asked for": enveloped({**GOOD, "c": SHOWN}),
    "a key left out": enveloped({"a": SHOWN}),
    "another key": enveloped({"a": SHOWN, "B": HIDDEN}),
    "an unknown tag": changed(allow=["PUBLIC", "EVERYTHING"]),
    "an unknown mask": changed(mask={"CONTACT": "fog"}),
    "a mask that is no text": changed(mask={"CONTACT": None}),
    "a tag allowed twice": changed(allow=["PUBLIC", "PUBLIC"]),
    "a tag allowed and masked": changed(mask={"PUBLIC": "hash"}),
    "a tag allowed and denied": changed(deny={"PUBLIC": "minimum_necessary"}),
    "a tag masked and denied": changed(mask={"CONTACT": "hash"}, deny={"CONTACT": "minimum_necessary"}),
    "an unknown effect": changed(overrides={"Patient.ssn": {"effect": "permit"}}),
    "a mask without its name": changed(overrides={"Patient.ssn": {"effect": "mask"}}),
    "a denial without its reason": changed(overrides={"Patient.ssn": {"effect": "deny"}}),
    "an allowance with a mask": changed(overrides={"Patient.ssn": {"effect": "allow", "mask": "hash"}}),
    "an override of no field": changed(overrides={"ssn": {"effect": "allow"}}),
    "a reason with somebody's name": changed(deny={"CONTACT": "Jane Doe asked for it"}),
    "visible as a text": changed(visible="true"),
    "visible as a number": changed(visible=1),
    "visible left out": enveloped({"a": {"allow": ["PUBLIC"], "mask": {}, "deny": {}, "overrides": {}}, "b": HIDDEN}),
    "something of what is hidden": enveloped({"a": {**HIDDEN, "allow": ["PUBLIC"]}, "b": HIDDEN}),
    "a reason for what is visible": changed(reason="no_relationship"),
    "more than was asked": changed(obligations=[]),
    "a repeated member": enveloped(GOOD).replace('"visible": true', '"visible": false, "visible": true'),
    "a repeated result": enveloped(GOOD)[:-1] + ', "result": {}}',
    "NaN": enveloped(GOOD).replace("true", "NaN"),
    "a number out of range": enveloped(GOOD).replace("true", "1e999"),
    "bad UTF-8": enveloped(GOOD).encode().replace(b"PUBLIC", b"PUB\xffIC"),
    "endless nesting": "[" * 100_000,
    "half an answer": enveloped(GOOD)[:-5],
    "two answers": enveloped(GOOD) * 2,
    "an answer without end": enveloped(GOOD) + " " * (1 << 20),
}


@pytest.mark.parametrize("answer", WEIRD)
async def test_a_weird_answer_is_no_answer(engine: ServerEngine, weird: WeirdOpa, answer: str) -> None:
    weird.answer = enveloped(GOOD)
    await engine.ask(Rule.CLASSES, CLASSES)
    weird.answer = WEIRD[answer]
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)


def respond(**options: Any) -> Callable[[web.Request], web.StreamResponse]:
    body = {"text": enveloped(GOOD), "content_type": "application/json"}
    return lambda _: web.Response(**{**body, **options})


RESPONSES: dict[str, Callable[[web.Request], web.StreamResponse]] = {
    "204": lambda _: web.Response(status=204),
    "201": respond(status=201),
    "400": respond(status=400),
    "401": respond(status=401),
    "404": respond(status=404),
    "500": respond(status=500),
    "503": respond(status=503),
    "another media type": respond(content_type="text/html"),
    "a redirect": lambda request: web.Response(status=307, headers={"Location": str(request.url)}),
}


@pytest.mark.parametrize("response", RESPONSES)
async def test_a_weird_response_is_no_answer_and_is_not_asked_for_again(
    engine: ServerEngine, weird: WeirdOpa, response: str
) -> None:
    weird.answer = respond()
    await engine.ask(Rule.CLASSES, CLASSES)
    weird.answer = RESPONSES[response]
    asked = sum("/classes" in request for request in weird.requests)
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    assert sum("/classes" in request for request in weird.requests) == asked + 1


async def test_a_late_answer_is_no_answer(weird: WeirdOpa) -> None:
    engine = await ServerEngine.start(config(weird.url, deadline_seconds=0.5))
    weird.answer, weird.seconds = enveloped(GOOD), 10
    began = time.monotonic()
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    assert time.monotonic() - began < 3
    await engine.aclose()


async def test_an_answer_about_fields_not_asked_for_is_no_answer(engine: ServerEngine, weird: WeirdOpa) -> None:
    question = ceiling(WHO, "TREAT", Patient={"Patient.ssn": "IDENTIFIER"})
    weird.answer = enveloped({"Patient": {"tags": [], "coordinates": {"Patient.ssn": True}}})
    await engine.ask(Rule.CEILING, question)
    weird.answer = enveloped({"Patient": {"tags": [], "coordinates": {"Patient.name": True}}})
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CEILING, question)


async def test_egress_of_tags_not_asked_for_is_no_answer(engine: ServerEngine, weird: WeirdOpa) -> None:
    # The fake tells questions apart by tenant, and egress has none: the proof's answer is given here.
    question = {"destination": "fhir", "purpose": "TREAT", "tags": ["PUBLIC"], "date": "2025-06-01"}
    weird.honest = {**HONEST, "egress": {"tags": ["PUBLIC"], "reason": None}}
    assert (await engine.ask(Rule.EGRESS, question)).result == {"tags": ["PUBLIC"], "reason": None}
    weird.honest = {**HONEST, "egress": {"tags": ["PUBLIC", "CLINICAL"], "reason": None}}
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.EGRESS, question)


@pytest.mark.parametrize(
    "row", [{"tenant": ["other"]}, {"relationship": []}, {"relationship": ["friend"]}, "all", None]
)
async def test_a_scope_over_undeclared_attributes_is_no_answer(
    engine: ServerEngine, weird: WeirdOpa, row: object
) -> None:
    weird.answer = enveloped({"rows": [row]})
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.SCOPE, scope(WHO, "TREAT", "Patient"))


async def test_a_question_of_another_shape_is_a_fault_and_is_never_sent(engine: ServerEngine, weird: WeirdOpa) -> None:
    with pytest.raises(Fault) as fault:
        await engine.ask(Rule.CLASSES, {**CLASSES, "purpose": ["Jane"]})
    assert "Jane" not in str(fault.value)
    assert not [request for request in weird.requests if "/classes" in request][1:]


UNPROVEN = {
    "ceiling": {"Patient": {"tags": ["PUBLIC"], "coordinates": {}}},
    "classes": {"nobody": SHOWN},
    "scope": {"rows": [{}]},
    "command": {"effect": "allow", "obligations": []},
    "egress": {"tags": ["IDENTIFIER"], "reason": None},
    "violations": ["physician, TREAT, row 1: tags PUBLISHED is not in the vocabulary"],
}


@pytest.mark.parametrize("rule", UNPROVEN)
async def test_a_revision_that_does_not_prove_itself_never_counts(weird: WeirdOpa, rule: str) -> None:
    weird.honest = {**HONEST, rule: UNPROVEN[rule]}
    weird.answer = enveloped(GOOD)
    engine = await ServerEngine.start(config(weird.url))
    with pytest.raises(PolicyUnavailable):
        _ = engine.revision
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    assert engine.status.revision is None
    assert engine.status.refused
    weird.honest = dict(HONEST)
    await until(lambda: engine.status.refused is None)
    assert engine.revision == REVISION
    await engine.ask(Rule.CLASSES, CLASSES)
    await engine.aclose()


async def test_a_new_revision_counts_once_it_has_proven_itself(engine: ServerEngine, weird: WeirdOpa) -> None:
    weird.revision = "weird-2"
    weird.answer = enveloped(GOOD, revision="weird-2")
    assert (await engine.ask(Rule.CLASSES, CLASSES)).revision == "weird-2"
    assert engine.revision == "weird-2"
    weird.revision = "weird-3"
    await until(lambda: engine.revision == "weird-3")


async def test_a_revision_that_was_replaced_does_not_count_again(weird: WeirdOpa) -> None:
    complaints: list[str] = []
    engine = await ServerEngine.start(config(weird.url, stale_seconds=0.5), on_refused=complaints.append)
    weird.revision = "weird-2"
    await until(lambda: engine.status.revision == "weird-2")
    weird.revision = REVISION
    weird.answer = enveloped(GOOD)
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    await until(lambda: bool(complaints))
    await until(lambda: time.monotonic() - engine._confirmed_at > 0.5)
    with pytest.raises(PolicyUnavailable):
        _ = engine.revision
    assert complaints == [f"revision {REVISION} was replaced by another and does not count again"]
    weird.revision = "weird-2"
    await until(lambda: engine.status.refused is None)
    assert engine.revision == "weird-2"
    await engine.aclose()


async def test_a_revision_that_never_proved_itself_has_replaced_nothing(engine: ServerEngine, weird: WeirdOpa) -> None:
    weird.revision = "weird-2"
    weird.honest = {**HONEST, "violations": UNPROVEN["violations"]}
    await until(lambda: engine.status.refused is not None)
    assert engine.status.revision is None
    weird.revision, weird.honest = REVISION, dict(HONEST)
    await until(lambda: engine.status.refused is None)
    assert engine.revision == REVISION


async def test_a_server_that_does_not_tell_of_its_bundle_is_not_believed_where_it_must(weird: WeirdOpa) -> None:
    engine = await ServerEngine.start(config(weird.url, bundle_seconds=30))
    weird.answer = enveloped(GOOD)
    assert engine.status.refused == "the policy server has not had a sound look at its bundle for too long"
    with pytest.raises(PolicyUnavailable):
        _ = engine.revision
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    await engine.aclose()


async def test_a_server_whose_bundle_is_fresh_is_asked_for_it_now_and_then(weird: WeirdOpa) -> None:
    now = datetime.now(UTC).isoformat()
    weird.status = {"result": {"bundles": {"b": {"last_successful_request": now}}}}
    weird.answer = enveloped(GOOD)
    engine = await ServerEngine.start(config(weird.url, bundle_seconds=3600))
    await until(lambda: len(weird.requests) > 20)
    assert (await engine.ask(Rule.CLASSES, CLASSES)).revision == REVISION
    assert weird.requests.count("GET /v1/status") == 1
    await engine.aclose()


async def test_an_answer_from_a_revision_that_the_proof_did_not_come_from_is_no_answer(
    engine: ServerEngine, weird: WeirdOpa
) -> None:
    weird.answer = enveloped(GOOD, revision="weird-2")
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    assert engine.revision == REVISION


async def test_nothing_counts_while_the_server_is_gone(weird: WeirdOpa) -> None:
    engine = await ServerEngine.start(config(weird.url, stale_seconds=0.2))
    assert engine.revision == REVISION
    await weird.__aexit__(None, None, None)
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.CLASSES, CLASSES)
    await until(lambda: engine.status.refused is not None)
    await until(lambda: time.monotonic() - engine._confirmed_at > 0.2)
    with pytest.raises(PolicyUnavailable):
        _ = engine.revision
    await engine.aclose()


@pytest.mark.parametrize(
    "url",
    ["http://opa.example.org:8181", "http://10.0.0.7:8181", "https://user:secret@opa.example.org", "ftp://127.0.0.1",
     "127.0.0.1:8181", "http://127.0.0.1:8181/v1", "https://opa.example.org?x=1", ""],
)  # fmt: skip
async def test_a_server_to_which_no_question_may_be_sent_is_a_fault(url: str) -> None:
    with pytest.raises(Fault) as fault:
        await ServerEngine.start(config(url))
    assert "secret" not in str(fault.value)


async def test_a_missing_schema_is_refused() -> None:
    schemas = {name: schema for name, schema in SCHEMAS.items() if name != "scope.output"}
    with pytest.raises(PoliciesRefused, match="scope"):
        await ServerEngine.start(config("http://127.0.0.1:1", schemas=schemas))


def test_a_token_is_not_printed() -> None:
    assert "t0ps3cret" not in repr(config("http://127.0.0.1:1", token="t0ps3cret"))


@pytest.mark.opa
async def test_a_real_server_follows_its_bundle_and_comes_back(opa: str, tmp_path: Path) -> None:
    server = OpaServer(opa, tmp_path)
    await server.serve(POLICIES)
    async with server:
        engine = await ServerEngine.start(config(server.url, stale_seconds=1))
        first = engine.revision
        assert (await engine.ask(Rule.CLASSES, CLASSES)).result["a"]["visible"] is True
        await server.serve(POLICIES, revision="another")
        await until(lambda: engine.status.revision == "another")
        await server.stop()
        with pytest.raises(PolicyUnavailable):
            await engine.ask(Rule.CLASSES, CLASSES)
        await server.start()
        await until(lambda: engine.status.refused is None)
        assert (await engine.ask(Rule.CLASSES, CLASSES)).revision == "another" != first
        await engine.aclose()
