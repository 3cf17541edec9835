"""How long something may take."""

from __future__ import annotations

import asyncio
from types import TracebackType


class TimeLimit:
    """`with TimeLimit(seconds): await ...` raises `TimeoutError` where that takes longer, and ends it.

    As `asyncio.timeout`, for the places that every request passes, at half of its cost: it can't be moved, and ends
    a task's work by cancelling that task, so that what else cancels the task goes before it.
    """

    __slots__ = ("_cancelling", "_over", "_seconds", "_task", "_timer")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task(loop)
        if task is None:
            raise RuntimeError("only a task's work has a time limit")
        self._task = task
        self._cancelling = task.cancelling()
        self._timer = loop.call_later(max(0.0, self._seconds), self._end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._timer.cancel()
        if self._over and self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _end(self) -> None:
        self._over = True
        self._task.cancel()
