"""The billing system as one process: a front a tenant, and the control beside them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import uvicorn
from starlette.applications import Starlette

from sandbox.billing.accounts import Account, prepare
from sandbox.billing.front import Front
from sandbox.billing.mixup import Mixup
from sandbox.billing.upstream import Upstream
from sandbox.control import Control, Mode
from sandbox.population.model import Population

MODES: Final = frozenset(
    {Mode.WELL, Mode.SLOW, Mode.ERROR, Mode.THROTTLE, Mode.RESET, Mode.WRONG_PATIENT, Mode.HUGE},
)
"""How this source can misbehave. It has pages, but no links to them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the process listens: a PostgreSQL port a tenant, and the control's base URL."""

    host: str
    ports: Mapping[str, int]
    control_url: str


@contextlib.asynccontextmanager
async def running(
    populations: Mapping[str, Population],
    control: Control,
    *,
    upstream: str,
    accounts: Sequence[Account],
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    control_port: int = 0,
) -> AsyncIterator[Listening]:
    """Fill the databases and serve them for as long as the context lasts.

    `upstream` is the superuser's libpq URL of the real server, which trusts local connections. There is one account
    a tenant; `ports` says on which port each listens (default: whichever is free).
    """
    fronts: list[Front] = []
    chosen: dict[str, int] = {}
    try:
        for account in accounts:
            population = populations[account.tenant]
            await prepare(upstream, account, population)
            front = Front(account, control, Upstream.from_url(upstream), Mixup(population))
            fronts.append(front)
            chosen[account.tenant] = await front.listen(host, (ports or {}).get(account.tenant, 0))
        async with _controlled(control, host, control_port) as url:
            yield Listening(host=host, ports=chosen, control_url=url)
    finally:
        for front in fronts:
            await front.aclose()


async def serve(
    populations: Mapping[str, Population],
    control: Control,
    *,
    upstream: str,
    accounts: Sequence[Account],
    ready: Callable[[Listening], None],
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    control_port: int = 0,
) -> None:
    """As `running`, until cancelled; `ready` is told where once everything listens."""
    async with running(
        populations, control, upstream=upstream, accounts=accounts, host=host, ports=ports, control_port=control_port
    ) as listening:
        ready(listening)
        await asyncio.Event().wait()


class _ControlServer(uvicorn.Server):
    """Leaves the signals to the process that it is a part of."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


@contextlib.asynccontextmanager
async def _controlled(control: Control, host: str, port: int) -> AsyncIterator[str]:
    with socket.create_server((host, port)) as listener:
        server = _ControlServer(
            uvicorn.Config(Starlette(routes=control.routes()), log_config=None, lifespan="off"),
        )
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            yield f"http://{host}:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving
