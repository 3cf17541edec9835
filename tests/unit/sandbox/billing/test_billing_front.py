"""The front, by the protocol that its clients speak."""

from __future__ import annotations

import asyncio
import time
from datetime import date

import asyncpg
import pytest

from sandbox.billing import wire
from sandbox.billing.server import Listening
from sandbox.billing.session import operation
from sandbox.control import Control, Mode
from tests.contract.small_population import TENANT
from tests.unit.sandbox.billing.conftest import ACCOUNT, Login


async def test_the_right_login_is_let_in_and_asked_for_nothing_else(login: Login) -> None:
    connection = await login()
    assert await connection.fetchval("select current_user") == ACCOUNT.user
    assert connection.get_server_pid() > 0


@pytest.mark.parametrize(
    ("user", "password", "database"),
    [
        (ACCOUNT.user, "guess", ACCOUNT.database),
        (ACCOUNT.user, "", ACCOUNT.database),
        ("postgres", ACCOUNT.password, ACCOUNT.database),
        (ACCOUNT.user, ACCOUNT.password, "postgres"),
        (ACCOUNT.user, ACCOUNT.password, "template1"),
    ],
)
async def test_every_other_login_is_refused_alike(
    login: Login, control: Control, user: str, password: str, database: str
) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError) as caught:
        await login(user=user, password=password, database=database)
    assert str(caught.value) == "password authentication failed"
    assert not control.calls


async def test_a_client_that_would_like_tls_goes_on_without(login: Login) -> None:
    connection = await login(tls="prefer")
    assert await connection.fetchval("select 1") == 1


async def test_a_client_that_insists_on_tls_goes_away(login: Login) -> None:
    with pytest.raises(ConnectionError):
        await login(tls="require")


async def test_whoever_speaks_no_postgres_is_hung_up_on(listening: Listening) -> None:
    reader, writer = await asyncio.open_connection(listening.host, listening.ports[TENANT])
    writer.write(b"GET / HTTP/1.1\r\n\r\n")
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


async def test_statements_are_noted_with_their_arguments(login: Login, control: Control) -> None:
    connection = await login()
    sql = "select clm_no from clm_hdr where sbscr_no = any($1::text[]) and ent_dt >= $2 and $3::int > $4::smallint"
    await connection.fetch(sql, ["SUB00001", "é'; --"], date(2026, 2, 27), 3, 2)
    (call,) = control.calls
    assert (call["source"], call["tenant"], call["operation"]) == ("billing", TENANT, "SELECT clm_hdr")
    assert call["parameters"] == {"sql": sql, "arguments": [["SUB00001", "é'; --"], "2026-02-27", 3, 2]}


async def test_a_prepared_statement_is_noted_each_time_it_runs(login: Login, control: Control) -> None:
    connection = await login()
    prepared = await connection.prepare("select lst_nm from sbscr where sbscr_no = $1")
    assert not control.calls
    for number in ("SUB00001", None, "SUB00002"):
        await prepared.fetch(number)
    assert [call["parameters"]["arguments"] for call in control.calls] == [["SUB00001"], [None], ["SUB00002"]]  # type: ignore[index]  # a mapping


async def test_statements_without_parameters_are_noted_too(login: Login, control: Control) -> None:
    connection = await login()
    await connection.execute("select 1; select clm_no from clm_hdr")
    assert [call["operation"] for call in control.calls] == ["SELECT clm_hdr"]


async def test_what_a_driver_asks_about_its_own_session_is_not_noted(login: Login, control: Control) -> None:
    connection = await login()
    await connection.fetchval("show server_version")
    await connection.execute(connection.get_reset_query())
    assert not [call for call in control.calls if "clm" in str(call)]
    assert "SHOW" not in {call["operation"] for call in control.calls}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select a from clm_hdr h join clm_ln using (clm_no)", "SELECT clm_hdr"),
        ("SELECT 1\nFROM   sbscr", "SELECT sbscr"),
        ("select a from (select b from remit) x", "SELECT remit"),
        ("update clm_hdr set a = 1", "UPDATE clm_hdr"),
        ("insert into remit values (1)", "INSERT remit"),
        ("delete from remit", "DELETE remit"),
        ("begin", "BEGIN"),
        ("", "EMPTY"),
        ("select 1", "SELECT"),
    ],
)
def test_an_operation_is_the_verb_and_the_first_table(sql: str, expected: str) -> None:
    assert operation(sql) == expected


