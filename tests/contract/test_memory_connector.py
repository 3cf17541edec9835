"""The reference connector keeps the contract, whichever kind of source it stands in for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connectors.memory import MemoryConnector
from portico.records.references import SourceName
from sandbox.population.model import Population
from tests.contract.connector_suite import ConnectorContract
from tests.contract.paging_suite import PagingContract
from tests.contract.small_population import small_population
from tests.contract.truth import Truth, billing_truth, ehr_truth, scheduling_truth

SOURCE = SourceName("memory")


class _MemoryContract(ConnectorContract):
    @pytest.fixture
    def connector(self, truth: Truth) -> MemoryConnector:
        return MemoryConnector(
            SOURCE,
            truth.records,
            truth.people,
            truth.relations,
            consents=truth.consents,
            sensitive_visits=truth.sensitive_visits,
            batch_limit=7,
        )


class TestMemoryAsEhr(_MemoryContract):
    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        return ehr_truth(population, SOURCE)


class TestMemoryAsScheduling(_MemoryContract):
    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        return scheduling_truth(population, SOURCE)


class TestMemoryAsBilling(_MemoryContract):
    @pytest.fixture
    def truth(self, population: Population) -> Truth:
        return billing_truth(population, SOURCE)


class _Held:
    """A source in memory as of now: a connector to it remembers nothing anyway."""

    def __init__(self, read: Callable[[Population, SourceName], Truth]) -> None:
        self._read = read
        self._truth = read(small_population(), SOURCE)

    @property
    def connector(self) -> MemoryConnector:
        return self.another()

    def another(self) -> MemoryConnector:
        return MemoryConnector(SOURCE, self._truth.records)

    async def hold(self, population: Population) -> None:
        self._truth = self._read(population, SOURCE)


class TestMemoryAsEhrPaging(PagingContract):
    @pytest.fixture
    def source(self) -> _Held:
        return _Held(ehr_truth)


class TestMemoryAsSchedulingPaging(PagingContract):
    @pytest.fixture
    def source(self) -> _Held:
        return _Held(scheduling_truth)


class TestMemoryAsBillingPaging(PagingContract):
    @pytest.fixture
    def source(self) -> _Held:
        return _Held(billing_truth)
