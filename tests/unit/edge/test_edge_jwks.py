"""The key cache against a real endpoint on loopback, with a clock that the tests turn."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from portico.edge.jwks import JwksCache, JwksConfig
from portico.records.errors import Fault


def published(kid: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    return ECAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": kid}


OLD, NEW = published("old"), published("new")


@dataclass
class Provider:
    """An identity provider's endpoint, that behaves as it is told and counts its visits."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [OLD])
    visits: int = 0
    visited: asyncio.Event = field(default_factory=asyncio.Event)
    respond: Callable[[], web.StreamResponse] | None = None
    hold: asyncio.Event | None = None

    async def handle(self, _request: web.Request) -> web.StreamResponse:
        self.visits += 1
        self.visited.set()
        if self.hold is not None:
            await self.hold.wait()
        return self.respond() if self.respond else web.Response(body=orjson.dumps({"keys": self.keys}))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def server(provider: Provider) -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/jwks", provider.handle)
    async with TestServer(app) as server:
        yield server


@pytest.fixture
async def cache(server: TestServer, clock: Clock) -> AsyncIterator[JwksCache]:
    cache = JwksCache(JwksConfig(url=str(server.make_url("/jwks")), timeout_seconds=0.5), clock=clock)
    yield cache
    await cache.aclose()


def answering_first(response: web.Response, provider: Provider) -> Callable[[], web.StreamResponse]:
    """This response once, then what the provider publishes."""

    def respond() -> web.StreamResponse:
        provider.respond = None
        return response

    return respond


async def known(cache: JwksCache, *kids: str) -> set[str]:
    return {kid for kid in kids if await cache.key(kid) is not None}


async def test_keys_are_fetched_once_and_kept(cache: JwksCache, provider: Provider) -> None:
    assert provider.visits == 0

    for _ in range(10):
        assert await known(cache, "old") == {"old"}

    assert provider.visits == 1


async def test_many_who_ask_at_once_share_one_fetch(cache: JwksCache, provider: Provider) -> None:
    provider.hold = asyncio.Event()
    asking = asyncio.gather(*(cache.key("old") for _ in range(100)))
    await provider.visited.wait()

    provider.hold.set()

    assert all(await asking)
    assert provider.visits == 1


async def test_one_who_gives_up_waiting_does_not_end_the_fetch_for_the_others(
    cache: JwksCache, provider: Provider
) -> None:
    provider.hold = asyncio.Event()
    hasty, patient = asyncio.create_task(cache.key("old")), asyncio.create_task(cache.key("old"))
    await provider.visited.wait()
    hasty.cancel()

    provider.hold.set()

    assert await patient is not None


async def test_a_copy_is_refreshed_while_it_still_serves(cache: JwksCache, provider: Provider, clock: Clock) -> None:
    await known(cache, "old")
    provider.keys, provider.hold = [NEW], asyncio.Event()
    clock.now += 31

    served_at_once = await known(cache, "old")
    provider.hold.set()

    assert served_at_once == {"old"}
    assert await known(cache, "new") == {"new"}
    assert await known(cache, "old") == set()


async def test_a_removed_key_does_not_serve_after_a_minute_even_if_nobody_asked_meanwhile(
    cache: JwksCache, provider: Provider, clock: Clock
) -> None:
    await known(cache, "old")
    provider.keys = [NEW]
    clock.now += 60

    assert await known(cache, "old", "new") == {"new"}


async def test_a_new_key_is_found_at_once(cache: JwksCache, provider: Provider) -> None:
    await known(cache, "old")
    provider.keys = [OLD, NEW]

    assert await known(cache, "old", "new") == {"old", "new"}


async def test_nobody_with_a_new_key_is_turned_away_while_it_is_fetched(cache: JwksCache, provider: Provider) -> None:
    await known(cache, "old")
    provider.keys, provider.hold = [OLD, NEW], asyncio.Event()
    provider.visited.clear()
    asking = asyncio.gather(*(cache.key(kid) for kid in ("new", "old") * 100))
    await provider.visited.wait()

    provider.hold.set()

    assert None not in await asking
    assert provider.visits == 2


