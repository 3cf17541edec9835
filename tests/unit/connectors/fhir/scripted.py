"""A FHIR server that answers exactly what it is told to, and keeps every request: for what a real EHR seldom does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.fhir.shapes import SHAPES, fitted


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    method: str
    path: str
    parameters: dict[str, str]
    headers: Mapping[str, str]


def json(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A FHIR answer."""
    return Response(orjson.dumps(document), status, headers=headers, media_type="application/fhir+json")


def searchset(*resources: object, following: str | None = None, **further: object) -> Response:
    """A page of a search."""
    links = [{"relation": "next", "url": following}] if following else []
    entries = [{"resource": resource} for resource in resources]
    return json({"resourceType": "Bundle", "type": "searchset", "link": links, "entry": entries, **further})


def patient(id_: str, **elements: object) -> dict[str, Any]:
    """A Patient with an id."""
    return {"resourceType": "Patient", "id": id_, **elements}


def shaped(resource: Mapping[str, Any]) -> Any:
    """A resource as the connector has it of an answer."""
    return fitted(resource, SHAPES[resource["resourceType"]])


def grant(bearer: str = "token-1", expires_in: object = 300) -> Response:
    """A token endpoint's answer."""
    return json({"access_token": bearer, "token_type": "bearer", "expires_in": expires_in})


@dataclass(slots=True)
class ScriptedEhr:
    """Answers data requests with `answers` in turn, token requests with `grants` in turn; the last stays."""

    answers: list[Response | Callable[[Request], Any]] = field(default_factory=list)
    grants: list[Response | Callable[[Request], Any]] = field(default_factory=lambda: [grant()])
    received: list[Received] = field(default_factory=list)
    asked_for_tokens: list[Received] = field(default_factory=list)
    url: str = ""

    def application(self, url: str) -> Starlette:
        """The server, which will be reached at `url`; its base is `/r4`."""
        self.url = f"{url}/r4"
        return Starlette(
            routes=[
                Route("/token", self._token, methods=["POST"]),
                Route("/{rest:path}", self._data, methods=["GET", "POST"]),
            ]
        )

    def reset(self) -> None:
        """Nothing received, nothing to answer, tokens for everyone."""
        self.answers, self.grants = [], [grant()]
        self.received, self.asked_for_tokens = [], []

    async def _token(self, request: Request) -> Response:
        self.asked_for_tokens.append(await _received(request))
        return await _next(self.grants, request)

    async def _data(self, request: Request) -> Response:
        self.received.append(await _received(request))
        return await _next(self.answers, request)


async def _received(request: Request) -> Received:
    pairs = parse_qsl(request.url.query) + parse_qsl((await request.body()).decode())
    return Received(request.method, request.url.path, dict(pairs), dict(request.headers))


async def _next(script: list[Response | Callable[[Request], Any]], request: Request) -> Response:
    answer = script.pop(0) if len(script) > 1 else script[0]
    if isinstance(answer, Response):
        return answer
    given: Response = await answer(request)
    return given
