"""The process as a whole: many tenants, one control, and an end without remains."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import aiohttp
import asyncpg
import pytest

from sandbox.billing import wire
from sandbox.billing.accounts import Account
from sandbox.billing.server import MODES, Listening, running, serve
from sandbox.billing.upstream import Upstream
from sandbox.control import Control, Mode
from tests.contract.small_population import TENANT, small_population
from tests.unit.sandbox.billing.conftest import Login

OTHER = "birch"
ACCOUNTS = [
    Account(tenant=TENANT, database="served_alder", user="served_reader_alder", password="a"),
    Account(tenant=OTHER, database="served_birch", user="served_reader_birch", password="b"),
]
POPULATIONS = {TENANT: small_population(), OTHER: replace(small_population(), visits=())}


async def count_claims(listening: Listening, account: Account) -> int:
    connection = await asyncpg.connect(
        host=listening.host,
        port=listening.ports[account.tenant],
        user=account.user,
        password=account.password,
        database=account.database,
        ssl=False,
    )
    try:
        return int(await connection.fetchval("select count(*) from clm_hdr"))
    finally:
        await connection.close()


async def test_every_tenant_has_its_own_port_and_data(postgres: Callable[[str], str]) -> None:
    control = Control(source="billing", modes=MODES)
    async with running(POPULATIONS, control, upstream=postgres("postgres"), accounts=ACCOUNTS) as listening:
        assert listening.ports.keys() == POPULATIONS.keys()
        assert await count_claims(listening, ACCOUNTS[0]) > 0
        assert await count_claims(listening, ACCOUNTS[1]) == 0
        assert [call["tenant"] for call in control.calls] == [TENANT, OTHER]


async def test_the_control_is_told_and_asked_by_http(login: Login, listening: Listening, control: Control) -> None:
    connection = await login()
    await connection.fetchval("select count(*) from clm_hdr")
    async with aiohttp.ClientSession(listening.control_url) as http:
        async with http.get("/_sandbox/calls") as calls:
            assert "SELECT clm_hdr" in await calls.text()
        async with http.put("/_sandbox/mode", json={"mode": "500"}) as told:
            assert told.status == 200
        with pytest.raises(asyncpg.InternalServerError):
            await connection.fetchval("select 1")
        async with http.put("/_sandbox/mode", json={"mode": "foreign-next"}) as refused:
            assert refused.status == 422
    assert control.mode is Mode.ERROR


async def test_serving_tells_when_it_listens_and_leaves_nothing_when_it_is_cancelled(
    postgres: Callable[[str], str],
) -> None:
    ready: asyncio.Future[Listening] = asyncio.get_running_loop().create_future()
    control = Control(source="billing", modes=MODES)
    serving = asyncio.create_task(
        serve(POPULATIONS, control, upstream=postgres("postgres"), accounts=ACCOUNTS[:1], ready=ready.set_result)
    )
    serving.add_done_callback(lambda _: ready.cancel())
    listening = await ready
    assert await count_claims(listening, ACCOUNTS[0]) > 0
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    with pytest.raises(ConnectionError):
        await count_claims(listening, ACCOUNTS[0])


async def test_a_session_that_is_open_ends_with_the_server(postgres: Callable[[str], str]) -> None:
    control = Control(source="billing", modes=MODES)
    account = ACCOUNTS[0]
    async with running(POPULATIONS, control, upstream=postgres("postgres"), accounts=[account]) as listening:
        connection = await asyncpg.connect(
            host=listening.host, port=listening.ports[TENANT], user=account.user, password=account.password,
            database=account.database, ssl=False,
        )  # fmt: skip
    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError, ConnectionError)):
        await connection.fetchval("select 1")


async def test_a_client_that_does_not_read_holds_nothing_up(postgres: Callable[[str], str]) -> None:
    control = Control(source="billing", modes=MODES, mode=Mode.HUGE)
    account = ACCOUNTS[0]
    startup = wire.Startup(wire.PROTOCOL, f"user\0{account.user}\0database\0{account.database}\0\0".encode())
    async with running(POPULATIONS, control, upstream=postgres("postgres"), accounts=[account]) as listening:
        reader, writer = await asyncio.open_connection(listening.host, listening.ports[TENANT])
        writer.write(startup.encode() + wire.Message(b"p", b"a\0").encode() + wire.query("select 1").encode())
        while not control.calls:
            await reader.read(1024)
        began = monotonic()
    assert monotonic() - began < 5
    writer.transport.abort()


@pytest.mark.parametrize(
    ("url", "host", "port"),
    [
        ("postgresql://postgres:@/postgres?host=/tmp/x", "/tmp/x", 5432),  # noqa: S108 - a name only
        ("postgresql://postgres@db.example:6432/postgres", "db.example", 6432),
        ("postgresql://postgres@/postgres", "localhost", 5432),
    ],
)
def test_the_upstream_is_read_from_its_url(url: str, host: str, port: int) -> None:
    assert Upstream.from_url(url) == Upstream(host=host, port=port)
