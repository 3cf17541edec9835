"""The TCP door to one tenant's database: asks for the password, then relays."""

from __future__ import annotations

import asyncio
import contextlib
from hmac import compare_digest
from typing import Final

from sandbox.billing import wire
from sandbox.billing.accounts import Account
from sandbox.billing.mixup import Mixup
from sandbox.billing.session import FAILURES, Session
from sandbox.billing.upstream import Streams, Upstream
from sandbox.control import Control, Mode

CLOSE_TIMEOUT_SECONDS: Final = 1.0


class Front:
    """Speaks PostgreSQL's protocol to clients. Lets in one user to one database, whomever the server itself trusts."""

    def __init__(self, account: Account, control: Control, upstream: Upstream, mixup: Mixup) -> None:
        self._account = account
        self._control = control
        self._upstream = upstream
        self._mixup = mixup
        self._sessions: set[Session] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Accept connections; answers the port, which the system chose where it was asked for 0."""
        self._server = await asyncio.start_server(self._accept, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and end every session."""
        if self._server:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = asyncio.ensure_future(self._serve((reader, writer)))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, client: Streams) -> None:
        reader, writer = client
        try:
            with contextlib.suppress(OSError, EOFError, wire.ProtocolViolation):
                startup = await wire.read_startup(reader)
                while startup.code in {wire.SSL_REQUEST, wire.GSSENC_REQUEST}:
                    writer.write(b"N")
                    startup = await wire.read_startup(reader)
                if startup.code == wire.CANCEL_REQUEST:
                    await self._cancel(startup)
                elif await self._admitted(startup, client):
                    await self._relay(startup, client)
        finally:
            await _close(writer)

    async def _cancel(self, request: wire.Startup) -> None:
        if any(session.cancel() for session in self._sessions if session.key == request.body):
            return
        _, writer = await self._upstream.connect()
        writer.write(request.encode())
        await _close(writer)

    async def _admitted(self, startup: wire.Startup, client: Streams) -> bool:
        reader, writer = client
        if self._control.mode is Mode.THROTTLE:
            writer.write(FAILURES[Mode.THROTTLE].encode())
            return False
        wanted = startup.parameters()
        writer.write(wire.CLEARTEXT_PASSWORD)
        password = (await wire.read_message(reader)).body.rstrip(b"\0")
        known = compare_digest(password, self._account.password.encode())
        if known and wanted.get("user") == self._account.user and wanted.get("database") == self._account.database:
            return True
        writer.write(wire.error("28P01", "password authentication failed", severity="FATAL").encode())
        return False

    async def _relay(self, startup: wire.Startup, client: Streams) -> None:
        server = await self._upstream.connect()
        session = Session(self._account.tenant, self._control, self._mixup, client, server)
        self._sessions.add(session)
        try:
            server[1].write(startup.encode())
            await session.run()
        finally:
            self._sessions.discard(session)
            await _close(server[1])


async def _close(writer: asyncio.StreamWriter) -> None:
    """Send what is left and close; a client that doesn't read is not waited for."""
    writer.close()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_SECONDS):
            await writer.wait_closed()
    except OSError:
        writer.transport.abort()
