"""Requests that mean two things, or hide what they mean (REQ cases), and doors that do not exist (WS, GQL, IDM)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from portico.main import CONNECTORS
from portico.records.errors import PorticoError
from portico.records.references import RecordType, Tenant
from tests.adversarial.binding import ALSO_P20, BY_ID, PATIENTS, Q_NODE, Q_PATIENT, another_patient, person
from tests.adversarial.front import Front, fronted
from tests.house import EHR, MemoryHouse, memory_house
from tests.oracles.bound import effort
from tests.oracles.closed import openings
from tests.oracles.effects import disputes
from tests.oracles.leak import Needles
from tests.oracles.quiet import told
from tests.oracles.uniform import kinds
from tests.oracles.untouched import untouched
from tests.oracles.wellformed import complaints

PUBLIC = "{ viewer { subject } }"
GUARDED = "{ patients(first: 1) { edges { node { ssn } } } }"
TENANT = Tenant("riverbend")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
async def front(house: MemoryHouse) -> AsyncIterator[Front]:
    async with fronted(house) as served:
        yield served


DOUBLED = {
    "query": f'{{"query":"{PUBLIC}","query":"{GUARDED}"}}',
    "query, one of them escaped": f'{{"query":"{PUBLIC}","\\u0071uery":"{GUARDED}"}}',
    "variables": f'{{"query":"{PUBLIC}","variables":{{}},"variables":{{"a":1}}}}',
    "a variable": f'{{"query":"{PUBLIC}","variables":{{"a":1,"a":2}}}}',
    "operationName": f'{{"query":"{PUBLIC}","operationName":null,"operationName":"A"}}',
    "extensions": f'{{"query":"{PUBLIC}","extensions":{{}},"extensions":{{}}}}',
}


@pytest.mark.parametrize("name", DOUBLED)
async def test_a_name_that_is_given_twice_has_no_meaning(front: Front, house: MemoryHouse, name: str) -> None:
    with untouched(house):
        reply = await front.send("patient", DOUBLED[name].encode())
    assert (reply.status, reply.codes) == (400, ["BAD_REQUEST"])
    assert complaints(reply) == []
    assert house.trail.entries == []


MUTATION = 'mutation { endBreakTheGlass(input: {access: "x"}) { id } }'
OVERRIDES = ("X_HTTP_Method_Override", "X_HTTP_Method", "X_Method_Override")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("get_queries", [True, False])
async def test_no_method_but_post_has_an_effect(house: MemoryHouse, method: str, *, get_queries: bool) -> None:
    async with fronted(house, get_queries=get_queries) as front:
        replies = [
            await front.send("patient", body, method=method, url=f"{front.url}?query={MUTATION}", **headers)
            for body in (None, orjson.dumps({"query": MUTATION}))
            for headers in ({}, dict.fromkeys(OVERRIDES, "POST"))
        ]
    assert {reply.status for reply in replies} <= {400, 405}
    assert disputes(effects=[str(one) for one in house.asked()], replies=[b""], expected=0) == []
    assert house.trail.entries == []


BOUNDARY = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="%d"\r\n\r\n{}\r\n'
FORMS = {
    "the multipart request of GraphQL": (BOUNDARY, b"".join(PART % n for n in range(3)) + b"--x--"),
    "a thousand parts": (BOUNDARY, b"".join(PART % n for n in range(1_000)) + b"--x--"),
    "a preamble without end": (BOUNDARY, b"preamble " * 7_000 + b"--x--"),
    "a part without end": (BOUNDARY, b"--x\r\n" + b"X-Y: z\r\n" * 7_000),
    "semicolons": ("application/x-www-form-urlencoded", b"a;" * 32_000),
    "a million letters": ("application/x-www-form-urlencoded", b"a" * 1_000_000),
    "a document as it is": ("application/graphql", PUBLIC.encode()),
    "nothing at all": ("", PUBLIC.encode()),
}


@pytest.mark.parametrize("name", FORMS)
async def test_forms_are_refused_unparsed(front: Front, house: MemoryHouse, name: str) -> None:
    media_type, body = FORMS[name]
    with untouched(house), effort() as spent:
        reply = await front.send("patient", body, **{"Content-Type": media_type})
        anonymous = await front.send(None, body, **{"Content-Type": media_type})
    assert spent.excess() == []
    assert (reply.status, reply.codes) == (415, ["UNSUPPORTED_MEDIA_TYPE"])
    assert (anonymous.status, anonymous.codes) == (401, ["UNAUTHENTICATED"])


def _persisted(hash_: str) -> dict[str, Any]:
    return {"persistedQuery": {"version": 1, "sha256Hash": hash_}}


async def test_a_document_that_is_named_by_its_hash_alone_is_not_known(front: Front, house: MemoryHouse) -> None:
    hash_ = hashlib.sha256(PUBLIC.encode()).hexdigest()
    with untouched(house):
        assert (await front.ask("patient", PUBLIC)).codes == []
        for body in (
            {"query": PUBLIC, "extensions": _persisted(hash_)},
            {"extensions": _persisted(hash_)},
            {"extensions": _persisted(hash_.upper())},
            {"query": "", "extensions": _persisted(hash_)},
            {"query": None, "extensions": _persisted(hash_)},
            {"documentId": hash_},
            {"id": hash_},
            {"doc_id": hash_, "variables": {}},
        ):
            reply = await front.send("patient", orjson.dumps(body))
            assert complaints(reply) == []
            assert (reply.status, reply.codes) in [(400, ["BAD_REQUEST"]), (200, ["GRAPHQL_PARSE_FAILED"])]


async def test_a_hash_beside_another_document_is_refused_with_it(front: Front, house: MemoryHouse) -> None:
    hash_ = hashlib.sha256(b"{ __typename }").hexdigest()
    with untouched(house):
        poison = await front.send("patient", orjson.dumps({"query": PUBLIC, "extensions": _persisted(hash_)}))
    assert (poison.status, poison.codes) == (400, ["BAD_REQUEST"])
    assert (await front.ask("patient", "{ __typename }")).json() == {"data": {"__typename": "Query"}}


CONFUSING: list[Any] = [
    0,
    1.5,
    True,
    None,
    [],
    ["x"],
    {},
    {"$ne": None},
    "",
    " ",
    "' OR 1=1--",
    "../../etc/passwd",
    "%00",
    "\x00",
    "\n\r\t",
    "a" * 10_240,
    "null",
    "Patient/1",
    "urn:uuid:00000000-0000-4000-8000-000000000000",
    "https://ehr.example/fhir/Patient/1",
    "\u202e\u200b\ufeff",
    "\U0001f600" * 50,
]


@pytest.mark.parametrize("value", CONFUSING, ids=lambda value: repr(value)[:30])
async def test_what_is_no_id_is_a_type_error_or_nobody(
    front: Front, house: MemoryHouse, needles: Needles, value: Any
) -> None:
    with untouched(house):
        replies = [
            await front.ask("patient", f"query ($id: ID!) {{ {root}(id: $id) {{ __typename id }} }}", id=value)
            for root in BY_ID
        ]
        replies.append(await front.ask("patient", "query ($id: ID!) { nodes(ids: [$id]) { id } }", id=value))
        filtered = "query ($id: ID) { appointments(filter: {patient: $id}) { edges { cursor } } }"
        if value is not None:
            replies.append(await front.ask("patient", filtered, id=value))
    for reply in replies:
        assert complaints(reply) == []
        assert set(reply.codes) <= {"GRAPHQL_VALIDATION_FAILED", "BAD_ARGUMENT"}
        data = reply.json().get("data") or {}
        assert {str(found) for found in data.values()} <= {"None", "[None]", "{'edges': []}"}
        assert needles.leaked_in(reply.body) == set()


async def test_look_alikes_of_an_id_name_nobody(front: Front, house: MemoryHouse) -> None:
    own = await house.patient_name(person(house.populations["riverbend"], "P01").key)
    assert (await front.ask("patient", Q_NODE, id=own)).json()["data"]["node"]["id"] == own
    looks = [
        own + " ",
        " " + own,
        own + "=",
        own + "\x00",
        own.swapcase(),
        own[:-1],
        own[::-1],
        own.replace(own[0], chr(ord(own[0]) + 0xFEE0), 1),
        own + own,
    ]
    with untouched(house):
        replies = [await front.ask("patient", Q_NODE, id=look) for look in looks]
    assert len(kinds(replies)) == 1
    assert replies[0].json() == {"data": {"node": None}}


async def test_the_sources_own_spellings_of_an_id_name_nobody(front: Front, house: MemoryHouse) -> None:
    """Absolute or relative, plain or typed: only a sealed name is one, so there is nothing to normalise."""
    own = person(house.populations["riverbend"], "P01").ehr_id or ""
    canonical = await house.patient_id(person(house.populations["riverbend"], "P01").key)
    spellings = [own, f"Patient/{own}", f"https://ehr.example/Patient/{own}", f"/Patient/{own}/_history/1"]
    spellings += [f"urn:uuid:{canonical}", str(canonical), f"Patient:{canonical}", f"ehr|{own}"]
    with untouched(house):
        replies = [await front.ask("patient", Q_NODE, id=spelling) for spelling in spellings]
    assert len(kinds(replies)) == 1
    assert replies[0].json() == {"data": {"node": None}}


WORDS = ("patient", "pateints", "ssn", "sssn", "password", "users", "me", "_entities", "_service", "admin", "search")


async def test_whoever_guesses_names_is_told_no_other_name(front: Front) -> None:
    for persona in ("patient", "website"):
        for word in WORDS:
            for query in (
                f"{{ {word} }}",
                f"{{ viewer {{ {word} }} }}",
                f"{{ patients({word}: 1) {{ edges {{ cursor }} }} }}",
                f"{{ patients(orderBy: {word}) {{ edges {{ cursor }} }} }}",
                f"{{ patients(filter: {{{word}: 1}}) {{ edges {{ cursor }} }} }}",
                f"{{ ... on {word} {{ id }} }}",
                f"query ($v: {word}) {{ viewer {{ kind }} }}",
                f"{{ viewer {{ kind @{word} }} }}",
            ):
                reply = await front.ask(persona, query)
                assert complaints(reply) == []
                assert b"did you mean" not in reply.body.lower()


async def test_nobody_known_gets_one_answer_to_whatever_they_ask(front: Front) -> None:
    asked = (PUBLIC, GUARDED, "{ __schema { types { name } } }", "{", "{ nope }", MUTATION, "x" * 60_000)
    replies = [await front.ask(None, query) for query in asked]
    replies += [await front.send(None, body) for body in (b"", b"[]", b"\xff", b"[" * 5_000)]
    replies += [await front.send(None, PUBLIC.encode(), Authorization="Bearer nobody")]
    assert len(kinds(replies)) == 1
    assert replies[0].status == 401


HUGE = "\U0001f9ff\u202e" * 5_000


@pytest.mark.parametrize("broken", ["source", "crosswalk", "engine", "trail"])
@pytest.mark.parametrize("kind", [RuntimeError, ValueError, PorticoError, TimeoutError, OSError])
async def test_the_words_of_what_breaks_inside_reach_nobody(
    front: Front,
    house: MemoryHouse,
    needles: Needles,
    capsys: pytest.CaptureFixture[str],
    broken: str,
    kind: type[Exception],
) -> None:
    patient = person(house.populations["riverbend"], "P01")
    failure = kind(f"{patient.ssn} {patient.family} {HUGE}")
    match broken:
        case "source":
            house.sources[TENANT][EHR].failure = failure
        case "crosswalk":
            house.crosswalk.failure = failure
        case "engine":
            house.engine.publish()
            house.engine.failure = failure
        case _:
            house.trail.available = False
    name = await house.patient_name(patient.key)
    reply = await front.ask("patient", Q_PATIENT, id=name)
    house.faults.clear()
    assert complaints(reply) == []
    assert reply.codes
    assert needles.leaked_in(reply.body) == set()
    assert b"\\u202e" not in reply.body
    assert "\U0001f9ff".encode() not in reply.body
    if broken != "source":
        assert openings(reply.json()) == []
    assert told({"log": capsys.readouterr().out.encode()}, needles) == {}


STREAMS = ("multipart/mixed", 'multipart/mixed; deferSpec="20220824"', "text/event-stream", "text/html", "image/*")


@pytest.mark.parametrize("accept", STREAMS)
async def test_an_answer_comes_in_one_piece_or_not_at_all(front: Front, house: MemoryHouse, accept: str) -> None:
    with untouched(house):
        reply = await front.send("patient", orjson.dumps({"query": GUARDED}), Accept=accept)
    assert (reply.status, reply.codes) == (406, ["NOT_ACCEPTABLE"])


@pytest.mark.parametrize(
    "query",
    [
        "{ patients(first: 1) { edges { node { ... @defer { ssn } } } } }",
        '{ patients(first: 1) { edges { node { ...F @defer(label: "x") } } } } fragment F on Patient { ssn }',
        "{ patients(first: 1) { edges @stream(initialCount: 0) { node { ssn } } } }",
        "{ patients(first: 1) { edges { node { ssn @live } } } }",
    ],
)
async def test_late_parts_cannot_be_asked_for(front: Front, house: MemoryHouse, query: str) -> None:
    with untouched(house):
        reply = await front.ask("patient", query)
    assert reply.codes == ["GRAPHQL_VALIDATION_FAILED"]


@pytest.mark.parametrize(
    "query",
    [
        "subscription { appointments { edges { cursor } } }",
        "subscription ($id: ID!) { patient(id: $id) { ssn } }",
        "mutation { bookAppointment { id } }",
        "mutation { updatePatient(input: {}) { id } }",
        "query A { viewer { kind } } subscription B { patient(id: 1) { ssn } }",
    ],
)
async def test_no_subscription_and_no_command_on_a_source_is_an_operation(
    front: Front, house: MemoryHouse, query: str
) -> None:
    with untouched(house):
        reply = await front.ask("patient", query, id="x")
    assert set(reply.codes) <= {"OPERATION_RESOLUTION_FAILURE", "GRAPHQL_VALIDATION_FAILED"}
    assert "data" not in reply.json()
    assert reply.codes


def test_sources_speak_http_and_postgres_alone_and_nothing_reads_xml() -> None:
    """No frame of HL7 v2 is ever taken apart, and no entity resolved: there is nothing that could."""
    assert CONNECTORS.keys() == {"fhir", "scheduling", "billing"}
    modules = [one for room in ("portico", "graph", "resolvers", "connectors") for one in (ROOT / room).rglob("*.py")]
    assert len(modules) > 100
    parsers = re.compile(r"^\s*(?:import|from) (xml|lxml|defusedxml|html|hl7|hl7apy|socketserver)\b", re.MULTILINE)
    assert [str(one) for one in modules if parsers.search(one.read_text())] == []


@pytest.mark.parametrize("protocol", [b"graphql-transport-ws", b"graphql-ws"])
async def test_no_socket_is_opened_for_events(front: Front, house: MemoryHouse, protocol: bytes) -> None:
    upgrade = (
        b"GET /graphql HTTP/1.1\r\nHost: portico\r\nAuthorization: Bearer patient\r\nConnection: upgrade\r\n"
        b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"Sec-WebSocket-Protocol: " + protocol + b"\r\n\r\n"
    )
    frame = b"\x81\x85\x00\x00\x00\x00hello"
    with untouched(house):
        received = await front.raw(upgrade, frame * 50, seconds=0.5)
    assert received.startswith(b"HTTP/1.1 405")
    assert b"101" not in received.splitlines()[0]


@pytest.mark.parametrize("header", ["Idempotency_Key", "X_Idempotency_Key", "If_None_Match", "Range"])
async def test_a_repeated_request_is_answered_anew_for_whoever_sends_it(front: Front, header: str) -> None:
    """No answer is kept under a key: what one was told is not what the next one is told."""
    body = orjson.dumps({"query": PUBLIC})
    replies = [await front.send(persona, body, **{header: "key-1"}) for persona in ("patient", "biller", None)]
    assert [reply.status for reply in replies] == [200, 200, 401]
    told_subjects = [reply.json()["data"]["viewer"]["subject"] for reply in replies[:2]]
    assert told_subjects == ["usr-patient", "usr-biller"]
    for reply in replies:
        assert reply.header("cache-control") == "no-store"
        assert not reply.header("etag")


async def test_a_name_that_is_markup_comes_as_it_is_in_what_is_no_page() -> None:
    """Escaping is for whoever renders; here it is JSON, and no browser may take it for anything else."""
    async with memory_house(explain=False) as plain:
        keys = (PATIENTS["P20"], *ALSO_P20)
        people = [one for one in plain.populations["riverbend"].people if one.key in keys]
        callers = {one.key: another_patient(plain.personas["patient"], one) for one in people}
        plain.personas = {**plain.personas, **callers}
        async with fronted(plain) as front:
            for one in people:
                reply = await front.ask(one.key, Q_PATIENT, id=await plain.patient_name(one.key))
                name = reply.json()["data"]["patient"]["name"]
                assert (name["family"], name["given"]) == (one.family, [one.given])
                assert reply.header("content-type") == "application/json; charset=utf-8"
                assert reply.header("x-content-type-options") == "nosniff"
                assert complaints(reply) == []
    assert len(people) == len(keys)


async def test_an_id_of_one_type_is_none_of_another(front: Front, house: MemoryHouse) -> None:
    """The same row behind another type's name: the type in a name is part of what it names."""
    canonical = await house.patient_id(person(house.populations["riverbend"], "P01").key)
    with untouched(house):
        for type_ in RecordType:
            if type_ is RecordType.PATIENT:
                continue
            name = house.name(type_, "portico", canonical)
            assert (await front.ask("patient", Q_PATIENT, id=name)).json() == {"data": {"patient": None}}
