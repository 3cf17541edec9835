"""The FHIR connector keeps the contract, against the simulated EHR on a real socket."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest
from starlette.applications import Starlette

from connectors.fhir import FhirConfig, FhirConnector
from portico.records.errors import SourceInvalid
from portico.records.references import SourceName, Tenant
from sandbox.control import Control, Mode
from sandbox.fhir.oauth import Client
from sandbox.fhir.server import MODES, Ehr, build
from sandbox.population.model import Population
from tests.contract.connector_suite import ConnectorContract
from tests.contract.fault_suite import FaultContract
from tests.contract.paging_suite import PagingContract
from tests.contract.questions import context, listing, lookups
from tests.contract.small_population import TENANT, small_population
from tests.contract.truth import Truth, ehr_truth
from tests.unit.connectors.fhir.serving import serving

SOURCE = SourceName("ehr")
SECRET = "s:3%cr et"


@pytest.fixture(scope="module")
def ehr_control() -> Control:
    return Control("ehr", MODES)


@pytest.fixture(scope="module")
async def config(ehr_control: Control) -> AsyncIterator[FhirConfig]:
    populations, clients = {TENANT: small_population()}, {TENANT: Client(secret=SECRET)}
    async with serving(lambda url: build(populations, ehr_control, base_url=url, clients=clients)) as url:
        yield settings(url)


def settings(url: str) -> FhirConfig:
    return FhirConfig(
        source=SOURCE,
        tenant=Tenant(TENANT),
        url=f"{url}/{TENANT}/fhir",
        token_url=f"{url}/{TENANT}/oauth/token",
        client_id="portico",
        client_secret=SECRET,
        batch_limit=7,
        page_size=5,
    )


class _Fhir:
    """The fixtures that both suites stand on."""

    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        return ehr_truth(population, SOURCE)

    @pytest.fixture
    def control(self, ehr_control: Control) -> Iterator[Control]:
        ehr_control.calls.clear()
        yield ehr_control
        ehr_control.mode = Mode.WELL

    @pytest.fixture
    async def connector(self, config: FhirConfig) -> AsyncIterator[FhirConnector]:
        connector = FhirConnector(config)
        yield connector
        await connector.aclose()


class TestFhirConnector(_Fhir, ConnectorContract):
    async def test_a_full_batch_of_keys_costs_one_search(self, connector: FhirConnector, control: Control) -> None:
        for type_, by in lookups(connector):
            control.calls.clear()
            await connector.find(context(), type_, by, [f"no-such-{number}" for number in range(7)])
            assert len(control.calls) == 1, f"{type_} {by}"


class _Held:
    """The EHR with resources that come and go, and connectors to it. Its links count resources."""

    def __init__(self, config: FhirConfig, ehr: Ehr) -> None:
        self._config = config
        self._ehr = ehr
        self.connector = FhirConnector(config)
        self.all = [self.connector]

    def another(self) -> FhirConnector:
        self.all.append(FhirConnector(self._config))
        return self.all[-1]

    async def hold(self, population: Population) -> None:
        self._ehr.hold(population)


class TestFhirConnectorPaging(PagingContract):
    @pytest.fixture(params=[{}, {"absent_first": True, "batch_limit": 2, "hint_limit": 4}], ids=str)
    async def source(self, request: pytest.FixtureRequest) -> AsyncIterator[_Held]:
        ehrs: list[Ehr] = []

        def application(url: str) -> Starlette:
            clients = {TENANT: Client(secret=SECRET)}
            app = build({TENANT: small_population()}, Control("ehr", MODES), base_url=url, clients=clients)
            ehrs.append(app.state.ehrs[TENANT])
            return app

        async with serving(application) as url:
            held = _Held(replace(settings(url), **request.param), ehrs[0])
            yield held
            for connector in held.all:
                await connector.aclose()


class TestFhirConnectorUnderFaults(_Fhir, FaultContract):
    async def test_a_foreign_next_link_is_invalid_and_not_followed(
        self, connector: FhirConnector, control: Control
    ) -> None:
        control.mode = Mode.FOREIGN_NEXT
        for type_, by in lookups(connector):
            with pytest.raises(SourceInvalid):
                await connector.find(context(), type_, by, ["pat-1"])
        for type_ in connector.searches:
            with pytest.raises(SourceInvalid):
                await connector.search(context(), listing(type_))
        for scan in (connector.people, connector.relations):
            with pytest.raises(SourceInvalid):
                await anext(scan(context()))

    @pytest.fixture
    async def unreachable(self, config: FhirConfig) -> AsyncIterator[FhirConnector]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        connector = FhirConnector(replace(config, url=f"{address}/fhir", token_url=f"{address}/token"))
        yield connector
        await connector.aclose()
