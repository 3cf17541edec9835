"""A simulated EHR without a socket, and someone who may ask it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

from sandbox.control import Control
from sandbox.fhir.oauth import Client
from sandbox.fhir.server import MODES, build
from tests.contract.small_population import TENANT, small_population

BASE = f"http://ehr.test/{TENANT}/fhir"
GRANT = {"grant_type": "client_credentials"}


@pytest.fixture
def control() -> Control:
    return Control("ehr", MODES)


@pytest.fixture
def http(control: Control) -> Iterator[TestClient]:
    app = build(
        {TENANT: small_population(), "birch": small_population()},
        control,
        base_url="http://ehr.test",
        clients={TENANT: Client(secret="s3cret"), "birch": Client(secret="other")},
    )
    with TestClient(app, base_url="http://ehr.test", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def token(http: TestClient) -> str:
    answer = http.post(f"/{TENANT}/oauth/token", data=GRANT, auth=("portico", "s3cret"))
    access_token: str = answer.json()["access_token"]
    return access_token


@pytest.fixture
def ask(http: TestClient, token: str) -> Callable[..., Any]:
    """A search as a person would type it: `ask("Patient?family=ba")`."""

    def asking(path: str) -> Any:
        return http.get(f"{BASE}/{path}", headers={"Authorization": f"Bearer {token}"})

    return asking
