"""The billing system of two small clinic groups behind its fronts, and connectors to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace

import asyncpg
import pytest

from connectors.billing import BillingConfig, BillingConnector
from portico.records.references import SourceName, Tenant
from sandbox.billing.server import MODES, Listening, running
from sandbox.control import Control, Mode
from tests.contract.small_population import TENANT, small_population
from tests.unit.connectors.billing.serving import ACCOUNTS, OTHER_TENANT, Connect


@pytest.fixture(scope="package")
def billing_control() -> Control:
    return Control(source="billing", modes=MODES)


@pytest.fixture(scope="package")
async def listening(billing_control: Control, postgres: Callable[[str], str]) -> AsyncIterator[Listening]:
    populations = {TENANT: small_population(), OTHER_TENANT: replace(small_population(), tenant=OTHER_TENANT)}
    accounts = [*ACCOUNTS.values()]
    async with running(populations, billing_control, upstream=postgres("postgres"), accounts=accounts) as where:
        yield where


@pytest.fixture
def control(billing_control: Control) -> Iterator[Control]:
    """The billing system's control, as new: it behaves well and has noted nothing."""
    billing_control.calls.clear()
    yield billing_control
    billing_control.mode = Mode.WELL


@pytest.fixture
async def connect(listening: Listening, control: Control) -> AsyncIterator[Connect]:
    plain = BillingConfig(
        source=SourceName(control.source),
        tenant=Tenant(TENANT),
        host=listening.host,
        port=listening.ports[TENANT],
        database=ACCOUNTS[TENANT].database,
        user=ACCOUNTS[TENANT].user,
        password=ACCOUNTS[TENANT].password,
    )
    made: list[BillingConnector] = []

    def connect(**changes: object) -> BillingConnector:
        made.append(BillingConnector(replace(plain, **changes)))  # type: ignore[arg-type]  # each test names true fields
        return made[-1]

    yield connect
    for connector in made:
        await connector.aclose()


@pytest.fixture
async def superuser(
    listening: Listening, postgres: Callable[[str], str]
) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    """A connection to the first tenant's database itself, past its front. What a test changes there it undoes."""
    assert TENANT in listening.ports
    connection = await asyncpg.connect(postgres(ACCOUNTS[TENANT].database))
    try:
        yield connection
    finally:
        await connection.close()
