"""What is off, as of a read that began after it was asked for.

A request must not be judged by what was read before it came: a switch that was turned in between would not count.
Nor need every request read for itself. One read runs at a time; whoever comes while it runs shares the next.

    request   1     2 3 4              5
    read      [ 1 ]
                    [ 2 3 4 ]  begins when the first has ended, after 2, 3 and 4 have come
                                       [ 5 ]
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TypeAlias

from portico.records.references import Tenant
from portico.records.switches import Off
from portico.store.switches import Readable

Board: TypeAlias = Mapping[Tenant, Off]


class Switchboard:
    """The one reader of a process's switches. Under load it costs far less than a query a request."""

    def __init__(self, switches: Readable) -> None:
        self._switches = switches
        self._running: asyncio.Task[Board] | None = None
        self._next: asyncio.Task[Board] | None = None

    def read(self) -> asyncio.Future[Board]:
        """What is off for each tenant, from a read that begins after this call; await it when it is needed.

        Raises `StoreUnavailable`, and then nobody knows: nothing may be released. Whoever goes away takes nothing
        from the others who wait for the same read.
        """
        if self._next is None or self._next.done():
            self._next = asyncio.create_task(self._read_after(self._running))
            self._next.add_done_callback(_heard)
        return _seat(self._next)

    async def admit(self, tenant: Tenant, subject: str) -> float:
        """See `Readable.admit`."""
        return await self._switches.admit(tenant, subject)

    async def _read_after(self, earlier: asyncio.Task[Board] | None) -> Board:
        if earlier is not None:
            await asyncio.wait({earlier})
        self._running, self._next = self._next, None
        return await self._switches.off()


def _seat(read: asyncio.Task[Board]) -> asyncio.Future[Board]:
    """A place to wait for a read in; who leaves it leaves the read alone. (`shield` would log what nobody hears.)"""
    seat: asyncio.Future[Board] = read.get_loop().create_future()
    seat.add_done_callback(_heard)

    def tell(_: object) -> None:
        if seat.done():
            return
        if read.cancelled():
            seat.cancel()
        elif (failure := read.exception()) is not None:
            seat.set_exception(failure)
        else:
            seat.set_result(read.result())

    read.add_done_callback(tell)
    return seat


def _heard(read: asyncio.Future[Board]) -> None:
    """A failure counts as heard, also where every request has ended before it needed to know what is off."""
    if not read.cancelled():
        read.exception()
