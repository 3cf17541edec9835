"""The billing connector keeps the contract, against a real PostgreSQL behind the billing system's front."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta

import pytest

from connectors.billing import BillingConfig, BillingConnector
from portico.records.references import SourceName, Tenant
from portico.records.types import Claim
from sandbox.billing.accounts import Account, prepare
from sandbox.billing.server import MODES, running
from sandbox.control import Control, Mode
from sandbox.population.model import Population
from tests.changed import replace
from tests.contract.connector_suite import ConnectorContract
from tests.contract.fault_suite import FaultContract
from tests.contract.paging_suite import PagingContract
from tests.contract.small_population import TENANT, small_population
from tests.contract.truth import Truth, billing_truth

SOURCE = SourceName("billing")
ACCOUNT = Account(tenant=TENANT, database="billing_contract", password="s3cret")


@pytest.fixture(scope="module")
def billing_control() -> Control:
    return Control(source="billing", modes=MODES)


@pytest.fixture(scope="module")
async def config(billing_control: Control, postgres: Callable[[str], str]) -> AsyncIterator[BillingConfig]:
    async with running(
        {TENANT: small_population()}, billing_control, upstream=postgres("postgres"), accounts=[ACCOUNT]
    ) as listening:
        yield BillingConfig(
            source=SOURCE,
            tenant=Tenant(TENANT),
            host=listening.host,
            port=listening.ports[TENANT],
            database=ACCOUNT.database,
            user=ACCOUNT.user,
            password=ACCOUNT.password,
            batch_limit=7,
            scan_page_rows=3,
        )


class _Billing:
    """The fixtures that both suites stand on."""

    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        truth = billing_truth(population, SOURCE)
        claims = (_to_the_end_of_the_day(record) for record in truth.records if isinstance(record, Claim))
        return replace(truth, records=tuple(claims))

    @pytest.fixture
    def control(self, billing_control: Control) -> Iterator[Control]:
        billing_control.calls.clear()
        yield billing_control
        billing_control.mode = Mode.WELL

    @pytest.fixture
    async def connector(self, config: BillingConfig) -> AsyncIterator[BillingConnector]:
        connector = BillingConnector(config)
        yield connector
        await connector.aclose()


@pytest.mark.usefixtures("control")
class TestBillingConnector(_Billing, ConnectorContract):
    pass


class _Held:
    """The billing database with rows that come and go, and connectors to it."""

    def __init__(self, config: BillingConfig, superuser_url: str) -> None:
        self._config = config
        self._superuser_url = superuser_url
        self.connector = BillingConnector(config)
        self.all = [self.connector]

    def another(self) -> BillingConnector:
        self.all.append(BillingConnector(self._config))
        return self.all[-1]

    async def hold(self, population: Population) -> None:
        await prepare(self._superuser_url, ACCOUNT, population)


class TestBillingConnectorPaging(PagingContract):
    @pytest.fixture
    async def source(self, config: BillingConfig, postgres: Callable[[str], str]) -> AsyncIterator[_Held]:
        held = _Held(config, postgres("postgres"))
        yield held
        for connector in held.all:
            await connector.aclose()
        await held.hold(small_population())


@pytest.mark.usefixtures("control")
class TestBillingConnectorUnderFaults(_Billing, FaultContract):
    @pytest.fixture
    async def unreachable(self, config: BillingConfig) -> AsyncIterator[BillingConnector]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        connector = BillingConnector(replace(config, port=port))
        yield connector
        await connector.aclose()


def _to_the_end_of_the_day(claim: Claim) -> Claim:
    """Billing knows days: a service period includes its last one to the end, as a FHIR period does."""
    period = claim.service_period
    assert period
    assert period.end
    return replace(claim, service_period=replace(period, end=period.end + timedelta(days=1, seconds=-1)))
