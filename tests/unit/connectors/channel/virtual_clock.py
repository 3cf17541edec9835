"""Time that passes when it is told to."""

from __future__ import annotations


class VirtualClock:
    """A clock to call, and a sleep that takes no time."""

    def __init__(self) -> None:
        self.seconds = 1_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds
