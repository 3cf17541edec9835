"""A vendor on a real socket that answers whatever it is told to, and keeps what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

from connectors.scheduling.config import SchedulingConfig
from connectors.scheduling.connector import SchedulingConnector
from portico.records.references import SourceName, Tenant

SOURCE = SourceName("scheduling")


@dataclass(slots=True)
class Answer:
    """One answer. `drop` closes the connection instead."""

    body: object = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = "application/json"
    drop: bool = False

    def response(self) -> web.Response:
        body = self.body if isinstance(self.body, bytes) else orjson.dumps(self.body)
        return web.Response(body=body, status=self.status, headers=self.headers, content_type=self.media_type)


@dataclass(slots=True)
class ScriptedVendor:
    """Gives its answers in turn, the last one for ever."""

    answers: list[Answer] = field(default_factory=list)
    asked: list[tuple[str, str, Mapping[str, str], bytes]] = field(default_factory=list)
    """Method, path with query, headers, body."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path_qs, dict(request.headers), await request.read()))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.drop and request.transport is not None:
            request.transport.close()
        return answer.response()


def items(*items: object, following: object = None) -> Answer:
    """A page of items."""
    return Answer({"items": list(items), "page": {"next": following}})


@asynccontextmanager
async def connected(
    vendor: ScriptedVendor, *, scan_pages_per_second: float = 1_000, **limits: int
) -> AsyncIterator[SchedulingConnector]:
    """A connector to a scripted vendor."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", vendor.handle)
    async with TestServer(app) as server:
        config = SchedulingConfig(
            source=SOURCE,
            tenant=Tenant("alder"),
            url=str(server.make_url("/alder/v2")),
            api_key="sesame",
            scan_pages_per_second=scan_pages_per_second,
            **limits,
        )
        connector = SchedulingConnector(config)
        try:
            yield connector
        finally:
            await connector.aclose()
