"""An operator switches something off: a running server stops at once, after a restart too, and closes when cut off."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import until
from tests.oracles.reply import Json

QUESTION = "{ patients(first: 2) { edges { node { mrn gender claims(first: 2) { edges { node { status } } } } } } }"
BY = ("--by", "ops-1")
OFF = (*BY, "--reason", "a drill")
OF = ("--tenant", "riverbend")
CLOSED_SECONDS = 5.0
"""How long a server that is cut off from the store may take to say that it releases nothing."""


@pytest.fixture(autouse=True)
def on_again(lone: LoneServer) -> Iterator[None]:
    """Whatever a test has switched off is on afterwards."""
    yield
    for line in lone.portico("switch", "list").stdout.splitlines():
        tenant, kind, name = line.replace(":", "").split()[:3]
        assert lone.portico("switch", "on", kind, name, "--tenant", tenant, *BY).returncode == 0
    until("answers come again", lambda: "errors" not in lone.ask("biller", QUESTION), seconds=20)


def _codes(answer: Json) -> set[str]:
    return {error["extensions"]["code"] for error in answer.get("errors", ())}


def _mrns(answer: Json) -> set[Any]:
    return {edge["node"]["mrn"] for edge in answer["data"]["patients"]["edges"]}


@asynccontextmanager
async def _superuser(lone: LoneServer) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await lone.connect()
    try:
        yield connection
    finally:
        await connection.close()


def test_what_is_switched_off_stops_with_the_next_request_and_nothing_else_does(lone: LoneServer) -> None:
    for kind, name, code, going_on in (
        ("subject", "usr-biller", "SWITCHED_OFF", "front-desk"),
        ("tenant", "riverbend", "SWITCHED_OFF", "other-clinic"),
        ("source", "billing", "SOURCE_SWITCHED_OFF", None),
        ("field", "Patient.mrn", "UNAUTHORIZED_FIELD_OR_TYPE", None),
    ):
        assert "errors" not in lone.ask("biller", QUESTION)
        turned = lone.portico("switch", "off", kind, name, *OF, *OFF)
        assert (turned.returncode, turned.stdout) == (0, f"riverbend: {kind} {name} is off\n"), turned.stderr
        stopped = lone.ask("biller", QUESTION)
        assert _codes(stopped) == {code}
        assert (stopped["data"] is None) == (code == "SWITCHED_OFF")
        if going_on:
            assert lone.ask(going_on, QUESTION)["data"]["patients"]["edges"]
        assert lone.portico("switch", "on", kind, name, *OF, *BY).returncode == 0
        assert "errors" not in lone.ask("biller", QUESTION)


async def test_a_switch_survives_the_server_and_the_database_and_is_in_the_chain(lone: LoneServer) -> None:
    assert lone.portico("switch", "off", "field", "Patient.mrn", *OF, *OFF).returncode == 0
    lone.kill_server()
    lone.crash_database()
    lone.start_database()
    lone.start_server()
    assert _mrns(lone.ask("biller", QUESTION)) == {None}
    assert "riverbend: field Patient.mrn is off since" in lone.portico("switch", "list").stdout
    assert lone.portico("switch", "on", "field", "Patient.mrn", *OF, *BY).returncode == 0
    assert None not in _mrns(lone.ask("biller", QUESTION))
    async with _superuser(lone) as connection:
        rows = await connection.fetch(
            "select command, target, subject from portico.audit where client = 'portico switch'"
            " order by number desc limit 2"
        )
    assert [tuple(row) for row in rows] == [
        ("switchOn", "field Patient.mrn", "ops-1"),
        ("switchOff", "field Patient.mrn", "ops-1"),
    ]
    assert lone.portico("audit", "verify").returncode == 0


def test_a_slip_is_no_switch(lone: LoneServer) -> None:
    for arguments, said in (
        (("off", "source", "biling", *OF, *OFF), "no such source of riverbend; there are ehr, scheduling, billing"),
        (("off", "source", "Billing", *OF, *OFF), "no such source of riverbend; there are ehr, scheduling, billing"),
        (("off", "field", "Patient.MRN", *OF, *OFF), "no such field; there is Patient.mrn"),
        (("off", "field", "Patient.birthdat", *OF, *OFF), "no such field; there is Patient.birthDate"),
        (("off", "tenant", "riverbent", *OFF), "no such tenant; there are riverbend, harbor"),
        (("off", "tenant", "riverbend", "--tenant", "harbor", *OFF), "leave out --tenant"),
        (("off", "client", "portal", *OFF), "name the tenant with --tenant; there are riverbend, harbor"),
        (("on", "client", "portal", *BY), "name the tenant with --tenant; there are riverbend, harbor"),
        (("off", "client", "portal", *OF, *BY, "--reason", "two\nlines"), "reason must be"),
        (("on", "client", "portal", *OF, *BY), "riverbend: client portal is not off"),
    ):
        slipped = lone.portico("switch", *arguments)
        assert (slipped.returncode, slipped.stdout) == (2, "")
        assert slipped.stderr.startswith(f"portico: {said}")
    assert lone.portico("switch", "list").stdout == ""


def _timed(lone: LoneServer, persona: str) -> tuple[Json, float]:
    began = time.monotonic()
    return lone.ask(persona, QUESTION), time.monotonic() - began


def _all_are_closed(lone: LoneServer) -> None:
    with ThreadPoolExecutor(8) as readers:
        for answer, seconds in readers.map(lambda who: _timed(lone, who), ["biller", "front-desk"] * 4):
            assert (answer["data"], _codes(answer)) == (None, {"STORE_UNAVAILABLE"})
            assert seconds < CLOSED_SECONDS


async def test_a_server_cut_off_from_the_switches_closes_and_obeys_as_soon_as_it_is_not(lone: LoneServer) -> None:
    assert None not in _mrns(lone.ask("biller", QUESTION))
    async with _superuser(lone) as connection:
        await connection.execute("alter role portico_app nologin")
        try:
            await connection.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'portico_app'"
            )
            _all_are_closed(lone)
            await connection.execute(
                "insert into portico.switch (tenant, kind, name, off_at, off_by, reason)"
                " values ('riverbend', 'field', 'Patient.mrn', now(), 'ops-1', 'during a partition')"
            )
        finally:
            await connection.execute("alter role portico_app login")
    assert _mrns(_first_answer(lone)) == {None}


def _first_answer(lone: LoneServer) -> Json:
    """The first answer with anything in it."""
    answers: list[Json] = []

    def answered() -> bool:
        answers.append(lone.ask("biller", QUESTION))
        return answers[-1]["data"] is not None

    until("an answer comes", answered, seconds=10)
    return answers[-1]


async def test_switches_that_hang_are_an_error_in_time_and_heal_by_themselves(lone: LoneServer) -> None:
    async with _superuser(lone) as connection, connection.transaction():
        await connection.execute("lock table portico.switch in access exclusive mode")
        _all_are_closed(lone)
    until("answers come again", lambda: "errors" not in lone.ask("biller", QUESTION), seconds=10)
