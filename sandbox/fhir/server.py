"""The simulated EHR's HTTP surface: per tenant `/{tenant}/fhir` and `/{tenant}/oauth/token`.

GET  /{tenant}/fhir/metadata            CapabilityStatement, open to all
GET  /{tenant}/fhir/{type}?...          search
POST /{tenant}/fhir/{type}/_search      search, parameters in the form
GET  /{tenant}/fhir/{type}/{id}         read
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from sandbox.control import Control, Mode
from sandbox.fhir.capability import statement
from sandbox.fhir.datatypes import Json
from sandbox.fhir.faults import bend, strike
from sandbox.fhir.oauth import Authorization, Client
from sandbox.fhir.parameters import PARAMETERS
from sandbox.fhir.refusals import FHIR_JSON, Refusal
from sandbox.fhir.repository import SUBJECTS, Repository
from sandbox.fhir.searches import CURSOR, Cursors, Query, bundle, parse
from sandbox.population.model import Population

MODES = frozenset(Mode)
"""How the EHR can misbehave: in every way that `Control` knows."""


class Ehr:
    """One tenant's EHR."""

    def __init__(self, tenant: str, population: Population, control: Control, *, base: str, token_url: str) -> None:
        self._tenant = tenant
        self._repository = Repository(population)
        self._control = control
        self._base = base
        self._statement = statement(base=base, token_url=token_url)
        self._cursors = Cursors()

    def hold(self, population: Population) -> None:
        """Hold this population from now on. Links to further pages go on: they count resources."""
        self._repository = Repository(population)

    async def metadata(self, request: Request) -> Response:
        """The CapabilityStatement."""
        return await strike(self._control, request) or _fhir(self._statement)

    async def search(self, request: Request) -> Response:
        """A search, its parameters in the query, the form or both."""
        type_ = _type(request)
        pairs = await _pairs(request)
        operation = f"POST /{type_}/_search" if request.method == "POST" else f"GET /{type_}"
        self._control.record(self._tenant, operation, _recorded(pairs))
        struck = await strike(self._control, request)
        if struck is not None:
            return struck
        cursor = dict(pairs).get(CURSOR)
        query = parse(type_, pairs) if cursor is None else self._cursors.recall(type_, cursor)
        searchset = bundle(query, self._found(query), base=self._base, cursors=self._cursors)
        return _fhir(bend(self._control, searchset))

    async def read(self, request: Request) -> Response:
        """One resource by its id."""
        type_, id_ = _type(request), request.path_params["id"]
        self._control.record(self._tenant, f"GET /{type_}/{id_}", {})
        struck = await strike(self._control, request)
        if struck is not None:
            return struck
        found = self._found(Query(type=type_, conditions=(("_id", id_),)))
        if not found:
            raise Refusal(404, "not-found", "no such resource")
        return _fhir(found[0])

    def _found(self, query: Query) -> list[Json]:
        found = self._repository.search(query.type, query.conditions, query.sort)
        if self._control.mode is Mode.WRONG_PATIENT and query.type in SUBJECTS:
            return self._repository.others(query.type, found)
        return found


def build(
    populations: Mapping[str, Population],
    control: Control,
    *,
    base_url: str,
    clients: Mapping[str, Client],
    token_lifetime_seconds: float = 300.0,
) -> Starlette:
    """The EHR of every tenant, each an `Ehr` in `state.ehrs`.

    `base_url` is where this process is reached, `clients` each tenant's OAuth2 client.
    """
    routes: list[Route | Mount] = [*control.routes()]
    ehrs: dict[str, Ehr] = {}
    for tenant, population in populations.items():
        prefix = f"{base_url.rstrip('/')}/{tenant}"
        authorization = Authorization(clients[tenant], lifetime_seconds=token_lifetime_seconds)
        ehr = ehrs[tenant] = Ehr(tenant, population, control, base=f"{prefix}/fhir", token_url=f"{prefix}/oauth/token")
        routes.append(Mount(f"/{tenant}", routes=_routes(ehr, authorization)))
    application = Starlette(routes=routes, exception_handlers={Refusal: _refused, HTTPException: _failed})
    application.state.ehrs = ehrs
    return application


def _routes(ehr: Ehr, authorization: Authorization) -> list[Route]:
    async def search(request: Request) -> Response:
        authorization.check(request)
        return await ehr.search(request)

    async def read(request: Request) -> Response:
        authorization.check(request)
        return await ehr.read(request)

    return [
        Route("/oauth/token", authorization.token, methods=["POST"]),
        Route("/fhir/metadata", ehr.metadata, methods=["GET"]),
        Route("/fhir/{type}/_search", search, methods=["POST"]),
        Route("/fhir/{type}", search, methods=["GET"]),
        Route("/fhir/{type}/{id}", read, methods=["GET"]),
    ]


def _type(request: Request) -> str:
    type_: str = request.path_params["type"]
    if type_ not in PARAMETERS:
        raise Refusal(404, "not-supported", "this server has no such type")
    return type_


async def _pairs(request: Request) -> list[tuple[str, str]]:
    """The parameters as sent, in order. An empty value stays, so that it can be refused."""
    pairs = parse_qsl(request.url.query, keep_blank_values=True)
    if request.method == "POST":
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            raise Refusal(415, "not-supported", "search parameters come as a form")
        pairs += parse_qsl((await request.body()).decode(), keep_blank_values=True)
    return pairs


def _recorded(pairs: list[tuple[str, str]]) -> dict[str, object]:
    """Parameters for the record: a text where a parameter came once, a list where it was repeated."""
    recorded: dict[str, object] = {}
    for name in dict(pairs):
        values = [value for each, value in pairs if each == name]
        recorded[name] = values[0] if len(values) == 1 else values
    return recorded


def _fhir(resource: Json) -> Response:
    return Response(orjson.dumps(resource), media_type=FHIR_JSON)


def _refused(_request: Request, refusal: Exception) -> Response:
    if not isinstance(refusal, Refusal):
        raise refusal
    return refusal.response()


def _failed(_request: Request, failure: Exception) -> Response:
    """What the router refuses by itself: an unknown path or method."""
    if not isinstance(failure, HTTPException):
        raise failure
    return Refusal(failure.status_code, "not-supported", failure.detail, failure.headers).response()
