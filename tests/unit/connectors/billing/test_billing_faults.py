"""Dead sessions, locked tables, changed schemas, wrong credentials: each its own error, and healed by itself."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from connectors.billing import BillingConfig, BillingConnector
from portico.records.context import CallContext
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable
from portico.records.references import By, RecordType, SourceName, Tenant
from sandbox.billing.server import Listening
from sandbox.control import Control, Mode
from tests.contract.questions import context
from tests.contract.small_population import TENANT
from tests.unit.connectors.billing.serving import ACCOUNTS, OTHER_TENANT, Connect

HANGING = "wait_event_type = 'Lock'"
KILL = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'reader_alder'"


async def find(connector: BillingConnector, call: CallContext | None = None) -> int:
    wanted = call or context("status", "lines", "paid")
    return len(await connector.find(wanted, RecordType.CLAIM, By.PATIENT, ["SUB00010"]))


async def sessions(superuser: asyncpg.Connection[asyncpg.Record], state: str = "true") -> int:
    """How many sessions the server has of the connector's role, in a state of `pg_stat_activity`."""
    await superuser.execute("select pg_stat_clear_snapshot()")
    count = f"select count(*) from pg_stat_activity where usename = 'reader_alder' and {state}"  # noqa: S608 - constants
    return int(await superuser.fetchval(count))


async def until_sessions(superuser: asyncpg.Connection[asyncpg.Record], count: int, state: str = "true") -> None:
    async with asyncio.timeout(10):
        while await sessions(superuser, state) != count:  # noqa: ASYNC110 - another process's state has no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def locked(superuser: asyncpg.Connection[asyncpg.Record]) -> AsyncIterator[None]:
    """Nobody else can read claims meanwhile: a statement that hangs in the server itself."""
    async with superuser.transaction():
        await superuser.execute("lock table clm_hdr in access exclusive mode")
        yield


@pytest.mark.parametrize("pool_size", [1, 3])
async def test_killed_sessions_are_replaced_without_an_error(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record], pool_size: int
) -> None:
    connector = connect(pool_size=pool_size)
    for _ in range(10):
        assert await asyncio.gather(*(find(connector) for _ in range(6))) == [16] * 6
        await superuser.fetch(KILL)


