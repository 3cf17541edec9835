"""The EHR misbehaves as told, notes the call all the same, and behaves again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from starlette.testclient import TestClient

from sandbox.control import Control, Mode
from sandbox.fhir.oauth import Client
from sandbox.fhir.server import MODES, build
from tests.contract.small_population import TENANT, small_population
from tests.unit.connectors.fhir.serving import serving

Ask = Callable[[str], Any]


def test_every_mode_can_be_set_from_outside(http: TestClient) -> None:
    for mode in MODES:
        assert http.put("/_sandbox/mode", json={"mode": mode, "seconds": 0}).json()["mode"] == mode


@pytest.mark.parametrize(("mode", "status"), [(Mode.ERROR, 500), (Mode.THROTTLE, 429)])
def test_failing_answers_are_outcomes(ask: Ask, control: Control, mode: Mode, status: int) -> None:
    control.mode = mode
    answer = ask("Patient?_id=pat-1")
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert answer.headers.get("retry-after") == ("1" if mode is Mode.THROTTLE else None)
    assert len(control.calls) == 1
    control.mode = Mode.WELL
    assert ask("Patient?_id=pat-1").status_code == 200


@pytest.mark.parametrize("question", ["Patient?_id=pat-1", "Encounter?patient=pat-1", "Coverage?patient=pat-1"])
def test_a_wrong_patients_data_are_about_nobody_asked_for(ask: Ask, control: Control, question: str) -> None:
    right = {entry["resource"]["id"] for entry in ask(question).json()["entry"]}
    control.mode = Mode.WRONG_PATIENT
    wrong = {entry["resource"]["id"] for entry in ask(question).json()["entry"]}
    assert wrong
    assert wrong.isdisjoint(right)


def test_a_wrong_patient_does_not_concern_what_is_about_nobody(ask: Ask, control: Control) -> None:
    control.mode = Mode.WRONG_PATIENT
    assert [entry["resource"]["id"] for entry in ask("Location?_id=loc-1").json()["entry"]] == ["loc-1"]


def test_a_foreign_next_link_stands_on_every_page(ask: Ask, control: Control) -> None:
    control.mode = Mode.FOREIGN_NEXT
    links = {link["relation"]: link["url"] for link in ask("Patient?_id=pat-1").json()["link"]}
    assert not links["next"].startswith("http://ehr.test")


def test_a_slow_answer_is_right_in_the_end(ask: Ask, control: Control) -> None:
    control.mode, control.seconds = Mode.SLOW, 0.01
    assert ask("Patient?_id=pat-1").status_code == 200


def test_a_huge_answer_is_beyond_reason(ask: Ask, control: Control) -> None:
    control.mode = Mode.HUGE
    assert len(ask("Patient?_id=pat-1").content) > 100_000_000


async def test_a_reset_tears_the_connection_down() -> None:
    control = Control("ehr", MODES, mode=Mode.RESET)
    clients = {TENANT: Client(secret="s3cret")}
    async with (
        serving(lambda url: build({TENANT: small_population()}, control, base_url=url, clients=clients)) as url,
        aiohttp.ClientSession() as session,
    ):
        with pytest.raises((aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)):
            await session.get(f"{url}/{TENANT}/fhir/metadata")
        control.mode = Mode.WELL
        async with session.get(f"{url}/{TENANT}/fhir/metadata") as answer:
            assert answer.status == 200