async def test_a_key_published_while_an_older_answer_is_on_its_way_is_still_found(
    cache: JwksCache, provider: Provider, clock: Clock
) -> None:
    await known(cache, "old")
    clock.now += 31
    provider.hold, provider.visited = asyncio.Event(), asyncio.Event()
    provider.respond = answering_first(web.Response(body=orjson.dumps({"keys": [OLD]})), provider)
    await known(cache, "old")
    await provider.visited.wait()
    asking = asyncio.gather(*(cache.key("new") for _ in range(100)))
    await asyncio.sleep(0)

    provider.keys = [OLD, NEW]
    provider.hold.set()

    assert None not in await asking
    assert provider.visits == 3


async def test_unknown_key_ids_cost_one_fetch_in_half_a_minute(
    cache: JwksCache, provider: Provider, clock: Clock
) -> None:
    await known(cache, "old")

    for number in range(50):
        assert await cache.key(f"guess-{number}") is None
    once = provider.visits
    clock.now += 29
    await cache.key("guess")
    still = provider.visits
    clock.now += 1
    await cache.key("guess")

    assert (once, still) == (2, 2)
    assert provider.visits == 3


OUTAGES: dict[str, Callable[[], web.StreamResponse]] = {
    "error": lambda: web.Response(status=500),
    "nothing": lambda: web.Response(status=204),
    "html": lambda: web.Response(text="<html>"),
    "no keys member": lambda: web.json_response({}),
    "twice": lambda: web.Response(body=b'{"keys":[],"keys":[]}'),
    "huge": lambda: web.Response(body=orjson.dumps({"keys": [], "padding": "x" * 300_000})),
    "compressed": lambda: web.Response(body=b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_known_keys_serve_for_an_hour_while_the_endpoint_gives_none(
    cache: JwksCache, provider: Provider, clock: Clock, outage: str
) -> None:
    await known(cache, "old")
    provider.respond = OUTAGES[outage]

    clock.now += 3600
    within = await known(cache, "old", "new")
    clock.now += 1
    beyond = await known(cache, "old")

    assert (within, beyond) == ({"old"}, set())


async def test_an_outage_is_over_with_the_first_good_answer(cache: JwksCache, provider: Provider, clock: Clock) -> None:
    provider.respond = OUTAGES["error"]
    assert await known(cache, "old") == set()
    assert not await cache.ready()
    provider.respond = None

    clock.now += 2

    assert await known(cache, "old") == {"old"}
    assert await cache.ready()


async def test_an_endpoint_that_never_answers_is_given_up(cache: JwksCache, provider: Provider) -> None:
    provider.hold = asyncio.Event()

    async with asyncio.timeout(5):
        assert await cache.key("old") is None


async def test_an_endpoint_that_is_not_there_gives_no_keys(clock: Clock, unused_tcp_port: int) -> None:
    cache = JwksCache(JwksConfig(url=f"http://127.0.0.1:{unused_tcp_port}/jwks"), clock=clock)
    try:
        assert await cache.key("old") is None
    finally:
        await cache.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_and_changes_nothing(
    cache: JwksCache, provider: Provider, clock: Clock, status: int
) -> None:
    await known(cache, "old")
    elsewhere = Provider(keys=[NEW])
    app = web.Application()
    app.router.add_get("/jwks", elsewhere.handle)
    async with TestServer(app) as other:
        target = str(other.make_url("/jwks"))
        provider.respond = lambda: web.Response(status=status, headers={"Location": target})
        clock.now += 60

        assert await known(cache, "old", "new") == {"old"}

    assert elsewhere.visits == 0


async def test_an_empty_key_set_ends_every_key(cache: JwksCache, provider: Provider, clock: Clock) -> None:
    await known(cache, "old")
    provider.keys = []
    clock.now += 60

    assert await known(cache, "old") == set()


@pytest.mark.parametrize(
    "url", ["http://id.example/jwks", "http://127.0.0.1.evil.example/jwks", "file:///etc/jwks", "jwks", ""]
)
def test_keys_come_over_a_guarded_line_only(url: str) -> None:
    with pytest.raises(Fault):
        JwksCache(JwksConfig(url=url))


async def test_closing_twice_is_fine(cache: JwksCache) -> None:
    await known(cache, "old")
    await cache.aclose()
    await cache.aclose()
