"""The whole demo, once for all tests of this folder, filled with canaries; and a server apart, for what breaks it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import pytest

from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.demo.stage import free_port
from portico.demo.state import State
from sandbox.identity.personas import Persona, personas
from sandbox.population import storage
from sandbox.population.model import Population
from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.rights import Rights, rights_of, world_of
from tests.e2e.whole.stage import ROOT, Demo, populate, start
from tests.e2e.whole.walk import Walk
from tests.spec.served_world import SchemaText, schema_text

SIZES = {
    "riverbend": int(os.environ.get("WHOLE_RIVERBEND_PEOPLE", "60")),
    "harbor": int(os.environ.get("WHOLE_HARBOR_PEOPLE", "12")),
}
"""People of each clinic group; the planted ones need two dozen places."""


@pytest.fixture(scope="session")
def policies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the policies, by which the demo decides and which a test may edit if it puts everything back."""
    copy = tmp_path_factory.mktemp("security-team") / "policies"
    shutil.copytree(ROOT / "policies", copy)
    return copy


@pytest.fixture(scope="session")
def metrics_url() -> str:
    """Where the demo's metrics are to be listened to."""
    return f"http://127.0.0.1:{free_port('127.0.0.1')}/metrics"


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, policies: Path, metrics_url: str) -> Iterator[Demo]:
    """The running demo. A test that breaks what it can't mend starts one of its own."""
    state = State(tmp_path_factory.mktemp("whole") / "state")
    populate(state, SIZES)
    port = metrics_url.rpartition(":")[2].partition("/")[0]
    running = start(state, policies=str(policies), metrics_port=port, log_level="debug")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def text() -> SchemaText:
    """The schema as it is committed."""
    return schema_text((ROOT / "schema.graphql").read_text())


@pytest.fixture(scope="session")
def populations(demo: Demo) -> Mapping[str, Population]:
    """What the sources were filled with."""
    return {tenant: storage.load(demo.state.population(tenant)) for tenant in SIZES}


@pytest.fixture(scope="session")
def cast(populations: Mapping[str, Population]) -> Mapping[str, Persona]:
    """The personas by name."""
    main, other = populations.values()
    return personas(main, other)


@pytest.fixture(scope="session")
async def rights(
    populations: Mapping[str, Population], cast: Mapping[str, Persona]
) -> AsyncIterator[Mapping[str, Rights]]:
    """What each persona may read, by the policies as they are committed."""
    config = EmbeddedConfig(folder=ROOT / "policies", deadline_seconds=10, load_deadline_seconds=60, stale_seconds=600)
    engine = await EmbeddedEngine.start(config)
    sdl = (ROOT / "schema.graphql").read_text()
    try:
        yield {name: await rights_of(world_of(sdl, populations, engine, persona)) for name, persona in cast.items()}
    finally:
        await engine.aclose()


@pytest.fixture(scope="session")
def walks(demo: Demo, text: SchemaText, cast: Mapping[str, Persona]) -> Mapping[str, Walk]:
    """Each persona's walk through the graph; then all of them try the ids that any of them came upon."""
    walked = {name: Walk(demo, demo.token(name), text) for name in cast}
    for walk in walked.values():
        walk.everything()
    known: dict[str, set[str]] = {}
    for walk in walked.values():
        for type_, ids in walk.seen.items():
            known.setdefault(type_, set()).update(ids)
    own = {name: {type_: frozenset(ids) for type_, ids in walk.seen.items()} for name, walk in walked.items()}
    for name, walk in walked.items():
        for type_, ids in known.items():
            foreign = sorted(ids - own[name].get(type_, frozenset()))
            walk.nodes(type_, foreign[:FOREIGN_LIMIT])
    return walked


FOREIGN_LIMIT = int(os.environ.get("WHOLE_FOREIGN_IDS", "60"))
"""How many ids of a type that others came upon each persona tries."""


@pytest.fixture(scope="session")
async def lone(
    demo: Demo, policies: Path, populations: Mapping[str, Population], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LoneServer]:
    """A server apart, as in production; what a test breaks of it, it mends."""
    server = await LoneServer.start(demo, tmp_path_factory.mktemp("lone"), policies, populations["riverbend"])
    yield server
    server.stop()
