"""The real application around an executor that echoes, in process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
import pytest

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.application import application
from portico.edge.endpoint import Limits
from portico.edge.memory import Echo, KnownTokens
from portico.edge.metrics import Metrics
from portico.records.references import Tenant


def principal(*purposes: Purpose) -> Principal:
    return Principal(
        subject="dr-rivera",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset({"physician"}),
        purposes=frozenset(purposes),
        client="portal",
        expires_at=2**40,
    )


@dataclass
class Edge:
    """The application with everything it was given."""

    echo: Echo = field(default_factory=Echo)
    metrics: Metrics = field(default_factory=Metrics)
    missing: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)
    origins: Sequence[str] = ()
    get_queries: bool = False

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        tokens = {
            "one": principal(Purpose.TREATMENT),
            "two": principal(Purpose.TREATMENT, Purpose.EMERGENCY),
            "none": principal(),
        }
        app = application(
            executor=self.echo,
            verifier=KnownTokens(tokens),
            readiness=self._readiness,
            metrics=self.metrics,
            limits=self.limits,
            origins=self.origins,
            get_queries=self.get_queries,
        )
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://portico") as client:
            yield client

    async def request(self, method: str, path: str, **options: Any) -> httpx2.Response:
        async with self.client() as client:
            return await client.request(method, path, **options)

    async def post(self, body: object = None, path: str = "/graphql", **headers: str | None) -> httpx2.Response:
        """POST as a caller with one purpose. A header given as None is left out; `_` in its name is a hyphen."""
        content = body if isinstance(body, bytes) else orjson.dumps(body or {"query": "{ viewer }"})
        sent = {"authorization": "Bearer one", "content-type": "application/json"}
        return await self.request("POST", path, content=content, headers=_kept(sent, headers))

    async def get(self, query_string: str, **headers: str | None) -> httpx2.Response:
        """GET as a caller with one purpose, with headers as in `post`."""
        return await self.request(
            "GET", f"/graphql?{query_string}", headers=_kept({"authorization": "Bearer one"}, headers)
        )

    async def _readiness(self) -> Sequence[str]:
        return self.missing


def _kept(usual: dict[str, str], headers: dict[str, str | None]) -> list[tuple[bytes, bytes]]:
    sent = usual | {name.replace("_", "-"): value for name, value in headers.items()}
    return [(name.encode(), value.encode("latin-1")) for name, value in sent.items() if value is not None]


@pytest.fixture
def edge() -> Edge:
    return Edge()
