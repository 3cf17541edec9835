"""The how-to pages are followed, on a copy of the tree."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from portico.access.bundle import read_bundle
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import Rule
from portico.access.server import ServerConfig, ServerEngine
from tests.docs.console import Edit, blocks, steps
from tests.glass import Glass
from tests.house import MemoryHouse, house, whole_again
from tests.policy.questions import classes, facts, principal

__all__ = ["glass", "house", "whole_again"]

ROOT = Path(__file__).parents[2]
ROOMS = ("connectors", "docs", "graph", "policies", "portico", "resolvers", "sandbox", "tests")


def follow(page: str, tree: Path) -> list[Edit]:
    """Make the page's changes to a copy of the tree."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, tree / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tree)
    edits = [step for step in steps((ROOT / "docs/how-to" / page).read_text()) if isinstance(step, Edit)]
    for edit in edits:
        edit.apply(tree)
    return edits


def run(tree: Path, *arguments: str) -> str:
    """Run a Python module of the copy, and of the copy alone."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", *arguments], cwd=tree, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("field")
    assert len(follow("add-a-field.md", tree)) == 5
    return tree


@pytest.fixture(scope="module")
def rule(tmp_path_factory: pytest.TempPathFactory) -> Path:
    tree = tmp_path_factory.mktemp("rule")
    assert len(follow("add-a-rule.md", tree)) == 2
    return tree


@pytest.fixture
def glass(house: MemoryHouse) -> Iterator[Glass]:
    broken = Glass(house)
    yield broken
    broken.mend()


def graphql(page: str) -> list[str]:
    """The page's documents, in order."""
    return blocks((ROOT / "docs/how-to" / page).read_text(), "graphql")


async def test_the_emergency_of_the_page_opens_the_chart_of_somebody_whom_the_physician_does_not_treat(
    glass: Glass,
) -> None:
    who, declare, *_ = graphql("break-the-glass.md")
    chart = "query ($id: ID!) { patient(id: $id) { id } }"
    (edge,) = (await glass.run(who, "guardian", "PATRQT"))["data"]["patients"]["edges"]
    for name, value in edge["node"].items():
        declare = declare.replace(f"<{name}>", value)
    made = (await glass.run(declare))["data"]["breakTheGlass"]
    assert (await glass.run(chart, "physician", "TREAT", id=made["patientId"]))["data"]["patient"] is None
    assert (await glass.run(chart, id=made["patientId"]))["data"]["patient"] == {"id": made["patientId"]}


async def test_the_consent_of_the_page_keeps_physicians_away_until_it_is_taken_back(glass: Glass) -> None:
    mine, record, revoke = graphql("record-a-consent.md")
    (edge,) = (await glass.run(mine, "patient", "PATRQT"))["data"]["patients"]["edges"]
    patient = edge["node"]["id"]

    async def seen() -> bool:
        chart = "query ($id: ID!) { patient(id: $id) { id } }"
        return (await glass.run(chart, "physician", "TREAT", id=patient))["data"]["patient"] is not None

    assert await seen()
    made = (await glass.run(record.replace("<id>", patient), "patient", "PATRQT"))["data"]["recordConsent"]
    assert not await seen()
    revoked = await glass.run(revoke.replace("<id>", made["id"]), "patient", "PATRQT")
    assert revoked["data"]["revokeConsent"]["revokedAt"]
    assert await seen()


def test_an_added_field_is_in_the_schema_with_its_tag(field: Path) -> None:
    organization = run(field, "portico", "schema").partition("type Organization")[2].partition("}")[0]
    assert '"""Whether it treats patients now."""\n  active: Boolean @guard(tag: PUBLIC)' in organization


def test_an_added_field_is_read_from_its_source(field: Path) -> None:
    run(
        field, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist",
        "tests/contract/test_fhir_connector.py::TestFhirConnector::test_every_key_finds_exactly_its_records",
        "tests/contract/test_fhir_connector.py::TestFhirConnector::test_each_attribute_comes_alone",
    )  # fmt: skip


def test_an_added_role_sees_what_its_table_says_on_paper(rule: Path) -> None:
    run(rule, "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/spec/test_decisions.py", "-k",
        "(call-center or every_role) and not server")  # fmt: skip


async def test_the_opa_server_of_the_page_answers_with_a_proven_revision(opa: str, tmp_path: Path) -> None:
    build, serve, _ = blocks((ROOT / "docs/how-to/use-an-opa-server.md").read_text(), "sh")
    shutil.copytree(ROOT / "policies", tmp_path / "policies")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    build = build.replace("$(git rev-parse --short HEAD)", "abc1234").replace("opa build", f"'{opa}' build")
    serve = "exec " + serve.replace("opa run", f"'{opa}' run").replace("8181", str(port))
    building = await asyncio.create_subprocess_exec("sh", "-ec", build, cwd=tmp_path)
    assert await building.wait() == 0
    server = await asyncio.create_subprocess_exec("sh", "-ec", serve, cwd=tmp_path, stderr=asyncio.subprocess.DEVNULL)
    schemas = read_bundle(tmp_path / "policies").schemas
    engine = await ServerEngine.start(ServerConfig(url=f"http://127.0.0.1:{port}", schemas=schemas))
    deadline = time.monotonic() + 20
    try:
        while engine.status.revision is None and time.monotonic() < deadline:  # noqa: ASYNC110 - it is another process's doing
            await asyncio.sleep(0.1)
        assert engine.status.revision == "abc1234", engine.status
    finally:
        await engine.aclose()
        server.terminate()
        await server.wait()


async def test_an_added_role_is_decided_by_the_engine(rule: Path) -> None:
    engine = await EmbeddedEngine.start(EmbeddedConfig(folder=rule / "policies"))
    try:
        who = principal("call-center", purposes=["HOPERAT"])
        verdict = await engine.ask(Rule.CLASSES, classes(who, "HOPERAT", it=facts("Patient", "same_organization")))
    finally:
        await engine.aclose()
    answer = verdict.result["it"]
    assert answer["visible"] is True
    assert answer["overrides"]["Patient.birthDate"] == {"effect": "mask", "mask": "year"}
    assert "CONTACT" in answer["deny"]
