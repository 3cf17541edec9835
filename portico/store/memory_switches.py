"""Switches in memory: the same contract without a database, for tests and to try things out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from portico.records.errors import StoreUnavailable
from portico.records.references import Tenant
from portico.records.switches import Off, Switchable
from portico.store.switches import Recordable, Switch, by_tenant

Entry = TypeVar("Entry", bound=Recordable)


@dataclass(slots=True)
class _Brake:
    until: datetime
    pace: timedelta
    admitted_at: datetime


class MemorySwitches(Generic[Entry]):
    """`Switches` that forget with their process. `commit` records an audit entry, `clock` tells the time, aware."""

    def __init__(
        self, *, commit: Callable[[Entry], Awaitable[int]], clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._commit = commit
        self._clock = clock
        self._brakes: dict[tuple[Tenant, str], _Brake] = {}
        self._turned: list[Switch] = []
        self.available = True
        """While it isn't, nobody can tell what is off."""
        self.reads = 0

    async def off(self) -> Mapping[Tenant, Off]:
        """See `Switches.off`."""
        self.reads += 1
        if not self.available:
            raise StoreUnavailable
        now = self._clock()
        return by_tenant(
            (switch.thing for switch in self._turned if switch.on_at is None),
            (whom for whom, brake in self._brakes.items() if brake.until > now),
        )

    def slow(self, tenant: Tenant, subject: str, *, brake_seconds: float, pace_seconds: float) -> None:
        """Put a brake on a subject."""
        now = self._clock()
        end = now + timedelta(seconds=brake_seconds)
        self._brakes[tenant, subject] = _Brake(end, timedelta(seconds=pace_seconds), now)

    async def admit(self, tenant: Tenant, subject: str) -> float:
        """See `Switches.admit`."""
        now, brake = self._clock(), self._brakes.get((tenant, subject))
        if brake is None or brake.until <= now:
            return 0.0
        due = min(brake.until, brake.admitted_at + brake.pace)
        if due > now:
            return (due - now).total_seconds()
        brake.admitted_at = now
        return 0.0

    async def turn_off(self, thing: Switchable, *, by: str, reason: str, at: datetime, entry: Entry) -> bool:
        """See `Switches.turn_off`."""
        if self._current(thing) is not None:
            return False
        await self._commit(entry)
        self._turned.append(Switch(thing=thing, off_at=at, off_by=by, reason=reason))
        return True

    async def turn_on(self, thing: Switchable, *, by: str, at: datetime, entry: Entry) -> bool:
        """See `Switches.turn_on`."""
        current = self._current(thing)
        if current is None:
            return False
        await self._commit(entry)
        switch = self._turned[current]
        self._turned[current] = replace(switch, on_at=max(at, switch.off_at), on_by=by)
        return True

    async def history(self) -> Sequence[Switch]:
        """See `Switches.history`."""
        by_thing = sorted(self._turned, key=lambda switch: switch.thing)
        return sorted(by_thing, key=lambda switch: switch.off_at, reverse=True)

    def _current(self, thing: Switchable) -> int | None:
        """Which of the rows says that it is off."""
        places = (place for place, one in enumerate(self._turned) if one.thing == thing and one.on_at is None)
        return next(places, None)
