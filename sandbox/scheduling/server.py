"""The simulated scheduling vendor's HTTP surface, under `/{tenant}/v2`, with the tenant's key in `X-Api-Key`.

POST /appointments/lookup    by ids, clientIds or visitNumbers, at most 50
POST /appointments/search    filters from, to, states, npis, clientIds, siteCodes; sort starts, -starts, id or -id
POST /openings/lookup        by ids, at most 50
POST /openings/search        filters from, to, states, npis, siteCodes; sort starts, -starts, id or -id
GET  /clients                everyone, by clientId
GET  /status                 whether it is up

What is asked stands in the body, so that no client's id gets into a URL. Pages hold up to 100 items and go on with
`page.next`, which counts items; a search also goes on after an item, told by the item's own words. Every tenant has
10 requests a second; more get 429 with Retry-After.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sandbox.control import Control
from sandbox.population.model import Population
from sandbox.scheduling.allowance import Allowance
from sandbox.scheduling.book import APPOINTMENT_FIELDS, OPENING_FIELDS, Book, Entry
from sandbox.scheduling.faults import MODES, mistaken, strike
from sandbox.scheduling.queries import Question, answer, listing, lookup, search
from sandbox.scheduling.refusals import Refusal, refused

__all__ = ["MODES", "build"]

_Read = Callable[[object], Question]

_APPOINTMENTS: Final[Mapping[str, _Read]] = {
    "lookup": partial(lookup, known=APPOINTMENT_FIELDS, keys=frozenset({"ids", "clientIds", "visitNumbers"})),
    "search": partial(
        search, known=APPOINTMENT_FIELDS, filters=frozenset({"states", "npis", "clientIds", "siteCodes"})
    ),
}
_OPENINGS: Final[Mapping[str, _Read]] = {
    "lookup": partial(lookup, known=OPENING_FIELDS, keys=frozenset({"ids"})),
    "search": partial(search, known=OPENING_FIELDS, filters=frozenset({"states", "npis", "siteCodes"})),
}


def build(
    populations: Mapping[str, Population],
    control: Control,
    *,
    keys: Mapping[str, str],
    requests_per_second: float = 10.0,
) -> Starlette:
    """The vendor for every tenant, each a `Vendor` in `state.vendors`; `keys` are their API keys."""
    vendors = {
        tenant: Vendor(tenant, Book.of(population), control, keys[tenant], requests_per_second)
        for tenant, population in populations.items()
    }
    mounts = [Mount(f"/{tenant}/v2", routes=vendor.routes()) for tenant, vendor in vendors.items()]
    application = Starlette(routes=[*control.routes(), *mounts], exception_handlers={Refusal: refused})
    application.state.vendors = vendors
    return application


class Vendor:
    """What one tenant sees of the vendor."""

    def __init__(self, tenant: str, book: Book, control: Control, key: str, requests_per_second: float) -> None:
        self._tenant = tenant
        self._book = book
        self._control = control
        self._key = key.encode()
        self._allowance = Allowance(requests_per_second=requests_per_second)

    def hold(self, population: Population) -> None:
        """Hold this population from now on."""
        self._book = Book.of(population)

    def routes(self) -> list[Route]:
        """The tenant's routes."""
        return [
            *(
                self._asking(f"/appointments/{how}", read, lambda: self._book.appointments)
                for how, read in _APPOINTMENTS.items()
            ),
            *(self._asking(f"/openings/{how}", read, lambda: self._book.openings) for how, read in _OPENINGS.items()),
            Route("/clients", self._clients, methods=["GET"]),
            Route("/status", self._status, methods=["GET"]),
        ]

    def _asking(self, path: str, read: _Read, held: Callable[[], Sequence[Entry]]) -> Route:
        async def endpoint(request: Request) -> Response:
            body = _parsed(await request.body())
            struck = await self._admitted(request, f"POST {path}", body)
            if struck is not None:
                return struck
            entries = held()
            return _json(answer(mistaken(self._control, read(body), entries), entries))

        return Route(path, endpoint, methods=["POST"])

    async def _clients(self, request: Request) -> Response:
        asked = request.query_params
        struck = await self._admitted(request, "GET /clients", dict(asked))
        return struck or _json(listing(asked.get("size"), asked.get("cursor"), self._book.clients))

    async def _status(self, request: Request) -> Response:
        return await self._admitted(request, "GET /status", {}) or _json({"up": True})

    async def _admitted(self, request: Request, operation: str, asked: object) -> Response | None:
        """Know the caller, note what they ask, count it against their allowance, and let the mode strike."""
        given = request.headers.get("X-Api-Key", "").encode()
        if not hmac.compare_digest(given, self._key):
            raise Refusal(401, "WHO_ARE_YOU", "an API key in X-Api-Key")
        self._control.record(self._tenant, operation, asked if isinstance(asked, dict) else {"body": asked})
        self._allowance.spend()
        return await strike(self._control, request)


def _parsed(body: bytes) -> object:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refusal(400, "BAD_JSON", "a JSON object") from None


def _json(content: object) -> Response:
    return Response(orjson.dumps(content), media_type="application/json")
