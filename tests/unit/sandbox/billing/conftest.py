"""One small clinic group's billing system, as its clients meet it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Protocol

import asyncpg
import pytest

from sandbox.billing.accounts import Account
from sandbox.billing.server import MODES, Listening, running
from sandbox.control import Control, Mode
from tests.contract.small_population import TENANT, small_population

ACCOUNT = Account(tenant=TENANT, database="ledger_alder", user="ledger_reader", password="open sesame é")


class Login(Protocol):
    """Opens a connection through the front, with changes to how."""

    def __call__(self, **changes: object) -> Awaitable[asyncpg.Connection[asyncpg.Record]]: ...


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

    async def login(**changes: object) -> asyncpg.Connection[asyncpg.Record]:
        options: dict[str, object] = {
            "host": listening.host,
            "port": listening.ports[TENANT],
            "user": ACCOUNT.user,
            "password": ACCOUNT.password,
            "database": ACCOUNT.database,
            "ssl": False,
        }
        connection = await asyncpg.connect(**{**options, **changes})  # type: ignore[arg-type]  # the tests name true options
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
