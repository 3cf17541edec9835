"""Somebody tries to look at a celebrity, somebody leafs through everyone: the clinic hears of it, and one is slowed."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from sandbox.population.model import Population
from sandbox.population.planted import Planted
from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import STOP_SECONDS, Demo, until

ALERT_SECONDS = 60.0
"""What is promised; some seconds are usual."""
CHART = "query ($id: ID!) { patient(id: $id) { name { family } birthDate } }"
EVERYONE = "{ patients(first: 60) { edges { node { gender } } } }"
TOO_MANY = 15
PACE_SECONDS = 3


@pytest.fixture
async def watched(lone: LoneServer) -> AsyncIterator[LoneServer]:
    """The server apart, for which a page of a list is too much already, and which alerts the demo's receiver."""
    before, file = lone.settings, lone.demo.state.tenants
    strict = f"patients = {TOO_MANY}\nbrake_minutes = 1\npace_seconds = {PACE_SECONDS}"
    text = file.read_text().replace("brake_minutes = 0", strict)
    tenants = file.with_name("watched-tenants.toml")
    tenants.write_text(text)
    _restart(lone, {**before, "tenants": str(tenants)})
    yield lone
    _restart(lone, before)
    connection = await lone.connect()
    await connection.execute("delete from portico.brake")
    await connection.close()


def _restart(lone: LoneServer, settings: Mapping[str, str]) -> None:
    assert lone.server
    lone.server.terminate()
    lone.server.wait(STOP_SECONDS)
    lone.settings = settings
    lone.start_server()


def _alerts(demo: Demo, event: str) -> list[Any]:
    told = [call["parameters"] for call in demo.calls() if call["source"] == "alerts"]
    return [alert for alert in told if alert["event"] == event]


def test_an_attempt_at_a_celebrity_is_heard_of_and_the_curious_learn_nothing(
    watched: LoneServer, populations: Mapping[str, Population]
) -> None:
    mrn = next(one.mrn for one in populations["riverbend"].people if one.key == Planted.RESTRICTED)
    query = "query ($mrn: String!) { patients(filter: {mrn: $mrn}) { edges { node { id } } } }"
    (edge,) = watched.ask("physician", query, mrn=mrn)["data"]["patients"]["edges"]
    began = time.monotonic()
    answers = [watched.ask("front-desk", CHART, id=name) for name in (edge["node"]["id"], "never-issued")]
    assert answers[0] == answers[1] == {"data": {"patient": None}}

    def heard() -> list[Any]:
        found = _alerts(watched.demo, "watched_patient.attempted")
        return [one for one in found if one["patient"] == edge["node"]["id"] and one["subject"] == "usr-front-desk"]

    until("the alert is there", lambda: bool(heard()), seconds=ALERT_SECONDS)
    assert time.monotonic() - began < ALERT_SECONDS
    assert heard()[0]["roles"] == ["front-desk"]


def test_whoever_leafs_through_everyone_is_told_of_and_slowed_in_every_process_until_it_ends(
    watched: LoneServer,
) -> None:
    token = watched.demo.token("biller")
    assert len(watched.ask("biller", EVERYONE)["data"]["patients"]["edges"]) > TOO_MANY
    until("the brake is on", lambda: watched.reply(token, EVERYONE).status == 429, seconds=ALERT_SECONDS)
    refused = watched.reply(token, EVERYONE)
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "SLOW_DOWN"
    wait_seconds = int(refused.header("retry-after") or 0)
    assert 1 <= wait_seconds <= PACE_SECONDS
    assert error["extensions"]["retryAfterSeconds"] == wait_seconds

    until("the alert is there", lambda: bool(_alerts(watched.demo, "volume.exceeded")), seconds=ALERT_SECONDS)
    subjects = {one["subject"] for one in _alerts(watched.demo, "volume.exceeded")}
    assert "usr-biller" in subjects
    assert watched.ask("website", "{ viewer { subject } }")["data"]["viewer"]

    watched.kill_server()
    watched.start_server()
    statuses = [watched.reply(token, EVERYONE).status for _ in range(2)]
    assert 429 in statuses, "it is kept in the database"
    until("once in a while it is answered", lambda: watched.reply(token, EVERYONE).status == 200, seconds=20)
    assert watched.reply(token, EVERYONE).status == 429
