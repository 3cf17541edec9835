"""Documents and bodies that are meant to cost more than they are worth (GQL cases): refused early and cheaply."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest

from portico.edge.endpoint import Limits
from tests.adversarial.binding import Q_LIST, Q_PUBLIC
from tests.adversarial.front import Front, fronted, until
from tests.house import MemoryHouse
from tests.oracles.bound import effort, open_descriptors, probed, slowed
from tests.oracles.reply import Reply
from tests.oracles.untouched import untouched
from tests.oracles.wellformed import complaints

SLOW_CONNECTIONS = int(os.environ.get("ADVERSARIAL_SLOW_CONNECTIONS", "150"))
PROBES = int(os.environ.get("ADVERSARIAL_PROBES", "9"))
BODY_LIMIT_BYTES = Limits().body_limit_bytes
HEAD = b"POST /graphql HTTP/1.1\r\nHost: portico\r\nContent-Type: application/json\r\n"
KNOWN = HEAD + b"Authorization: Bearer patient\r\n"
REFUSED = {"COST_EXCEEDED", "GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_REQUEST", "REQUEST_TOO_LARGE"}


@pytest.fixture(scope="module")
async def front(house: MemoryHouse) -> AsyncIterator[Front]:
    async with fronted(house) as served:
        for persona in ("patient", "front-desk"):
            await served.ask(persona, Q_PUBLIC)
        yield served


async def _refused_cheaply(front: Front, house: MemoryHouse, persona: str | None, body: bytes) -> Reply:
    """A body is refused before anything is executed, within bounds, in good order."""
    with untouched(house), effort() as spent:
        reply = await front.send(persona, body)
    assert spent.excess() == []
    assert complaints(reply) == []
    assert set(reply.codes) <= (REFUSED if persona else {"UNAUTHENTICATED"})
    assert reply.codes
    return reply


def _document(query: str, **variables: Any) -> bytes:
    return orjson.dumps({"query": query, "variables": variables})


def _cycle(length: int, step: str = "...F{}") -> str:
    return " ".join(
        f"fragment F{place} on Viewer {{ kind {step.format((place + 1) % length)} }}" for place in range(length)
    )


CYCLES = {
    "of itself": "{ viewer { ...F0 } } " + _cycle(1),
    "of two": "{ viewer { ...F0 } } " + _cycle(2),
    "of three": "{ viewer { ...F0 } } " + _cycle(3),
    "through an inline fragment": "{ viewer { ...F0 } } " + _cycle(2, "... on Viewer {{ ...F{} }}"),
    "that nothing spreads": "{ viewer { kind } } " + _cycle(2),
}


@pytest.mark.parametrize("name", CYCLES)
@pytest.mark.parametrize("persona", [None, "patient"])
async def test_fragments_that_contain_themselves_are_one_error(
    front: Front, house: MemoryHouse, name: str, persona: str | None
) -> None:
    reply = await _refused_cheaply(front, house, persona, _document(CYCLES[name]))
    assert len(reply.codes) == 1


def _deep(levels: int, write: str) -> str:
    inner = "id"
    for _ in range(levels // 2):
        inner = write.replace("@", inner)
    return f"{{ appointments {{ edges {{ node {{ {inner} }} }} }} }}"


WRITTEN = {
    "plainly": "encounter { appointment { @ } }",
    "in inline fragments": "encounter { ... on Encounter { appointment { ... { @ } } } }",
    "under names that sound like introspection": "__schema: encounter { __type: appointment { @ } }",
}


def _deep_in_fragments(levels: int) -> str:
    parts = [
        f"fragment __schema{n} on Appointment {{ encounter {{ appointment {{ ...__schema{n + 1} }} }} }}"
        for n in range(levels // 2)
    ]
    parts.append(f"fragment __schema{levels // 2} on Appointment {{ id }}")
    return "query __schema { appointments { edges { node { ...__schema0 } } } } " + " ".join(parts)


@pytest.mark.parametrize("levels", [16, 64, 1_000])
@pytest.mark.parametrize("way", [*WRITTEN, "in named fragments"])
async def test_what_is_too_deep_is_refused_however_it_is_written(
    front: Front, house: MemoryHouse, way: str, levels: int
) -> None:
    query = _deep(levels, WRITTEN[way]) if way in WRITTEN else _deep_in_fragments(levels)
    await _refused_cheaply(front, house, "patient", _document(query))


async def test_eight_levels_are_not_too_deep(front: Front) -> None:
    for query in (_deep(8, WRITTEN["plainly"]), _deep_in_fragments(8)):
        assert "errors" not in (await front.ask("patient", query)).json()


GREEDY = {
    "names without end": "{ " + "__typename " * 5_000 + "}",
    "a guarded field without end": "{ patients { edges { node { " + "ssn " * 5_000 + "} } } }",
    "a guarded field in five hundred places": "{ patients { edges { node { " + "ssn " * 501 + "} } } }",
    "aliases in a fragment": "{ "
    + " ".join(f"a{n}: viewer {{ ...F }}" for n in range(10))
    + " } fragment F on Viewer { "
    + " ".join(f"b{n}: kind" for n in range(10))
    + " }",
    "aliases in a fragment under fifty parents": "{ "
    + " ".join(f"a{n}: viewer {{ ...F }}" for n in range(50))
    + " } fragment F on Viewer { "
    + " ".join(f"b{n}: kind" for n in range(10))
    + " }",
    "fragments that double": "{ viewer { ...F0 } } "
    + " ".join(f"fragment F{n} on Viewer {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
    + " fragment F60 on Viewer { kind }",
    "directives without end": "{ viewer { kind " + "@include(if: true) " * 1_000 + "} }",
    "variables without end": "query (" + " ".join(f"$v{n}: Int" for n in range(4_000)) + ") { viewer { kind } }",
    "an argument of lists": '{ nodes(ids: ["' + '", "'.join(["x"] * 10_000) + '"]) { id } }',
    "an argument nested without end": "{ patients(filter: " + "[" * 900 + "]" * 900 + ") { edges { cursor } } }",
}


@pytest.mark.parametrize("name", GREEDY)
@pytest.mark.parametrize("persona", [None, "patient"])
async def test_a_document_that_repeats_itself_is_refused(
    front: Front, house: MemoryHouse, name: str, persona: str | None
) -> None:
    await _refused_cheaply(front, house, persona, _document(GREEDY[name]))


PADDED = {
    "comments": "{ __typename }" + "\n#" * 200_000,
    "commas": "{ __typename" + "," * 2_000_000 + "}",
    "spaces": "{ __typename" + " " * 2_000_000 + "}",
    "byte order marks": "{ __typename" + "\ufeff" * 350_000 + "}",
}


@pytest.mark.parametrize("name", PADDED)
@pytest.mark.parametrize("known", [True, False])
async def test_padding_over_the_limit_is_refused_unparsed(
    front: Front, house: MemoryHouse, name: str, *, known: bool
) -> None:
    """Its sender reads why, or is cut off for sending on regardless."""
    head, body = KNOWN if known else HEAD, _document(PADDED[name])
    with untouched(house), effort() as spent:
        received = await front.raw(head + b"Content-Length: %d\r\n\r\n" % len(body), body, seconds=0.5)
    assert spent.excess() == []
    assert received[9:12] in (b"413" if known else b"401", b"")


@pytest.mark.parametrize("padding", ["\n#", ",", " ", "#" + "a" * 60])
async def test_padding_within_the_limit_costs_next_to_nothing(front: Front, padding: str) -> None:
    written = len(orjson.dumps(padding)) - 2
    query = "{ __typename }" + padding * ((BODY_LIMIT_BYTES - 200) // written)
    with effort() as spent:
        reply = await front.ask("patient", query)
    assert spent.excess() == []
    assert reply.json() == {"data": {"__typename": "Query"}} or reply.codes == ["GRAPHQL_PARSE_FAILED"]


BATCHES = {
    "of one": [{"query": "{ __typename }"}],
    "of two": [{"query": "{ __typename }"}] * 2,
    "of fifty": [{"query": "{ __typename }"}] * 50,
    "of two thousand": [{"query": "{ __typename }"}] * 2_000,
    "in a batch": [[{"query": "{ __typename }"}]],
    "with a mutation": [{"query": "{ __typename }"}, {"query": "mutation { erase }"}],
    "of nothing": [],
}


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("persona", [None, "patient"])
async def test_a_batch_is_refused_whole(front: Front, house: MemoryHouse, name: str, persona: str | None) -> None:
    await _refused_cheaply(front, house, persona, orjson.dumps(BATCHES[name]))


FLOOD = [b" " * 100_000] * 600


@pytest.mark.parametrize("head", [HEAD, KNOWN])
async def test_sixty_megabytes_leave_nothing_behind(front: Front, head: bytes) -> None:
    announced = [head + b"Content-Length: 60000000\r\n\r\n", *FLOOD]
    chunked = [head + b"Transfer-Encoding: chunked\r\n\r\n", *[b"%x\r\n%b\r\n" % (len(one), one) for one in FLOOD]]
    lying = [head + b"Content-Length: 30\r\n\r\n", b" " * 60_000_000]
    for pieces in (announced, chunked, lying):
        with effort() as spent:
            await front.raw(*pieces, seconds=0.5)
        assert spent.growth_bytes < 32 * 2**20
    assert (await front.ask("patient", Q_PUBLIC)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_compressed_bomb_is_not_unpacked(front: Front, house: MemoryHouse, encoding: str) -> None:
    with untouched(house), effort() as spent:
        reply = await front.send("patient", b"\x1f\x8b" + b"\x00" * 60_000, Content_Encoding=encoding)
    assert (reply.status, reply.codes) == (415, ["UNSUPPORTED_MEDIA_TYPE"])
    assert spent.excess() == []


LITERALS = ["-1", "101", "1000000", "2147483648", "9223372036854775808", '"10"', "1e3", "1.0", "[1]", "null", "{a: 1}"]


@pytest.mark.parametrize("first", LITERALS)
async def test_a_page_of_an_impossible_size_is_refused(front: Front, house: MemoryHouse, first: str) -> None:
    with untouched(house), effort() as spent:
        reply = await front.ask("front-desk", f"{{ patients(first: {first}) {{ edges {{ cursor }} }} }}")
    assert spent.excess() == []
    assert complaints(reply) == []
    assert (reply.json().get("data") or {}).get("patients") is None
    assert reply.codes


@pytest.mark.parametrize("first", [-1, 101, 10**6, 2**31, 2**63, "10", 1e3, 1.5, [1], None, True])
async def test_a_page_of_an_impossible_size_is_refused_in_a_variable_too(
    front: Front, house: MemoryHouse, first: Any
) -> None:
    if first == 1e3:
        first = 1e3 + 0.5  # without a fraction JSON does not tell it from the integer that it is
    with untouched(house):
        reply = await front.ask("front-desk", Q_LIST, first=first)
    assert complaints(reply) == []
    assert (reply.json().get("data") or {}).get("patients") is None
    assert reply.codes


async def test_pages_within_pages_are_counted_together(front: Front, house: MemoryHouse) -> None:
    inner = "claims(first: 100) { edges { node { id } } }"
    nested = f"appointments(first: 100) {{ edges {{ node {{ {inner} }} }} }}"
    query = f"{{ patients(first: 100) {{ edges {{ node {{ {nested} }} }} }} }}"
    reply = await _refused_cheaply(front, house, "front-desk", _document(query))
    assert reply.codes == ["COST_EXCEEDED"]


async def test_a_list_is_read_forwards_only(front: Front, house: MemoryHouse) -> None:
    query = "{ patients(first: 1, last: 1) { edges { cursor } } }"
    await _refused_cheaply(front, house, "front-desk", _document(query))


FILTERS = {
    "a pattern without end": "(a+)+$",
    "wildcards": "%" * 5_000 + "_" * 5_000,
    "ten kilobytes": "a" * 10_240,
    "marks on marks": "e" + "\u0301" * 5_000,
    "right to left": "\u202e" * 3_000,
    "nothing to see": "\u200b" * 3_000,
    "ligatures that unfold": "\ufdfa" * 3_000,
    "a pattern of SQL": "' or 1=1; --",
    "a pattern of FHIR": "Smith,Jones|x$y\\",
}


@pytest.mark.parametrize("name", FILTERS)
async def test_a_filter_is_matched_to_the_letter_and_cheaply(front: Front, name: str) -> None:
    for field in ("family", "given", "identifier"):
        with effort() as spent:
            reply = await front.ask("front-desk", Q_LIST, first=5, filter={field: FILTERS[name]})
        assert spent.excess() == []
        assert complaints(reply) == []
        assert ((reply.json().get("data") or {}).get("patients") or {"edges": []})["edges"] == []


async def test_names_that_are_many_are_a_budget_and_no_more(front: Front, house: MemoryHouse) -> None:
    """As many names of variables as a body can hold, and each of them once more in another request."""
    for salt in "ab":
        variables = {f"{salt}{number}": 1 for number in range(6_000)}
        with effort() as spent:
            reply = await front.ask("patient", "{ __typename }", **variables)
        assert spent.excess() == []
        assert reply.json() == {"data": {"__typename": "Query"}}
    documents = house.executor._documents
    for number in range(1_500):
        await house.answer("patient", f"{{ a{number}: __typename }}{' ' * 400}")
    assert sum(known.characters for known in documents._known.values()) <= documents._capacity


async def test_senders_of_a_byte_at_a_time_are_cut_and_nobody_notices(house: MemoryHouse) -> None:
    limits = Limits(body_timeout_seconds=1.0)
    async with fronted(house, limits=limits) as front:
        await front.ask("patient", Q_PUBLIC)
        before = await probed(lambda: front.ask("patient", Q_PUBLIC), times=PROBES)
        held = open_descriptors()
        senders = [asyncio.create_task(_trickle(front.port)) for _ in range(SLOW_CONNECTIONS)]
        await until(lambda: open_descriptors() >= held + 2 * SLOW_CONNECTIONS)
        await front.ask("patient", Q_PUBLIC)  # in line behind all of their heads
        during = await probed(lambda: front.ask("patient", Q_PUBLIC), times=PROBES)
        ends = await asyncio.gather(*senders)
        await until(lambda: open_descriptors() <= held)
    assert ends.count(b"HTTP/1.1 408") + ends.count(b"") == SLOW_CONNECTIONS
    assert not slowed(before, during)


async def _trickle(port: int) -> bytes:
    """How the answer begins to one who announces much and sends little; nothing where they are cut."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(KNOWN + b"Content-Length: 1000\r\n\r\n")
    answer = asyncio.create_task(reader.read(12))
    try:
        async with asyncio.timeout(15):
            while not answer.done():
                writer.write(b" ")
                await asyncio.wait({answer}, timeout=0.3)
            return await answer
    except ConnectionError:
        return b""
    finally:
        writer.close()
