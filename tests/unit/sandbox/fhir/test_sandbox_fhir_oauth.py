"""Client credentials and bearer tokens, as RFC 6749 and RFC 6750 have them."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from sandbox.control import Control
from sandbox.fhir.oauth import Client
from sandbox.fhir.server import MODES, build
from tests.contract.small_population import TENANT, small_population
from tests.unit.sandbox.fhir.conftest import BASE, GRANT

TOKEN = f"/{TENANT}/oauth/token"


def _read(http: TestClient, authorization: str) -> int:
    return http.get(f"{BASE}/Patient?_id=pat-1", headers={"Authorization": authorization}).status_code


def test_a_client_is_known_by_basic_or_by_form(http: TestClient, control: Control) -> None:
    basic = http.post(TOKEN, data=GRANT, auth=("portico", "s3cret"))
    form = http.post(TOKEN, data={**GRANT, "client_id": "portico", "client_secret": "s3cret"})
    for answer in (basic, form):
        grant = answer.json()
        assert answer.headers["cache-control"] == "no-store"
        assert grant["token_type"] == "Bearer"
        assert grant["expires_in"] == 300
        assert _read(http, f"Bearer {grant['access_token']}") == 200
    assert [call["operation"] for call in control.calls] == ["GET /Patient"] * 2


@pytest.mark.parametrize(
    ("options", "status", "error"),
    [
        ({"data": GRANT, "auth": ("portico", "wrong")}, 401, "invalid_client"),
        ({"data": GRANT, "auth": ("other", "s3cret")}, 401, "invalid_client"),
        ({"data": GRANT, "headers": {"Authorization": "Basic !!"}}, 401, "invalid_client"),
        ({"data": GRANT}, 401, "invalid_client"),
        ({"data": {"grant_type": "password"}, "auth": ("portico", "s3cret")}, 400, "unsupported_grant_type"),
        ({"json": GRANT, "auth": ("portico", "s3cret")}, 400, "invalid_request"),
    ],
)
def test_anyone_else_gets_no_token(http: TestClient, options: dict[str, Any], status: int, error: str) -> None:
    answer = http.post(TOKEN, **options)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer guessed", "Basic cG9ydGljbzpzM2NyZXQ="])
def test_nothing_is_read_without_a_token(http: TestClient, control: Control, authorization: str) -> None:
    answer = http.get(f"{BASE}/Patient?_id=pat-1", headers={"Authorization": authorization})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert not control.calls


def test_a_token_opens_its_own_tenant_only(http: TestClient, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    assert http.get("/birch/fhir/Patient?_id=pat-1", headers=headers).status_code == 401


def test_a_token_ends() -> None:
    app = build(
        {TENANT: small_population()},
        Control("ehr", MODES),
        base_url="http://ehr.test",
        clients={TENANT: Client(secret="s3cret")},
        token_lifetime_seconds=0,
    )
    with TestClient(app, base_url="http://ehr.test") as http:
        grant = http.post(TOKEN, data=GRANT, auth=("portico", "s3cret")).json()
        assert _read(http, f"Bearer {grant['access_token']}") == 401
