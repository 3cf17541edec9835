"""The ASGI application: every address there is, and what each answer goes through."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ExceptionHandler, Lifespan

from portico.edge.claims import TokenRefused
from portico.edge.credentials import PURPOSE_HEADER, Verifier
from portico.edge.endpoint import Endpoint, Limits
from portico.edge.envelope import Envelope
from portico.edge.flight import ClientGone, Executor, Flights
from portico.edge.health import Readiness, health_routes
from portico.edge.media import MediaType
from portico.edge.metrics import Metrics
from portico.edge.refusals import refusal
from portico.records.errors import CallerError, InvalidRequest, MethodRefused, NotFound

_CLIENT_GONE = 499
"""Nobody receives it; nginx's status for it, so that logs read alike."""


def application(
    *,
    executor: Executor,
    verifier: Verifier,
    readiness: Readiness,
    metrics: Metrics,
    limits: Limits | None = None,
    origins: Sequence[str] = (),
    get_queries: bool = False,
    lifespan: Lifespan[Starlette] | None = None,
) -> Starlette:
    """The server: `/graphql` by POST, `/health/live`, `/health/ready`, and nothing else.

    `origins` are those of web pages that may ask from a browser, matched exactly; with none there is no CORS. With
    `get_queries`, `/graphql` takes GET too, for queries only.
    """
    limits = limits or Limits()
    flights = Flights(executor, limit=limits.in_flight_limit, metrics=metrics)
    methods = ("GET", "POST") if get_queries else ("POST",)
    endpoint = Endpoint(flights=flights, verifier=verifier, limits=limits, methods=methods)
    graphql = Route("/graphql", endpoint)  # whose methods are its own business: it tells nobody unknown what it takes
    server = Starlette(
        routes=[graphql, *health_routes(readiness)],
        middleware=[Middleware(Envelope, metrics=metrics), *_cors(origins, methods)],
        exception_handlers=_refusals(metrics),
        lifespan=lifespan,
    )
    server.router.redirect_slashes = False
    return server


def _cors(origins: Sequence[str], methods: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=methods,
            allow_headers=["Authorization", "Content-Type", PURPOSE_HEADER],
            expose_headers=["X-Request-Id"],
        )
    ]


def _refusals(metrics: Metrics) -> dict[type[Exception], ExceptionHandler]:
    def refuse(request: Request, error: Exception) -> Response:
        told = _told(error)
        request.state.outcome = told.code
        if isinstance(told, TokenRefused):
            request.state.reason = told.reason.value
            metrics.token_refused(told.reason)
        media_type = getattr(request.state, "media_type", MediaType.JSON)
        response = refusal(told, media_type=media_type, request_id=request.state.request_id)
        if isinstance(error, HTTPException):
            response.headers.update(error.headers or {})
        return response

    def forget(request: Request, _error: Exception) -> Response:
        request.state.outcome = "CLIENT_GONE"
        return Response(status_code=_CLIENT_GONE)

    return {CallerError: refuse, HTTPException: refuse, ClientGone: forget}


def _told(error: Exception) -> CallerError:
    """The error to tell of: the router's own are put in our words."""
    match error:
        case CallerError():
            return error
        case HTTPException(status_code=404):
            return NotFound()
        case HTTPException(status_code=405):
            return MethodRefused()
        case _:
            return InvalidRequest()
