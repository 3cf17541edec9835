"""The circuit breaker: a source that keeps failing is left alone for a while.

CLOSED  --`failure_limit` failures in a row-->  OPEN  --`cool_down_seconds` later-->  HALF_OPEN
HALF_OPEN  --its one probe succeeds-->  CLOSED
HALF_OPEN  --its one probe fails-->     OPEN
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    """What the breaker lets through: everything, nothing, or one call to try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Permit:
    """The right to make one call, given in one state of the breaker; its outcome counts in that state alone."""

    generation: int


class Breaker:
    """Counts failures in a row. Each permit given by `admit` comes back through exactly one of the other methods.

    Answers of calls that were admitted before the breaker last changed its state are history, and change nothing:
    ten calls that time out together open it once, and a straggler's success doesn't close it.
    """

    def __init__(self, *, failure_limit: int, cool_down_seconds: float, clock: Callable[[], float]) -> None:
        self._failure_limit = failure_limit
        self._cool_down_seconds = cool_down_seconds
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._generation = 0
        self._failures = 0
        self._opened_at = 0.0
        self._probing = False

    @property
    def state(self) -> BreakerState:
        """The state as of now."""
        if self._state is BreakerState.OPEN and self._clock() - self._opened_at >= self._cool_down_seconds:
            self._become(BreakerState.HALF_OPEN)
        return self._state

    def admit(self) -> Permit | None:
        """A permit for one call, or None: don't call. Half-open, one permit is out at a time."""
        state = self.state
        if state is BreakerState.OPEN or (state is BreakerState.HALF_OPEN and self._probing):
            return None
        self._probing = state is BreakerState.HALF_OPEN
        return Permit(self._generation)

    def succeed(self, permit: Permit) -> None:
        """The source answered."""
        if permit.generation != self._generation:
            return
        self._failures = 0
        if self._state is BreakerState.HALF_OPEN:
            self._become(BreakerState.CLOSED)

    def fail(self, permit: Permit) -> None:
        """The source was down or too slow."""
        if permit.generation != self._generation:
            return
        self._failures += 1
        if self._state is BreakerState.HALF_OPEN or self._failures >= self._failure_limit:
            self._opened_at = self._clock()
            self._become(BreakerState.OPEN)

    def abandon(self, permit: Permit) -> None:
        """The call ended without saying anything about the source: cancelled, or never sent."""
        if permit.generation == self._generation:
            self._probing = False

    def _become(self, state: BreakerState) -> None:
        self._state = state
        self._generation += 1
        self._failures = 0
        self._probing = False