@pytest.mark.parametrize(
    ("mode", "error"),
    [(Mode.ERROR, asyncpg.InternalServerError), (Mode.THROTTLE, asyncpg.TooManyConnectionsError)],
)
async def test_a_failing_statement_fails_by_the_protocol_and_the_session_goes_on(
    login: Login, control: Control, mode: Mode, error: type[Exception]
) -> None:
    connection = await login()
    for _ in range(3):
        control.mode = mode
        with pytest.raises(error):
            await connection.fetch("select clm_no from clm_hdr where clm_no = $1", "CLM00001")
        with pytest.raises(error):
            await connection.execute("select clm_no from clm_hdr")
        control.mode = Mode.WELL
        assert len(await connection.fetch("select clm_no from clm_hdr where clm_no = $1", "CLM00001")) == 1
    assert len(control.calls) == 9


async def test_an_error_of_the_servers_own_passes_as_it_is(login: Login) -> None:
    connection = await login()
    with pytest.raises(asyncpg.UndefinedTableError):
        await connection.fetch("select * from nowhere")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetch("select ssn from sbscr")
    assert await connection.fetchval("select 1") == 1


async def test_a_throttling_server_lets_nobody_in(login: Login, control: Control) -> None:
    control.mode = Mode.THROTTLE
    with pytest.raises(asyncpg.TooManyConnectionsError):
        await login()


async def test_a_reset_tears_the_connection_down(login: Login, control: Control) -> None:
    connection = await login()
    control.mode = Mode.RESET
    with pytest.raises((asyncpg.ConnectionDoesNotExistError, ConnectionError)):
        await connection.fetch("select clm_no from clm_hdr")
    assert connection.is_closed()
    assert len(control.calls) == 1


async def test_a_slow_answer_comes_in_the_end(login: Login, control: Control) -> None:
    connection = await login()
    control.mode, control.seconds = Mode.SLOW, 0.2
    began = time.monotonic()
    assert await connection.fetchval("select 1") == 1
    assert time.monotonic() - began >= 0.2


async def test_a_slow_statement_can_be_cancelled_and_its_session_goes_on(login: Login, control: Control) -> None:
    connection = await login()
    control.mode, control.seconds = Mode.SLOW, 60
    with pytest.raises(TimeoutError):
        await connection.fetch("select clm_no from clm_hdr", timeout=0.1)
    control.mode = Mode.WELL
    assert await connection.fetchval("select 1", timeout=5) == 1


async def test_a_statement_that_runs_in_the_server_can_be_cancelled_there(
    login: Login, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connection = await login()
    async with superuser.transaction():
        await superuser.execute("lock table clm_hdr in access exclusive mode")
        with pytest.raises(TimeoutError):
            await connection.fetch("select clm_no from clm_hdr", timeout=0.1)
        assert await connection.fetchval("select 1", timeout=5) == 1


async def test_a_cancel_request_of_nobodys_does_nothing(login: Login, listening: Listening) -> None:
    connection = await login()
    reader, writer = await asyncio.open_connection(listening.host, listening.ports[TENANT])
    writer.write(wire.Startup(wire.CANCEL_REQUEST, b"\0\0\0\1\0\0\0\1").encode())
    assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert await connection.fetchval("select 1") == 1


async def test_asked_about_one_it_answers_about_another(login: Login, control: Control) -> None:
    connection = await login()
    sql = "select distinct sbscr_no from clm_hdr where sbscr_no = any($1::text[])"
    asked = ["SUB00002"]
    assert [row[0] for row in await connection.fetch(sql, asked)] == asked
    control.mode = Mode.WRONG_PATIENT
    answered = [row[0] for row in await connection.fetch(sql, asked)]
    assert answered
    assert answered != asked
    assert [call["parameters"]["arguments"] for call in control.calls] == [[asked], [asked]]  # type: ignore[index]  # a mapping


async def test_a_huge_answer_repeats_its_rows_beyond_measure(login: Login, control: Control) -> None:
    connection = await login()
    control.mode = Mode.HUGE
    with pytest.raises(TimeoutError):
        await connection.fetch("select clm_no from clm_hdr limit 1", timeout=0.2)
    connection.terminate()


async def test_many_clients_at_once_are_kept_apart(login: Login) -> None:
    connections = await asyncio.gather(*(login() for _ in range(10)))
    numbers = range(50)
    answers = await asyncio.gather(*(ask(connections[n % 10], n) for n in numbers if n < 10))
    assert answers == list(range(10))


async def ask(connection: asyncpg.Connection[asyncpg.Record], number: int) -> int:
    return int(await connection.fetchval("select $1::int", number))


async def test_wide_rows_and_long_texts_pass_unchanged(login: Login) -> None:
    connection = await login()
    columns = ", ".join(f"$1::text || '{n}' as c{n}" for n in range(200))
    row = await connection.fetchrow(f"select {columns}", "é" * 5_000)
    assert row
    assert row["c199"] == "é" * 5_000 + "199"
