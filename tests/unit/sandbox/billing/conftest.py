"""One small clinic group's billing system, as its clients meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Literal, Protocol

import asyncpg
import pytest

from sandbox.billing.accounts import Account
from sandbox.billing.server import MODES, Listening, running
from sandbox.control import Control, Mode
from tests.contract.small_population import TENANT, small_population

ACCOUNT = Account(tenant=TENANT, database="ledger_alder", user="ledger_reader", password="open sesame é")


class Login(Protocol):
    """Opens a connection through the front: with the right login, unless told otherwise."""

    def __call__(
        self,
        *,
        user: str = ACCOUNT.user,
        password: str = ACCOUNT.password,
        database: str = ACCOUNT.database,
        tls: Literal["disable", "prefer", "require"] = "disable",
    ) -> Awaitable[asyncpg.Connection[asyncpg.Record]]: ...


@pytest.fixture(scope="package")
def billing_control() -> Control:
    return Control(source="billing", modes=MODES)


@pytest.fixture(scope="package")
async def listening(billing_control: Control, postgres: Callable[[str], str]) -> AsyncIterator[Listening]:
    populations = {TENANT: small_population()}
    async with running(populations, billing_control, upstream=postgres("postgres"), accounts=[ACCOUNT]) as where:
        yield where


@pytest.fixture
def control(billing_control: Control) -> Iterator[Control]:
    billing_control.calls.clear()
    yield billing_control
    billing_control.mode = Mode.WELL


@pytest.fixture
async def login(listening: Listening, control: Control) -> AsyncIterator[Login]:
    opened: list[asyncpg.Connection[asyncpg.Record]] = []

    async def login(
        *,
        user: str = ACCOUNT.user,
        password: str = ACCOUNT.password,
        database: str = ACCOUNT.database,
        tls: Literal["disable", "prefer", "require"] = "disable",
    ) -> asyncpg.Connection[asyncpg.Record]:
        host, port = listening.host, listening.ports[TENANT]
        connection = await asyncpg.connect(
            host=host, port=port, user=user, password=password, database=database, ssl=tls
        )
        opened.append(connection)
        return connection

    assert control.mode is Mode.WELL
    yield login
    for connection in opened:
        connection.terminate()


@pytest.fixture
async def superuser(
    listening: Listening, postgres: Callable[[str], str]
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    assert TENANT in listening.ports
    connection = await asyncpg.connect(postgres(ACCOUNT.database))
    yield connection
    await connection.close()
