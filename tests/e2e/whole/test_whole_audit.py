"""What left was recorded first, durably, and whoever changes the record is found out."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from contextlib import suppress
from urllib.parse import urlsplit

import asyncpg

from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import until
from tests.oracles.reply import Json

CLOSED = {"AUDIT_UNAVAILABLE", "STORE_UNAVAILABLE"}
READERS = 6
GUARDED = "{ patients(first: 2) { edges { node { birthDate } } } }"
PUBLIC_BUT_RECORDED = "{ slots(first: 1) { edges { node { start } } } }"
SEEN = "select exists (select from portico.audit where operation_name = $1)"


def _first_byte(lone: LoneServer, token: str, name: str) -> bool:
    """Whether a byte of an answer came back before the server was gone."""
    body = f'{{"query": "query {name} {GUARDED}"}}'.encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    address = urlsplit(lone.url)
    try:
        with socket.create_connection((address.hostname or "", address.port or 0), timeout=5) as client:
            client.sendall(head.encode() + body)
            return client.recv(1) == b"H"
    except OSError:
        return False


async def test_a_first_byte_means_a_durable_row_whatever_dies_next(lone: LoneServer) -> None:
    token, name = lone.demo.token("biller"), "ReadBeforeTheCrash"
    assert _first_byte(lone, token, name)
    lone.kill_server()
    lone.crash_database()
    lone.start_database()
    connection = await lone.connect()
    assert await connection.fetchval(SEEN, name)
    await connection.close()
    lone.start_server()


async def test_under_load_every_answer_that_began_has_its_row(lone: LoneServer) -> None:
    token = lone.demo.token("biller")
    began: list[str] = []
    over = threading.Event()

    def read(reader: int) -> None:
        count = 0
        while not over.is_set():
            name = f"Reader{reader}x{count}"
            if _first_byte(lone, token, name):
                began.append(name)
            count += 1

    readers = [threading.Thread(target=read, args=(number,)) for number in range(READERS)]
    for reader in readers:
        reader.start()
    until("answers come in", lambda: len(began) > 10 * READERS, seconds=30)
    lone.crash_database()
    lone.kill_server()
    over.set()
    for reader in readers:
        reader.join()
    lone.start_database()
    connection = await lone.connect()
    recorded = {row["operation_name"] for row in await connection.fetch("select operation_name from portico.audit")}
    await connection.close()
    lone.start_server()
    assert set(began) - recorded == set()
    assert lone.portico("audit", "verify").returncode == 0


async def test_a_change_by_the_superuser_is_named_and_its_undoing_too(lone: LoneServer) -> None:
    for _ in range(3):
        assert lone.ask("biller", GUARDED)["data"]["patients"]["edges"]
    connection = await lone.connect()
    try:
        partition = await connection.fetchval(
            "select tableoid::regclass::text from portico.audit where tenant = 'riverbend' order by number desc limit 1"
        )
        number = await connection.fetchval("select max(number) - 1 from portico.audit where tenant = 'riverbend'")
        change = f"update {partition} set subject = $1 where tenant = 'riverbend' and number = $2"  # noqa: S608 - the database's own name
        await connection.execute(f"alter table {partition} disable trigger all")
        read = f"select subject from {partition} where tenant = 'riverbend' and number = $1"  # noqa: S608 - as above
        subject = await connection.fetchval(read, number)
        await connection.execute(change, "usr-nobody", number)
        found = lone.portico("audit", "verify")
        await connection.execute(change, subject, number)
        await connection.execute(f"alter table {partition} enable always trigger append_only")
    finally:
        await connection.close()
    assert found.returncode == 1
    assert f"riverbend: row {number} is edited; {number - 1} rows before it are sound" in found.stdout
    again = lone.portico("audit", "verify")
    assert (again.returncode, again.stderr) == (0, "")


async def test_a_role_that_may_lose_commits_gets_nothing_released_until_that_is_undone(lone: LoneServer) -> None:
    assert lone.ask("website", PUBLIC_BUT_RECORDED)["data"]["slots"]["edges"]
    connection = await lone.connect()
    try:
        await connection.execute("alter role portico_app set synchronous_commit = off")
        await _cut_sessions(lone)
        for persona, query in (("website", PUBLIC_BUT_RECORDED), ("biller", GUARDED)):
            answer = lone.ask(persona, query)
            assert answer["data"] is None
            (error,) = answer["errors"]
            assert error["extensions"]["code"] in CLOSED
            assert "synchronous_commit" in error["message"]
        assert lone.health() == 503
    finally:
        await connection.execute("alter role portico_app reset synchronous_commit")
        await connection.close()
    await _cut_sessions(lone)
    until("answers come again", lambda: "errors" not in lone.ask("biller", GUARDED), seconds=10)


async def _cut_sessions(lone: LoneServer) -> None:
    connection = await lone.connect()
    await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'portico_app'")
    await connection.close()


def test_a_lost_database_is_a_clear_error_in_time_and_heals_by_itself(lone: LoneServer) -> None:
    lone.crash_database()
    began = time.monotonic()
    answers = [lone.ask(persona, query) for persona, query in (("biller", GUARDED), ("website", PUBLIC_BUT_RECORDED))]
    seconds = time.monotonic() - began
    lone_is_ready = lone.health()
    lone.start_database()
    for answer in answers:
        assert answer["data"] is None
        assert {error["extensions"]["code"] for error in answer["errors"]} <= CLOSED
    assert seconds < 2 * 10
    assert lone_is_ready == 503
    until("answers come again", lambda: "errors" not in lone.ask("biller", GUARDED), seconds=10)
    assert lone.health() == 200


async def test_a_backend_that_is_killed_costs_no_wrong_answer(lone: LoneServer) -> None:
    """Then PostgreSQL drops every session and recovers, as after the system ran out of memory."""
    answers: list[Json] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            answers.append(lone.ask("biller", GUARDED))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        until("answers come in", lambda: len(answers) > 3, seconds=10)
        await _kill_a_session(lone)
        count = len(answers)
        until("answers come again", lambda: len(answers) > count + 20, seconds=20)
    finally:
        over.set()
        reader.join()
    assert "errors" not in answers[-1]
    for answer in answers:
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= CLOSED
        assert (answer["data"] is None) == bool(codes)


async def _kill_a_session(lone: LoneServer) -> None:
    connection = await lone.connect()
    pid = await connection.fetchval("select pid from pg_stat_activity where usename = 'portico_app' limit 1")
    os.kill(pid, signal.SIGKILL)
    with suppress(OSError, asyncpg.PostgresError):
        await connection.close(timeout=5)
