"""Raw bytes against the real server: what request smuggling, slow clients and large heads are made of."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from portico.access.principal import Caller
from portico.edge.endpoint import Limits
from portico.edge.memory import Echo
from portico.edge.wire import StrictProtocol

Serve = Callable[..., Awaitable[Any]]
Until = Callable[..., Awaitable[None]]

BODY = b'{"query":"{ first }"}'
START = b"POST /graphql HTTP/1.1\r\nHost: portico\r\n"
KNOWN = b"Authorization: Bearer good\r\nContent-Type: application/json\r\n"
HEAD = START + KNOWN
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
GOOD = HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY
SMUGGLED = b'{"query":"{ smuggled }"}'
SECOND = HEAD + b"Content-Length: %d\r\n\r\n" % len(SMUGGLED) + SMUGGLED


def statuses(received: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", received)]


def last(request: bytes) -> bytes:
    """The request with which its connection ends."""
    return request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


def length(value: bytes) -> bytes:
    return b"Content-Length: " + value + b"\r\n\r\n" + BODY


def coding(value: bytes) -> bytes:
    return b"Transfer-Encoding:" + value + b"\r\n\r\n" + CHUNKED


AMBIGUOUS: dict[str, bytes] = {
    "length beside coding": HEAD + b"Content-Length: 4\r\n" + coding(b" chunked"),
    "coding beside length": HEAD + b"Transfer-Encoding: chunked\r\n" + length(b"4"),
    "two lengths": HEAD + b"Content-Length: 21\r\n" + length(b"5"),
    "the same length twice": HEAD + b"Content-Length: 21\r\n" + length(b"21"),
    "a list of lengths": HEAD + length(b"21, 21"),
    "a signed length": HEAD + length(b"+21"),
    "a negative length": HEAD + length(b"-1"),
    "a length in hexadecimal": HEAD + length(b"0x15"),
    "a length beyond counting": HEAD + length(b"99999999999999999999999"),
    "unknown coding": HEAD + coding(b" xchunked"),
    "two codings": HEAD + b"Transfer-Encoding: chunked\r\n" + coding(b" identity"),
    "chunked twice": HEAD + coding(b" chunked, chunked"),
    "compressed chunks": HEAD + coding(b" gzip, chunked"),
    "coding in capitals": HEAD + coding(b" CHUNKED"),
    "coding after a vertical tab": HEAD + coding(b" \x0bchunked"),
    "space before the colon": HEAD + b"Transfer-Encoding : chunked\r\n\r\n" + CHUNKED,
    "folded header": HEAD + b"X: y\r\n Transfer-Encoding: chunked\r\n\r\n" + CHUNKED,
    "bare line feeds": (HEAD + length(b"21")).replace(b"\r\n", b"\n"),
    "one bare line feed": HEAD + b"X: y\nContent-Length: 21\r\n\r\n" + BODY,
    "one bare carriage return": HEAD + b"X: y\rContent-Length: 5\r\n" + length(b"21"),
    "null in a header": HEAD + b"X: a\x00b\r\n" + length(b"21"),
    "chunk without its end": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\n{ }XX0\r\n\r\n",
    "chunk with line feeds": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\n{ }\n0\n\n",
    "chunk of negative size": HEAD + b"Transfer-Encoding: chunked\r\n\r\n-3\r\n{ }\r\n0\r\n\r\n",
    "chunk size with a prefix": HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x3\r\n{ }\r\n0\r\n\r\n",
    "chunk size beyond counting": HEAD + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n{ }\r\n0\r\n\r\n",
    "chunk extension with a line feed": HEAD + b"Transfer-Encoding: chunked\r\n\r\n3;\nx\r\n{ }\r\n0\r\n\r\n",
    "no host": b"POST /graphql HTTP/1.1\r\n" + KNOWN + length(b"21"),
    "two hosts": HEAD + b"Host: other\r\n" + length(b"21"),
    "version 0.9": b"GET /graphql\r\n\r\n",
    "version 1.2": HEAD.replace(b"1.1", b"1.2") + length(b"21"),
    "version 2.0": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no http": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03",
}


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_an_ambiguous_request_is_refused_and_what_follows_it_is_never_read(
    served: Any, callers: list[Caller], name: str
) -> None:
    received = await served.raw(AMBIGUOUS[name] + SECOND)

    assert statuses(received) == [400]
    assert callers == []


async def test_two_requests_in_a_row_are_answered_in_order(served: Any) -> None:
    received = await served.raw(GOOD + last(SECOND))

    assert statuses(received) == [200, 200]
    assert received.index(b"first") < received.index(b"smuggled")


async def test_chunks_are_read(served: Any) -> None:
    assert statuses(await served.raw(last(HEAD + coding(b" chunked")))) == [200]


async def test_a_token_in_a_trailer_is_no_header(served: Any, callers: list[Caller]) -> None:
    head = START + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailer = b"%x\r\n%b\r\n0\r\nAuthorization: Bearer good\r\n\r\n" % (len(BODY), BODY)

    received = await served.raw(head + trailer)

    assert statuses(received)[:1] in ([400], [401])
    assert callers == []


async def test_an_upgrade_is_not_taken_up(served: Any) -> None:
    upgrade = b"GET /graphql HTTP/1.1\r\nHost: portico\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    upgrade += b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

    known = upgrade.replace(b"Host: portico\r\n", b"Host: portico\r\nAuthorization: Bearer good\r\n")

    assert statuses(await served.raw(upgrade, seconds=0.5)) == [401]
    assert statuses(await served.raw(known, seconds=0.5)) == [405]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"X: " + b"a" * 40_000 + b"\r\n" + length(b"21"),
        HEAD + b"Authorization: Bearer " + b"a" * 5_000_000 + b"\r\n" + length(b"21"),
        HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(200)) + length(b"21"),
        START + b"Authorization: Bearer good\r\n" * 1000 + length(b"21"),
        b"POST /graphql?" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: portico\r\n" + length(b"21"),
    ],
    ids=["long header", "huge token", "many headers", "many tokens", "long target"],
)
async def test_a_head_that_is_too_large_is_refused_before_it_is_read_to_its_end(
    served: Any, callers: list[Caller], head: bytes
) -> None:
    assert statuses(await served.raw(head)) in ([400], [])
    assert callers == []


async def test_a_token_of_a_few_kilobytes_passes_the_wire_and_is_judged(served: Any) -> None:
    received = await served.raw(last(START + b"Authorization: Bearer " + b"a" * 16_000 + b"\r\n" + length(b"21")))

    assert statuses(received) == [401]


async def test_an_unknown_caller_is_answered_before_the_body_is_read(served: Any) -> None:
    received = await served.raw(last(START) + b"Content-Length: 60000000\r\n\r\n" + b" " * 1000)

    assert statuses(received) == [401]


async def test_a_huge_body_is_refused_at_its_announcement_and_its_sender_is_cut_off(served: Any) -> None:
    pieces = [HEAD + b"Content-Length: 60000000\r\n\r\n", *[b" " * 100_000] * 600]

    async with asyncio.timeout(5):
        received = await served.raw(*pieces)

    assert statuses(received) in ([413], [])


async def test_a_client_that_reads_sees_why_its_huge_body_is_refused(served: Any) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b" " * 65536 + b"\r\n1\r\n \r\n")

    async with asyncio.timeout(5):
        assert b"413" in await reader.readline()
    writer.close()


async def test_a_connection_survives_a_refusal_whose_body_was_small(served: Any) -> None:
    anonymous = START + b"Content-Type: application/json\r\n" + length(b"21")

    received = await served.raw(anonymous + last(GOOD))

    assert statuses(received) == [401, 200]


async def test_a_body_that_trickles_in_is_given_up(serve: Serve, echo: Echo) -> None:
    served = await serve(echo, Limits(body_timeout_seconds=0.2))

    async with asyncio.timeout(5):
        received = await served.raw(HEAD + b"Content-Length: 1000\r\n\r\n", b"{")

    assert statuses(received) == [408]
    assert b"connection: close" in received.lower()


@pytest.mark.parametrize("sent", [b"", b"POST", START, HEAD + b"X: "])
async def test_a_head_that_does_not_arrive_in_time_ends_the_connection(
    serve: Serve, echo: Echo, impatient: type[StrictProtocol], sent: bytes
) -> None:
    served = await serve(echo, protocol=impatient)

    async with asyncio.timeout(5):
        assert await served.raw(sent) == b""


async def test_a_body_that_nobody_wants_may_not_trickle_in_for_ever(
    serve: Serve, echo: Echo, impatient: type[StrictProtocol]
) -> None:
    served = await serve(echo, protocol=impatient)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(START + b"Content-Length: 1000\r\n\r\n")

    async with asyncio.timeout(5):
        while not reader.at_eof():
            writer.write(b" ")
            try:
                await asyncio.wait_for(reader.read(65536), 0.02)
            except TimeoutError:
                pass
            except ConnectionError:
                break
    writer.close()


async def test_connections_beyond_the_limit_are_cut_and_the_others_are_served(
    serve: Serve, echo: Echo, impatient: type[StrictProtocol]
) -> None:
    served = await serve(echo, protocol=impatient)
    idle = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(40)]

    async with asyncio.timeout(5):
        while served.uvicorn.server_state.connections:
            assert len(served.uvicorn.server_state.connections) <= impatient.connection_limit
            await asyncio.sleep(0.01)
        received = await served.raw(last(GOOD))

    assert statuses(received) == [200]
    for _, writer in idle:
        writer.close()


async def test_a_client_that_goes_away_cancels_its_request(serve: Serve, echo: Echo, until: Until) -> None:
    served = await serve(echo)
    echo.seconds = 60
    _, writer = await asyncio.open_connection("127.0.0.1", served.port)
    writer.write(GOOD)
    await until(lambda: echo.callers)

    writer.close()

    await until(lambda: echo.cancelled)


async def test_a_stopping_server_finishes_what_it_has_begun(serve: Serve, echo: Echo, until: Until) -> None:
    served = await serve(echo)
    echo.seconds = 0.3
    answer = asyncio.create_task(served.raw(last(GOOD)))
    await until(lambda: echo.callers)

    served.uvicorn.should_exit = True
    await served.running

    assert statuses(await answer) == [200]


async def test_the_server_does_not_say_what_it_is_made_of(served: Any) -> None:
    received = await served.raw(last(GOOD))

    assert b"uvicorn" not in received.lower()
    assert b"server:" not in received.lower()
