"""Connections at hand: the same ones again, as many as there is room for, and none that is broken or forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from portico.store.connections import LOOKED_AT_EVERY, UNUSED_SECONDS, Connection, Connections

SIZE = 2
BACKEND = "select pg_backend_pid()"


class Clock:
    """Stands still until it is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Hand:
    """The connections, and what is done with one."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record]) -> None:
        self.pool = pool
        self.clock = Clock()
        self.connections = Connections(pool, SIZE, clock=self.clock)

    async def backend(self) -> int:
        """Which process of the database serves one look-up."""
        connection = await self.connections.take()
        number: int = await connection.fetchval(BACKEND)
        await self.connections.give_back(connection, sound=True)
        return number

    async def all(self) -> list[Connection]:
        return [await self.connections.take() for _ in range(SIZE)]

    async def give_back(self, *connections: Connection, sound: bool = True) -> None:
        for connection in connections:
            await self.connections.give_back(connection, sound=sound)


@pytest.fixture
async def hand(postgres: Callable[[str], str]) -> AsyncIterator[Hand]:
    async with asyncpg.create_pool(postgres("postgres"), min_size=0, max_size=SIZE) as pool:
        hand = Hand(pool)
        yield hand
        await hand.connections.aclose()


async def test_one_look_up_after_another_has_the_same_connection(hand: Hand) -> None:
    assert len({await hand.backend() for _ in range(5)}) == 1


async def test_who_comes_when_all_are_taken_waits_for_the_first_that_is_given_back(hand: Hand) -> None:
    first, second = await hand.all()
    third = asyncio.create_task(hand.connections.take())
    await asyncio.sleep(0)
    assert not third.done()

    await hand.give_back(second)

    assert await third is second
    await hand.give_back(first, second)


async def test_one_that_failed_goes_back_to_the_pool_and_makes_room(hand: Hand) -> None:
    taken = await hand.all()
    await hand.give_back(*taken, sound=False)

    assert hand.pool.get_idle_size() == SIZE
    await hand.give_back(*await hand.all())


async def test_one_that_broke_while_nobody_had_it_is_replaced(hand: Hand) -> None:
    first = await hand.backend()
    taken = await hand.connections.take()
    await hand.give_back(taken)
    taken.terminate()

    assert await hand.backend() != first


async def test_one_that_nobody_needed_for_long_is_replaced(hand: Hand) -> None:
    first = await hand.backend()

    hand.clock.now += UNUSED_SECONDS + 1

    assert await hand.backend() != first


async def test_those_that_a_rush_has_left_are_closed_while_one_is_enough(hand: Hand) -> None:
    await hand.give_back(*await hand.all())
    hand.clock.now += UNUSED_SECONDS
    await hand.backend()
    hand.clock.now += 1
    await hand.backend()

    assert hand.pool.get_size() == 1


async def test_the_pool_sees_each_now_and_then(hand: Hand) -> None:
    connection = await hand.connections.take()
    for _ in range(LOOKED_AT_EVERY - 1):
        await hand.give_back(connection)
        assert await hand.connections.take() is connection

    await hand.give_back(connection)

    assert hand.pool.get_idle_size() == 1


async def test_who_gives_up_waiting_takes_nobody_s_place(hand: Hand) -> None:
    taken = await hand.all()
    waiting = asyncio.create_task(hand.connections.take())
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting

    await hand.give_back(*taken)

    await hand.give_back(*await hand.all())


async def test_closing_waits_for_those_that_are_still_taken(hand: Hand) -> None:
    connection = await hand.connections.take()
    closing = asyncio.create_task(hand.connections.aclose())
    await asyncio.sleep(0)
    assert not closing.done()

    await hand.give_back(connection)
    await closing

    with pytest.raises(asyncpg.InterfaceError):
        await hand.connections.take()
