from __future__ import annotations

import httpx2
import pytest

from portico.edge.metrics import Metrics, metrics_application
from portico.edge.serving import metrics_server, server


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


async def read(metrics: Metrics) -> str:
    transport = httpx2.ASGITransport(app=metrics_application(metrics))
    async with httpx2.AsyncClient(transport=transport, base_url="http://metrics") as client:
        response = await client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("application/openmetrics-text")
    return response.text


async def test_what_was_counted_can_be_read(metrics: Metrics) -> None:
    metrics.request_answered("ANSWERED", 0.02)
    metrics.token_refused("expired")
    metrics.source_called("ehr", "SOURCE_TIMEOUT", 5.0)
    metrics.operation_executed("INTROSPECTION")
    metrics.in_flight(3)

    text = await read(metrics)

    assert 'portico_request_seconds_count{outcome="ANSWERED"} 1.0' in text
    assert 'portico_tokens_refused_total{reason="expired"} 1.0' in text
    assert 'portico_source_call_seconds_count{source="ehr",status="SOURCE_TIMEOUT"} 1.0' in text
    assert 'portico_operations_total{way="INTROSPECTION"} 1.0' in text
    assert "portico_requests_in_flight 3.0" in text
    assert text.endswith("# EOF\n")


async def test_two_servers_in_one_process_count_apart(metrics: Metrics) -> None:
    Metrics().token_refused("expired")

    assert "expired" not in await read(metrics)


def test_metrics_are_for_this_machine_only(metrics: Metrics) -> None:
    config = metrics_server(metrics_application(metrics), port=0).config

    assert config.host == "127.0.0.1"


def test_the_server_trusts_no_proxy_header_and_logs_no_access(metrics: Metrics) -> None:
    config = server(metrics_application(metrics), host="127.0.0.1", port=0, request_timeout_seconds=10).config

    assert not config.proxy_headers
    assert not config.access_log
    assert not config.server_header
    assert config.ws == "none"
    assert config.timeout_graceful_shutdown == 12
