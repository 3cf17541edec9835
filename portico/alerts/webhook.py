"""One POST to a receiver: to an admitted address, without redirects, cookies or a proxy, and within a time."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Final, Protocol

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from portico.alerts.receiver import Receiver
from portico.store.alerts import Alert

_ACKNOWLEDGED: Final = range(200, 300)


class NotDelivered(Exception):
    """The receiver has not acknowledged an alert; `reason` says why, in one of a few words."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Delivery(Protocol):
    """Brings an alert to a receiver."""

    async def deliver(self, alert: Alert, receiver: Receiver) -> None:
        """Return once it is acknowledged; raises `NotDelivered`."""

    async def aclose(self) -> None:
        """Let go of what is open."""


class Webhook:
    """The `Delivery` that counts. Each alert has a connection of its own, to an address judged as it is made."""

    def __init__(self, *, timeout_seconds: float = 3.0, clock: Callable[[], float] = time.time) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._clock = clock

    async def deliver(self, alert: Alert, receiver: Receiver) -> None:
        """See `Delivery.deliver`."""
        url, body = URL(receiver.url), alert.body.encode()
        if url.host is None or (_is_literal(url.host) and not receiver.admits(url.host)):
            raise NotDelivered("address")
        headers = receiver.headers(alert.id, body, now=int(self._clock()))
        connector = aiohttp.TCPConnector(resolver=_Admitted(receiver), use_dns_cache=False, force_close=True)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector, timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
                ) as session,
                session.post(url, data=body, headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
        except TimeoutError:
            raise NotDelivered("timeout") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            out_of_bounds = isinstance(error.__cause__, _NotAdmitted)
            raise NotDelivered("address" if out_of_bounds else "unreachable") from None
        if status not in _ACKNOWLEDGED:
            raise NotDelivered(f"status_{status}")

    async def aclose(self) -> None:
        """See `Delivery.aclose`; nothing stays open between two alerts."""


class _NotAdmitted(OSError):
    """A name leads to an address to which no alert may go."""


class _Admitted(AbstractResolver):
    """Looks names up and lets only admitted addresses through: the connection goes to what was judged, and no other."""

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver
        self._names = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a name. Raises `_NotAdmitted` where a single one of them is out of bounds."""
        found = await self._names.resolve(host, port, family)
        if not found or not all(self._receiver.admits(one["host"]) for one in found):
            raise _NotAdmitted
        return found

    async def close(self) -> None:
        """Let go of the resolver."""
        await self._names.close()


def _is_literal(host: str) -> bool:
    """Whether a host is an address, about which no resolver is asked: no name has a colon, some addresses a zone."""
    if ":" in host:
        return True
    try:
        socket.inet_pton(socket.AF_INET, host)
    except OSError:
        return False
    return True