async def test_a_session_killed_in_the_midst_of_a_statement_is_replaced_once(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect(pool_size=1)
    assert await find(connector) == 16
    async with locked(superuser):
        finding = asyncio.create_task(find(connector))
        await until_sessions(superuser, 1, HANGING)
        await superuser.fetch(KILL)
        await until_sessions(superuser, 1, HANGING)
    assert await finding == 16


async def test_a_statement_that_hangs_is_cancelled_at_the_deadline_in_the_server_too(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect(pool_size=1)
    assert await find(connector) == 16
    async with locked(superuser):
        began = time.monotonic()
        with pytest.raises(SourceTimeout):
            await find(connector, context(seconds=0.3))
        assert time.monotonic() - began < 1.0
        await until_sessions(superuser, 0, HANGING)
        assert await sessions(superuser) == 1, "the session outlives its cancelled statement"
    assert await find(connector) == 16


async def test_the_server_gives_up_by_itself_where_the_deadline_is_far(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    async with locked(superuser):
        with pytest.raises(SourceTimeout):
            await find(connect(statement_timeout_seconds=0.2), context(seconds=20))


async def test_waiting_for_a_connection_ends_at_the_deadline(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect(pool_size=1)
    async with locked(superuser):
        holding = asyncio.create_task(find(connector))
        await until_sessions(superuser, 1, HANGING)
        began = time.monotonic()
        with pytest.raises(SourceTimeout):
            await find(connector, context(seconds=0.2))
        assert time.monotonic() - began < 0.7
        assert await sessions(superuser) == 1
    assert await holding == 16


async def test_a_caller_who_goes_away_leaves_the_pool_whole(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect(pool_size=1)
    async with locked(superuser):
        abandoned = asyncio.create_task(find(connector))
        await until_sessions(superuser, 1, HANGING)
        abandoned.cancel()
        with pytest.raises(asyncio.CancelledError):
            await abandoned
    assert await find(connector) == 16


async def test_closing_ends_every_session_even_a_hanging_one(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect()
    async with locked(superuser):
        hanging = asyncio.create_task(find(connector))
        await until_sessions(superuser, 1, HANGING)
        await connector.aclose()
        with pytest.raises(SourceUnavailable):
            await hanging
    await until_sessions(superuser, 0)
    with pytest.raises(SourceUnavailable):
        await find(connector)


async def test_first_calls_at_once_open_one_pool(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await until_sessions(superuser, 0)
    connector = connect(pool_size=2)
    await asyncio.gather(*(find(connector) for _ in range(8)))
    assert await sessions(superuser) <= 2


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "guess"},
        {"user": "postgres"},
        {"user": "reader_birch", "password": "pass-birch"},
        {"database": "billing_birch"},
        {"database": "postgres"},
    ],
)
async def test_a_login_that_is_not_this_tenants_opens_nothing(
    connect: Connect, control: Control, changes: dict[str, str]
) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        await find(connect(**changes))
    assert not any(value in str(caught.value) for value in changes.values())
    assert not control.calls


async def test_a_tenants_login_opens_no_other_tenants_front(connect: Connect, listening: Listening) -> None:
    with pytest.raises(SourceUnavailable):
        await find(connect(port=listening.ports[OTHER_TENANT]))


async def test_a_column_that_is_gone_makes_the_answer_invalid(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect()
    await superuser.execute("alter table clm_hdr rename column stat_cd to status")
    try:
        with pytest.raises(SourceInvalid) as caught:
            await find(connector)
        assert "stat_cd" not in str(caught.value)
        assert await find(connector, context("visit")) == 16
    finally:
        await superuser.execute("alter table clm_hdr rename column status to stat_cd")
    assert await find(connector) == 16


async def test_a_prepared_statement_survives_a_change_of_the_schema(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    connector = connect(pool_size=1)
    assert await find(connector) == 16
    await superuser.execute("alter table clm_hdr alter column visit_no type varchar(60), add column extra integer")
    try:
        assert await find(connector) == 16
        assert await find(connector, context("visit")) == 16
    finally:
        await superuser.execute("alter table clm_hdr drop column extra")


async def test_a_right_that_is_withdrawn_is_unavailability(
    connect: Connect, superuser: asyncpg.Connection[asyncpg.Record]
) -> None:
    await superuser.execute("revoke select on remit from reader_alder")
    try:
        with pytest.raises(SourceUnavailable):
            await find(connect(), context("paid"))
        assert await find(connect(), context("status")) == 16
    finally:
        await superuser.execute("grant select on remit to reader_alder")


async def test_more_rows_than_anyone_wants_are_invalid(connect: Connect) -> None:
    assert await find(connect(row_limit=16)) == 16
    with pytest.raises(SourceInvalid):
        await find(connect(row_limit=15))


async def test_an_answer_over_the_byte_limit_is_invalid_and_the_next_one_is_not(connect: Connect) -> None:
    connector = connect(answer_limit_bytes=4_000, pool_size=1)
    for _ in range(3):
        with pytest.raises(SourceInvalid, match="too large"):
            await find(connector)
        assert len(await connector.find(context(), RecordType.CLAIM, By.ID, ["CLM00010"])) == 1


async def test_a_flood_is_cut_off_long_before_it_is_over(connect: Connect, control: Control) -> None:
    connector = connect(answer_limit_bytes=100_000)
    await connector.ping(context())
    control.mode = Mode.HUGE
    began = time.monotonic()
    with pytest.raises(SourceInvalid, match="too large"):
        await find(connector, context(seconds=20))
    assert time.monotonic() - began < 2.0


async def test_sessions_that_can_write_are_not_used(connect: Connect, listening: Listening) -> None:
    async with careless_pooler(listening.ports[TENANT]) as port:
        with pytest.raises(SourceInvalid, match="can write"):
            await find(connect(port=port))


@asynccontextmanager
async def careless_pooler(port: int) -> AsyncIterator[int]:
    """A relay between connector and front that turns the session's setting around: `on` to `no`."""
    relays: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data.replace(b"default_transaction_read_only\0on", b"default_transaction_read_only\0no"))
            await writer.drain()

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", port)
        pumps = [asyncio.ensure_future(pump(reader, to_writer)), asyncio.ensure_future(pump(to_reader, writer))]
        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        writer.close()
        to_writer.close()
        await asyncio.gather(*pumps, return_exceptions=True)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        relays.add(asyncio.create_task(relay(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for each in relays:
            each.cancel()
        await asyncio.gather(*relays, return_exceptions=True)


async def test_what_answers_in_another_protocol_is_a_source_error(connect: Connect) -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example ESMTP\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        with pytest.raises(SourceError):
            await find(connect(port=server.sockets[0].getsockname()[1]), context(seconds=2))


async def test_what_accepts_and_says_nothing_times_out(connect: Connect) -> None:
    async def wait(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(wait, "127.0.0.1", 0) as server:
        began = time.monotonic()
        with pytest.raises(SourceTimeout):
            await find(connect(port=server.sockets[0].getsockname()[1]), context(seconds=0.3))
        assert time.monotonic() - began < 1.0


async def test_no_error_carries_the_servers_words(connect: Connect, control: Control) -> None:
    connector = connect()
    for mode in (Mode.ERROR, Mode.THROTTLE, Mode.RESET):
        control.mode = mode
        with pytest.raises(SourceUnavailable) as caught:
            await find(connector)
        assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def config(host: str) -> BillingConfig:
    account = ACCOUNTS[TENANT]
    return BillingConfig(
        source=SourceName("billing"), tenant=Tenant(TENANT), host=host, port=5432, database=account.database,
        user=account.user, password=account.password,
    )  # fmt: skip


def test_the_password_prints_nowhere() -> None:
    assert "pass-alder" not in repr(config("localhost"))
    assert "pass-alder" not in repr(ACCOUNTS[TENANT])


@pytest.mark.parametrize("host", ["billing.example.org", "10.0.0.7", "localhost.example.org", "2001:db8::1"])
def test_a_connection_that_leaves_the_machine_is_verified(host: str) -> None:
    tls = config(host).tls()
    assert isinstance(tls, ssl.SSLContext)
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.9.9.9", "/run/postgresql"])
def test_a_connection_within_the_machine_is_plain(host: str) -> None:
    assert config(host).tls() is False
