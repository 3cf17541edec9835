"""The PostgreSQL server that does the work behind the fronts."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """Where the server listens: `host` is a name, or the folder of its Unix socket.

    It has to trust its front's connections, since the front has asked for the password already.
    """

    host: str
    port: int = 5432

    @classmethod
    def from_url(cls, url: str) -> Upstream:
        """The server of a libpq URL: `postgresql://postgres@/postgres?host=/run/postgresql`."""
        parts = urlsplit(url)
        (host,) = parse_qs(parts.query).get("host", [parts.hostname or "localhost"])
        return cls(host=host, port=parts.port or 5432)

    async def connect(self) -> Streams:
        """A new connection to the server."""
        if self.host.startswith("/"):
            return await asyncio.open_unix_connection(str(Path(self.host) / f".s.PGSQL.{self.port}"))
        return await asyncio.open_connection(self.host, self.port)
