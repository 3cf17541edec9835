"""What is counted, for Prometheus. Labels are small fixed sets of words: no id, no name, no address."""

from __future__ import annotations

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.openmetrics.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """This process's counters. Each instance has its own registry, so that two servers in one process don't mix."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "portico_request_seconds",
            "Time from a request's headers to its answer, by outcome.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._refused = Counter(
            "portico_tokens_refused", "Tokens that were not accepted, by reason.", ["reason"], registry=self.registry
        )
        self._calls = Histogram(
            "portico_source_call_seconds",
            "Time of a call to a source system, by source and status.",
            ["source", "status"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._operations = Counter(
            "portico_operations",
            "Operations executed, by how: PLANNED, or by graphql-core because of INTROSPECTION, MUTATION or REFERENCE.",
            ["way"],
            registry=self.registry,
        )
        self._answered, self._called = cache(self._requests.labels), cache(self._calls.labels)
        self._executed = cache(self._operations.labels)
        self._in_flight = Gauge("portico_requests_in_flight", "Requests being answered.", registry=self.registry)

    def request_answered(self, outcome: str, seconds: float) -> None:
        """Count a request. `outcome` is an error's code, ANSWERED, REFUSED, CLIENT_GONE or HEALTH."""
        self._answered(outcome).observe(seconds)

    def token_refused(self, reason: str) -> None:
        """Count a token that was not accepted, by its `Reason`."""
        self._refused.labels(reason).inc()

    def source_called(self, source: str, status: str, seconds: float) -> None:
        """Count a call: `source` as configured, `status` OK or the error's code."""
        self._called(source, status).observe(seconds)

    def operation_executed(self, way: str) -> None:
        """Count an operation: `way` is a word of `graph.plan.Way`."""
        self._executed(way).inc()

    def in_flight(self, count: int) -> None:
        """How many requests are being answered now."""
        self._in_flight.set(count)


def metrics_application(metrics: Metrics) -> Starlette:
    """`/metrics`, to be served on a listener of its own that only this machine can reach."""

    async def read(_request: Request) -> Response:
        text = generate_latest(metrics.registry)  # type: ignore[no-untyped-call]  # prometheus-client's gap
        return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/metrics", read)])
