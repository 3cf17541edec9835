"""Broken glass in the whole demo: real tokens, a real alert, a real trail."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from portico.demo import client
from sandbox.population.model import Population
from tests.e2e.whole.stage import Demo, until
from tests.glass import BREAK, CHART, END, REASON, REVIEW

ALERT_SECONDS = 5.0


def ask(demo: Demo, persona: str, purpose: str, query: str, token: str | None = None, **variables: Any) -> Any:
    return demo.reply(token or client.token(demo.running, persona, purpose), query, variables).json()


def alerts(demo: Demo) -> list[Any]:
    lines = client.calls(demo.running).splitlines()
    calls = [json.loads(line) for line in lines]
    told = [call["parameters"] for call in calls if call["source"] == "alerts"]
    return [alert for alert in told if alert["event"] == "emergency_access.declared"]


@pytest.fixture
def stranger(demo: Demo, populations: Mapping[str, Population]) -> Mapping[str, str]:
    """What somebody at the front desk knows of a patient whom the physician can't see."""
    demo.running  # noqa: B018  the demo has to run
    person = next(one for one in populations["riverbend"].people if one.key == "stranger")
    return {"mrn": person.mrn or "", "birthDate": person.birth_date}


def test_a_stranger_is_seen_in_an_emergency_and_somebody_hears_of_it_at_once(
    demo: Demo, stranger: Mapping[str, str]
) -> None:
    began = time.monotonic()
    answer = ask(demo, "physician", "ETREAT", BREAK, input={**stranger, "reason": REASON, "minutes": 20})
    assert "errors" not in answer, answer
    access = answer["data"]["breakTheGlass"]
    try:
        until("the alert is there", lambda: bool(alerts(demo)), seconds=ALERT_SECONDS + 5)
        assert time.monotonic() - began < ALERT_SECONDS + 5
        (alert,) = [one for one in alerts(demo) if one["access"] == access["id"]]
        assert (alert["patient"], alert["minutes"]) == (access["patientId"], 20)
        chart = ask(demo, "physician", "ETREAT", CHART, id=access["patientId"])
        assert chart["data"]["patient"]["name"] is not None
    finally:
        ended = ask(demo, "physician", "ETREAT", END, access=access["id"])
    assert ended["data"]["endBreakTheGlass"]["endedAt"] is not None
    assert ask(demo, "physician", "ETREAT", CHART, id=access["patientId"])["data"]["patient"] is None

    said = {"access": access["id"], "verdict": "JUSTIFIED", "note": "seen in the emergency room"}
    review = ask(demo, "privacy-officer", "HOPERAT", REVIEW, input=said)
    assert review["data"]["reviewEmergencyAccess"]["verdict"] == "JUSTIFIED"


@pytest.mark.parametrize(("acr", "age"), [("aal1", 0), (None, 900), (None, -900)])
def test_a_token_of_another_sign_in_is_challenged(
    demo: Demo, stranger: Mapping[str, str], acr: str | None, age: int
) -> None:
    token = client.token(demo.running, "physician", "ETREAT", acr=acr, auth_age_seconds=age)
    answer = ask(demo, "physician", "ETREAT", BREAK, token, input={**stranger, "reason": REASON})

    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "STEP_UP_REQUIRED"
    assert error["extensions"]["challenge"] == {"acrValues": ["aal2", "aal3"], "maxAge": 300}
    assert answer["data"] == {"breakTheGlass": None}
