"""A scripted FHIR server on a real socket, and a connector to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from connectors.fhir import FhirConfig, FhirConnector
from portico.records.references import SourceName, Tenant
from tests.contract.small_population import TENANT
from tests.unit.connectors.fhir.scripted import ScriptedEhr
from tests.unit.connectors.fhir.serving import serving


@pytest.fixture(scope="module")
async def listening_ehr() -> AsyncIterator[ScriptedEhr]:
    scripted = ScriptedEhr()
    async with serving(scripted.application):
        yield scripted


@pytest.fixture
def ehr(listening_ehr: ScriptedEhr) -> ScriptedEhr:
    listening_ehr.reset()
    return listening_ehr


@pytest.fixture
async def connect(ehr: ScriptedEhr) -> AsyncIterator[Callable[..., FhirConnector]]:
    """Makes a connector to the scripted server; keywords override its configuration."""
    connectors = []

    def connecting(**options: object) -> FhirConnector:
        given: dict[str, object] = {
            "source": SourceName("ehr"),
            "tenant": Tenant(TENANT),
            "url": ehr.url,
            "token_url": ehr.url.replace("/r4", "/token"),
            "client_id": "port:ico",
            "client_secret": "s3 cret%",
        }
        connector = FhirConnector(FhirConfig(**{**given, **options}))  # type: ignore[arg-type]  # a test's own options
        connectors.append(connector)
        return connector

    yield connecting
    for connector in connectors:
        await connector.aclose()
