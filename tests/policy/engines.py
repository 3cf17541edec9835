"""Both engines over the project's own policies, with deadlines that a busy machine keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from portico.access.bundle import read_bundle
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import PolicyEngine
from portico.access.server import ServerConfig, ServerEngine
from tests.policy.opa_server import OpaServer

POLICIES = Path(__file__).parents[2] / "policies"


@pytest.fixture(scope="session")
async def embedded() -> AsyncIterator[EmbeddedEngine]:
    engine = await EmbeddedEngine.start(
        EmbeddedConfig(folder=POLICIES, deadline_seconds=10, load_deadline_seconds=60, stale_seconds=60)
    )
    yield engine
    await engine.aclose()


@pytest.fixture(scope="session")
async def server(opa: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerEngine]:
    opa_server = OpaServer(opa, tmp_path_factory.mktemp("opa"))
    await opa_server.serve(POLICIES)
    async with opa_server:
        schemas = read_bundle(POLICIES).schemas
        engine = await ServerEngine.start(
            ServerConfig(url=opa_server.url, schemas=schemas, deadline_seconds=10, stale_seconds=60)
        )
        yield engine
        await engine.aclose()


@pytest.fixture(scope="session", params=["embedded", pytest.param("server", marks=pytest.mark.opa)])
def engine(request: pytest.FixtureRequest) -> PolicyEngine:
    """Each of the two in turn."""
    engine: PolicyEngine = request.getfixturevalue(request.param)
    return engine
