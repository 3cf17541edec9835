"""An alert on a real socket: signed, to an admitted address, once, and nowhere else."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import ipaddress
from datetime import UTC, datetime

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portico.alerts.receiver import Receiver
from portico.alerts.webhook import NotDelivered, Webhook
from portico.records.references import Tenant
from portico.store.alerts import Alert, AlertId
from tests.unit.connectors.fhir.serving import serving

KEY = bytes(range(32))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
NOW = 1_800_000_000
ALERT = Alert(
    tenant=Tenant("riverbend"), id=AlertId("e-1"), body='{"event":"x"}', created_at=datetime.now(UTC), attempts=1
)


class Ear:
    """A server that notes what it hears and answers as it is told."""

    def __init__(self, status: int = 204, location: str | None = None, seconds: float = 0) -> None:
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.elsewhere = 0
        self._status, self._location, self._seconds = status, location, seconds

    def app(self, _: str) -> Starlette:
        return Starlette(
            routes=[
                Route("/alerts", self._hear, methods=["POST"]),
                Route("/elsewhere", self._stray, methods=["GET", "POST"]),
            ]
        )

    async def _hear(self, request: Request) -> Response:
        self.heard.append((dict(request.headers), await request.body()))
        await asyncio.sleep(self._seconds)
        if self._location:
            return RedirectResponse(self._location, self._status)
        return Response("x" * 100_000, self._status)

    async def _stray(self, _: Request) -> Response:
        self.elsewhere += 1
        return Response()


async def deliver(url: str, *, seconds: float = 3.0, allowed: bool = True) -> None:
    receiver = Receiver(url=f"{url}/alerts", key=KEY, allowed_networks=LOOPBACK if allowed else ())
    await Webhook(timeout_seconds=seconds, clock=lambda: NOW).deliver(ALERT, receiver)


async def reason(url: str, *, seconds: float = 3.0) -> str:
    with pytest.raises(NotDelivered) as failure:
        await deliver(url, seconds=seconds)
    return failure.value.reason


async def test_the_receiver_gets_the_body_and_what_proves_it() -> None:
    ear = Ear()
    async with serving(ear.app) as url:
        await deliver(url)

    ((headers, body),) = ear.heard
    assert body == b'{"event":"x"}'
    proof = hmac.new(KEY, f"{NOW}.e-1.".encode() + body, hashlib.sha256).hexdigest()
    assert headers["portico-signature"] == f"v1={proof}"
    assert (headers["portico-event-id"], headers["portico-timestamp"]) == ("e-1", str(NOW))
    assert "cookie" not in headers
    assert "authorization" not in headers


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_any_success_acknowledges(status: int) -> None:
    async with serving(Ear(status).app) as url:
        await deliver(url)


@pytest.mark.parametrize("status", [400, 401, 404, 410, 429, 500, 503])
async def test_anything_else_does_not(status: int) -> None:
    async with serving(Ear(status).app) as url:
        assert await reason(url) == f"status_{status}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    ear = Ear(status, "/elsewhere")
    async with serving(ear.app) as url:
        assert await reason(url) == f"status_{status}"
    assert ear.elsewhere == 0
    assert len(ear.heard) == 1


async def test_a_receiver_that_takes_too_long_has_not_acknowledged() -> None:
    async with serving(Ear(seconds=30).app) as url:
        assert await reason(url, seconds=0.3) == "timeout"


async def test_nobody_listening_is_a_failure_like_any_other() -> None:
    async with serving(Ear().app) as url:
        gone = url
    assert await reason(gone) == "unreachable"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "[::1%1]", "[::ffff:127.0.0.1%1]"])
async def test_a_private_address_is_not_called_unless_it_is_allowed(host: str) -> None:
    ear = Ear()
    async with serving(ear.app) as url:
        port = url.rpartition(":")[2]
        receiver = Receiver(url=f"https://{host}:{port}/alerts", key=KEY)
        with pytest.raises(NotDelivered) as failure:
            await Webhook(clock=lambda: NOW).deliver(ALERT, receiver)

    assert failure.value.reason == "address"
    assert ear.heard == []


async def test_a_name_that_leads_to_an_allowed_address_is_called() -> None:
    ear = Ear()
    async with serving(ear.app) as url:
        await deliver(url.replace("127.0.0.1", "localhost"))
    assert len(ear.heard) == 1
