"""The server process: uvicorn, told everything that it would otherwise decide for itself."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from portico.edge.wire import StrictProtocol

_KEEP_ALIVE_SECONDS: Final = 10
_DRAIN_MARGIN_SECONDS: Final = 2
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Server(uvicorn.Server):
    """Stops when told to, and then returns.

    uvicorn would raise the signal once more after it has stopped, and so end the process before what the server
    stands on (pools, the audit trail) is taken down.
    """

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """While serving, a signal asks to finish and stop; a second SIGINT stops at once."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)


class SideServer(Server):
    """A server beside the main one: it stops when that says so, not by signals of its own."""

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the main server."""
        yield


def server(
    app: ASGIApp,
    *,
    host: str,
    port: int,
    request_timeout_seconds: float,
    protocol: type[StrictProtocol] = StrictProtocol,
) -> Server:
    """A server for the application, not yet started. On a signal it finishes the requests under way, then returns."""
    return Server(_config(app, host, port, request_timeout_seconds, protocol))


def metrics_server(app: ASGIApp, *, port: int) -> SideServer:
    """A server for the metrics, that only this machine can reach. Set its `should_exit` when the main one returns."""
    return SideServer(_config(app, "127.0.0.1", port, 1.0, StrictProtocol))


def _config(
    app: ASGIApp, host: str, port: int, request_timeout_seconds: float, protocol: type[StrictProtocol]
) -> uvicorn.Config:
    return uvicorn.Config(
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
