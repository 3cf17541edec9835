"""The reference connector keeps the contract, whichever kind of source it stands in for."""

from __future__ import annotations

import pytest

from connectors.memory import MemoryConnector
from portico.records.references import SourceName
from sandbox.population.model import Population
from tests.contract.connector_suite import ConnectorContract
from tests.contract.truth import Truth, billing_truth, ehr_truth, scheduling_truth

SOURCE = SourceName("memory")


class _MemoryContract(ConnectorContract):
    @pytest.fixture
    def connector(self, truth: Truth) -> MemoryConnector:
        return MemoryConnector(SOURCE, truth.records, truth.people, truth.relations, batch_limit=7)


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
