"""How a simulated source becomes a process: it listens on loopback, says where, and serves until told to stop."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Mapping
from typing import Final

import orjson
import uvicorn
from starlette.types import ASGIApp

HOST: Final = "127.0.0.1"


def announce(url: str, ports: Mapping[str, int] | None = None) -> None:
    """Tell whoever started this process where it listens: one line of JSON on standard output.

    `url` is its base URL (for billing: of its control), `ports` the further ports by tenant.
    """
    sys.stdout.buffer.write(orjson.dumps({"url": url, "ports": dict(ports or {})}) + b"\n")
    sys.stdout.flush()


def serve(build: Callable[[str], ASGIApp], *, port: int) -> None:
    """Serve what `build` makes for the base URL, on a port (0: any free one), until SIGTERM or SIGINT."""
    with socket.create_server((HOST, port)) as listener:
        url = f"http://{HOST}:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            build(url),
            log_level="warning",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=1,
        )
        announce(url)
        uvicorn.Server(config).run(sockets=[listener])
