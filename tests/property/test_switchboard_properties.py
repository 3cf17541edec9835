"""The switchboard: whoever asks is told by a read that began after they asked, and reads never pile up."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.records.errors import StoreUnavailable
from portico.records.references import Tenant
from portico.records.switches import Off
from portico.store.switchboard import Switchboard

TENANT = Tenant("riverbend")
STEPS = st.lists(st.sampled_from(["ask", "ask and leave", "answer", "fail", "turn", "wait"]), max_size=40)


class Held:
    """Switches of which each read tells what was off when it began, and ends when it is told to."""

    def __init__(self) -> None:
        self.turns = 0
        self.began = 0
        self.under_way: list[tuple[int, asyncio.Future[int]]] = []

    async def off(self) -> Mapping[Tenant, Off]:
        self.began += 1
        turns, gate = self.turns, asyncio.get_running_loop().create_future()
        self.under_way.append((turns, gate))
        await gate
        return {TENANT: Off(fields=frozenset({str(turns)}))}

    def end(self, error: Exception | None = None) -> None:
        for _, gate in self.under_way:
            if error is None:
                gate.set_result(0)
            else:
                gate.set_exception(error)
        self.under_way.clear()


async def _settle() -> None:
    for _ in range(6):
        await asyncio.sleep(0)


async def _finish(switches: Held, reads: Sequence[asyncio.Future[Any]]) -> None:
    """End every read, also one that nobody waits for any more."""
    while switches.under_way or not all(read.done() for read in reads):
        switches.end()
        await _settle()


def _seen(board: Mapping[Tenant, Off]) -> int:
    (turns,) = board[TENANT].fields
    return int(turns)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(steps=STEPS)
async def test_a_read_shows_every_switch_that_was_turned_before_it_was_asked_for(steps: list[str]) -> None:
    switches = Held()
    board = Switchboard(switches)
    asked: list[tuple[int, asyncio.Future[Mapping[Tenant, Off]]]] = []
    for step in steps:
        match step:
            case "ask":
                asked.append((switches.turns, board.read()))
            case "ask and leave":
                board.read().cancel()
            case "answer":
                switches.end()
            case "fail":
                switches.end(StoreUnavailable())
            case "turn":
                switches.turns += 1
            case "wait":
                await _settle()
        assert len(switches.under_way) <= 1
    await _finish(switches, [read for _, read in asked])
    for turned, read in asked:
        if read.exception() is None:
            assert _seen(read.result()) >= turned
        else:
            assert isinstance(read.exception(), StoreUnavailable)


@pytest.mark.parametrize("crowd", [1, 2, 500])
async def test_however_many_ask_during_a_read_one_more_serves_them_all(crowd: int) -> None:
    switches = Held()
    board = Switchboard(switches)
    first = board.read()
    await _settle()
    others = [board.read() for _ in range(crowd)]
    switches.end()
    await _settle()
    assert (await first, switches.began) == ({TENANT: Off(fields=frozenset({"0"}))}, 2)
    assert not any(other.done() for other in others)
    switches.end()
    await asyncio.gather(*others)
    assert switches.began == 2


async def test_whoever_goes_away_takes_nothing_from_the_others() -> None:
    switches = Held()
    board = Switchboard(switches)
    gone, stays = board.read(), board.read()
    await _settle()
    gone.cancel()
    switches.end()
    assert _seen(await stays) == 0
    assert gone.cancelled()


async def test_a_failure_that_nobody_waits_for_any_more_is_told_to_nobody() -> None:
    loop, told = asyncio.get_running_loop(), list[object]()
    gc.collect()  # what other tests left behind is theirs
    loop.set_exception_handler(lambda _, context: told.append(context))
    try:
        switches = Held()
        board = Switchboard(switches)
        board.read().cancel()
        forgotten = board.read()
        await _settle()
        switches.end(StoreUnavailable())
        await _settle()
        assert forgotten.done()
        del board, forgotten
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert told == []


async def test_a_read_that_fails_is_nobody_elses_and_the_next_one_is_made() -> None:
    switches = Held()
    board = Switchboard(switches)
    failed = board.read()
    await _settle()
    later = board.read()
    switches.end(StoreUnavailable())
    with pytest.raises(StoreUnavailable):
        await failed
    await _settle()
    switches.end()
    assert _seen(await later) == 0
