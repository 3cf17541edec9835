"""The scheduling connector keeps the contract, against the simulated vendor over a real socket."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.applications import Starlette

from connectors.base import Connector
from connectors.channel import CallReport, CallStatus, Channel, ChannelConfig
from connectors.scheduling.config import SchedulingConfig
from connectors.scheduling.connector import SchedulingConnector
from portico.records.references import By, RecordType, SourceName, Tenant
from sandbox.control import Control
from sandbox.population.model import Population
from sandbox.scheduling.server import MODES, Vendor, build
from tests.contract.connector_suite import ConnectorContract
from tests.contract.fault_suite import FaultContract
from tests.contract.paging_suite import PagingContract
from tests.contract.questions import context
from tests.contract.small_population import TENANT, small_population
from tests.contract.truth import Truth, scheduling_truth

SOURCE = SourceName("scheduling")
KEY = "key-of-alder"


@pytest.fixture(scope="module")
def vendor_control() -> Control:
    return Control("scheduling", MODES)


@pytest.fixture(scope="module")
async def url(vendor_control: Control) -> AsyncIterator[str]:
    """The vendor, without its rate limit."""
    async with serving(vendor_control, requests_per_second=100_000) as url:
        yield url


@asynccontextmanager
async def serving(control: Control, *, requests_per_second: float) -> AsyncIterator[str]:
    app = build({TENANT: small_population()}, control, keys={TENANT: KEY}, requests_per_second=requests_per_second)
    async with listening(app) as url:
        yield url


@asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", timeout_graceful_shutdown=1))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # asyncio leaves it off on sockets it is given
        running = asyncio.create_task(server.serve(sockets=[listener]))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/{TENANT}/v2"
        server.should_exit = True
        await running


def config(url: str) -> SchedulingConfig:
    return SchedulingConfig(
        source=SOURCE,
        tenant=Tenant(TENANT),
        url=url,
        api_key=KEY,
        batch_limit=7,
        page_size=20,
        scan_pages_per_second=1_000,
    )


class _Scheduling:
    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        return scheduling_truth(population, SOURCE)

    @pytest.fixture
    def control(self, vendor_control: Control) -> Control:
        vendor_control.calls.clear()
        return vendor_control

    @pytest.fixture
    async def connector(self, url: str) -> AsyncIterator[Connector]:
        connector = SchedulingConnector(config(url))
        yield connector
        await connector.aclose()


class TestSchedulingConnector(_Scheduling, ConnectorContract):
    pass


class _Held:
    """The vendor with a book that changes, and connectors to it."""

    def __init__(self, url: str, vendor: Vendor) -> None:
        self._url = url
        self._vendor = vendor
        self.connector = SchedulingConnector(config(url))
        self.all = [self.connector]

    def another(self) -> SchedulingConnector:
        self.all.append(SchedulingConnector(config(self._url)))
        return self.all[-1]

    async def hold(self, population: Population) -> None:
        self._vendor.hold(population)


class TestSchedulingConnectorPaging(PagingContract):
    @pytest.fixture
    async def source(self) -> AsyncIterator[_Held]:
        app = build(
            {TENANT: small_population()}, Control("scheduling", MODES), keys={TENANT: KEY}, requests_per_second=100_000
        )
        async with listening(app) as url:
            held = _Held(url, app.state.vendors[TENANT])
            yield held
            for connector in held.all:
                await connector.aclose()


class TestSchedulingConnectorUnderFaults(_Scheduling, FaultContract):
    @pytest.fixture
    async def unreachable(self) -> AsyncIterator[Connector]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        connector = SchedulingConnector(config(f"http://127.0.0.1:{port}/{TENANT}/v2"))
        yield connector
        await connector.aclose()


async def test_through_its_channel_the_connector_keeps_within_the_vendors_rate_limit() -> None:
    """25 requests at once against 10 a second: 8 go, the others follow as the vendor allows, none is refused."""
    control, reports = Control("scheduling", MODES), list[CallReport]()
    limits = ChannelConfig(requests_per_second=10, concurrency_limit=4)
    async with serving(control, requests_per_second=10) as url:
        channel = Channel(SchedulingConnector(config(url)), limits, on_call=reports.append)
        began = time.monotonic()
        found = await channel.find(
            context("status"), RecordType.APPOINTMENT, By.ID, [f"A-{number:04d}" for number in range(7 * 25)]
        )
        took = time.monotonic() - began
        await channel.aclose()
    assert sum(map(len, found.values())) == 39
    assert (reports[0].calls, reports[0].status) == (25, CallStatus.OK)
    assert len(control.calls) == 25, "a refused request would have been asked again"
    assert took > 1.5
