from __future__ import annotations

import stat
from pathlib import Path

import pytest

from connectors.billing.config import BillingConfig
from connectors.fhir.config import FhirConfig
from connectors.scheduling.config import SchedulingConfig
from portico.demo.children import DemoFailed
from portico.demo.greeting import PERSONAS, QUERIES
from portico.demo.state import Running, State
from portico.demo.tenants_file import TITLES, tenants_file
from portico.records.references import SourceName, Tenant
from portico.tenants import load_tenants
from sandbox.identity.personas import personas
from sandbox.population.generator import generate

RUNNING = Running(url="u", identity_url="i", database_url="d", sources={"ehr": "e"}, pids={"server": 1})


@pytest.fixture
def state(tmp_path: Path) -> State:
    return State(tmp_path / "state")


def test_secrets_are_made_once_and_read_by_nobody_else(state: State) -> None:
    state.prepare()
    files = {path.name: path.read_bytes() for path in state.secrets.iterdir()}
    assert len(set(files.values())) == len(files) == 10
    assert all(len(value) >= 32 for value in files.values())
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in state.secrets.iterdir())
    assert stat.S_IMODE(state.secrets.stat().st_mode) == 0o700
    state.prepare()
    assert files == {path.name: path.read_bytes() for path in state.secrets.iterdir()}


def test_running_demo_is_found_while_it_runs_and_only_then(state: State) -> None:
    with pytest.raises(DemoFailed, match="no demo is running"):
        state.running()
    with state.held():
        with pytest.raises(DemoFailed, match="still starting"):
            state.running()
        state.announce(RUNNING)
        assert state.running() == RUNNING
        assert stat.S_IMODE((state.folder / "demo.json").stat().st_mode) == 0o600
    with pytest.raises(DemoFailed, match="no demo is running"):
        state.running()


def test_what_a_killed_demo_left_behind_is_no_running_demo(state: State) -> None:
    state.prepare()
    state.announce(RUNNING)
    with pytest.raises(DemoFailed, match="no demo is running"):
        state.running()


def test_two_demos_do_not_share_a_folder(state: State) -> None:
    with state.held(), pytest.raises(DemoFailed, match="already"), state.held():
        pytest.fail("the second one got in")


def test_identity_provider_keeps_its_port_unless_it_is_taken(state: State) -> None:
    state.prepare()
    assert state.identity_port() == 0
    state.keep_identity_port("http://127.0.0.1:54321")
    assert state.identity_port() in {54321, 0}
    (state.folder / "identity-port").write_text("nonsense")
    assert state.identity_port() == 0


def test_tenants_file_is_what_the_connectors_understand(state: State) -> None:
    state.prepare()
    text = tenants_file(
        ehr="http://127.0.0.1:1",
        scheduling="http://127.0.0.1:2",
        billing={"riverbend": 3, "harbor": 4},
        alerts="http://127.0.0.1:5",
    )
    state.tenants.write_text(text)
    tenants = load_tenants(state.tenants, demo=True)
    assert {str(name): tenant.title for name, tenant in tenants.items()} == TITLES
    for name, tenant in tenants.items():
        sources = {str(source): config for source, config in tenant.sources.items()}
        given = {"tenant": Tenant(name), "source": SourceName("x")}
        ehr = sources["ehr"].bind(FhirConfig, **given)
        assert ehr.url == f"http://127.0.0.1:1/{name}/fhir"
        assert ehr.client_secret == state.secret(f"{name}-ehr")
        assert sources["scheduling"].bind(SchedulingConfig, **given).api_key == state.secret(f"{name}-scheduling")
        billing = sources["billing"].bind(BillingConfig, **given)
        assert tenant.alerts is not None
        assert tenant.alerts.url == f"http://127.0.0.1:5/{name}/alerts"
        assert tenant.alerts.key == state.secret(f"{name}-alerts").encode()
        assert (billing.port, billing.database) == ({"riverbend": 3, "harbor": 4}[name], f"billing_{name}")


def test_greeting_knows_every_persona_and_asks_as_known_ones() -> None:
    cast = personas(generate("riverbend", seed=7, size=1), generate("harbor", seed=7, size=1))
    assert list(cast) == list(PERSONAS)
    for name, purpose in PERSONAS.items():
        assert purpose in cast[name].purposes if purpose else len(cast[name].purposes) == 1
    assert {persona for persona, _, _ in QUERIES} <= PERSONAS.keys()
