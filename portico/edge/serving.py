"""The server process: uvicorn, told everything that it would otherwise decide for itself."""

from __future__ import annotations

from typing import Final

import uvicorn
from starlette.types import ASGIApp

from portico.edge.wire import StrictProtocol

_KEEP_ALIVE_SECONDS: Final = 10
_DRAIN_MARGIN_SECONDS: Final = 2


def server(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    request_timeout_seconds: float,
    protocol: type[StrictProtocol] = StrictProtocol,
) -> uvicorn.Server:
    """A server for the application, not yet started. On a signal it finishes the requests under way, then stops."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=protocol,
            ws="none",
            lifespan="on",
            loop="uvloop",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=int(request_timeout_seconds) + _DRAIN_MARGIN_SECONDS,
        )
    )


def metrics_server(app: ASGIApp, *, port: int) -> uvicorn.Server:
    """A server for the metrics, that only this machine can reach."""
    return server(app, host="127.0.0.1", port=port, request_timeout_seconds=1)
