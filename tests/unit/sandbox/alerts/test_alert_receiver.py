"""The sandbox's receiver takes what Portico signs, once, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
import time
from typing import Any

import pytest
from starlette.testclient import TestClient

from sandbox.alerts.receiver import MODES, build
from sandbox.control import Control

KEY = bytes(range(32))
NOW = int(time.time())
BODY = b'{"event":"emergency_access.declared"}'


@pytest.fixture
def control() -> Control:
    return Control("alerts", MODES)


@pytest.fixture
def client(control: Control) -> TestClient:
    return TestClient(build(control, {"riverbend": KEY}, clock=lambda: NOW))


def post(client: TestClient, *, body: bytes = BODY, tenant: str = "riverbend", **changes: Any) -> int:
    given = {"key": KEY, "id": "e-1", "at": NOW, **changes}
    proof = hmac.new(given["key"], b"%d.%b." % (given["at"], given["id"].encode()) + BODY, hashlib.sha256).hexdigest()
    headers = {
        "Portico-Event-Id": given["id"],
        "Portico-Timestamp": str(given["at"]),
        "Portico-Signature": given.get("signature", f"v1={proof}"),
    }
    return client.post(f"/{tenant}/alerts", content=body, headers=headers).status_code


def test_a_signed_alert_is_kept_once_however_often_it_comes(client: TestClient, control: Control) -> None:
    assert [post(client), post(client), post(client, id="e-2")] == [204, 204, 204]
    assert [call["parameters"] for call in control.calls] == [{"event": "emergency_access.declared"}] * 2


@pytest.mark.parametrize(
    "changes",
    [
        {"key": bytes(32)},
        {"signature": ""},
        {"signature": "v1="},
        {"at": NOW - 301},
        {"at": NOW + 301},
        {"body": b"{}"},
        {"tenant": "harbor"},
    ],
)
def test_anything_else_is_refused(client: TestClient, control: Control, changes: dict[str, Any]) -> None:
    assert post(client, **changes) == 401
    assert control.calls == []


def test_it_can_be_told_to_fail(client: TestClient, control: Control) -> None:
    client.put("/_sandbox/mode", json={"mode": "500"})
    assert post(client) == 500
    client.put("/_sandbox/mode", json={"mode": "well"})
    assert post(client) == 204
    assert len(control.calls) == 1
