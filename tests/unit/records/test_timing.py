from __future__ import annotations

import asyncio

import pytest

from portico.records.timing import TimeLimit

LONG_SECONDS = 60.0


async def never() -> None:
    await asyncio.Event().wait()


async def test_what_is_in_time_goes_through() -> None:
    with TimeLimit(LONG_SECONDS):
        await asyncio.sleep(0)


async def test_what_takes_longer_is_ended() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.001):
        await never()


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_without_any_time_left_the_first_wait_is_ended(seconds: float) -> None:
    with pytest.raises(TimeoutError), TimeLimit(seconds):
        await never()


async def test_the_task_goes_on_uncancelled() -> None:
    with pytest.raises(TimeoutError), TimeLimit(0.0):
        await never()

    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_an_error_inside_is_that_error() -> None:
    with pytest.raises(ValueError, match="inside"), TimeLimit(LONG_SECONDS):
        raise ValueError("inside")


async def test_a_cancelled_task_is_cancelled_and_not_late() -> None:
    async def work() -> None:
        with TimeLimit(LONG_SECONDS):
            await never()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_task_that_is_cancelled_as_its_time_is_over_is_cancelled() -> None:
    async def work() -> None:
        with TimeLimit(0.0):
            await never()

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(task.cancel)

    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("outer", "inner"), [(0.0, LONG_SECONDS), (LONG_SECONDS, 0.0)])
async def test_of_two_limits_the_one_that_is_over_is_raised_from(outer: float, inner: float) -> None:
    raised = []
    try:
        with TimeLimit(outer):
            try:
                with TimeLimit(inner):
                    await never()
            except TimeoutError:
                raised.append("inner")
    except TimeoutError:
        raised.append("outer")

    assert raised == ["inner" if inner < outer else "outer"]


async def test_it_goes_with_the_standard_library_s_own() -> None:
    with pytest.raises(TimeoutError), TimeLimit(LONG_SECONDS):
        async with asyncio.timeout(0):
            await never()


def test_there_is_no_limit_outside_of_a_task() -> None:
    with pytest.raises(RuntimeError), TimeLimit(1.0):
        pass
