"""An identity provider's keys from its JWKS endpoint, fetched when needed and kept no longer than they are good."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiohttp

from portico import logs
from portico.edge.keys import UnusableKeySet, VerificationKey, read_key_set
from portico.records.errors import Fault

_log = logs.logger()

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_NEVER: Final = float("-inf")
_OK: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class JwksConfig:
    """Where keys are published, and how long a copy is good."""

    url: str
    """https, or http on loopback. Redirects aren't followed."""
    refresh_seconds: float = 30.0
    """A copy older than this is refreshed while it still serves."""
    stale_seconds: float = 60.0
    """A copy whose last refresh is longer ago than this waits for the next one: a key ends with its removal."""
    outage_seconds: float = 3600.0
    """How long the last good copy serves while the endpoint gives none."""
    search_seconds: float = 30.0
    """Shortest time between two fetches for the sake of an unknown key id."""
    retry_seconds: float = 2.0
    """Shortest time between two tries while there is no copy at all."""
    timeout_seconds: float = 3.0
    size_limit_bytes: int = 262144


class JwksCache:
    """A `KeySource` over one JWKS URL. Close it when done.

    However many ask, one fetch is under way at a time. An answer that can't be used changes nothing.
    """

    def __init__(self, config: JwksConfig, *, clock: Callable[[], float] = time.monotonic) -> None:
        parts = urlsplit(config.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise Fault("The JWKS URL must be https, or http on loopback.")
        self._config = config
        self._clock = clock
        self._keys: Mapping[str, VerificationKey] = {}
        self._fetched_at = _NEVER
        """The last good answer."""
        self._tried_at = _NEVER
        """The last answer or failure."""
        self._searched_at = _NEVER
        """The last fetch for an unknown key id."""
        self._begun = 0
        """How many fetches have begun."""
        self._fetch: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that id. Cost: seldom a fetch, at most `timeout_seconds`.

        One that isn't known is looked for in a fetch that began after it was asked for, if there may be one: a key
        that was just published is found, however many ask for it at once.
        """
        begun = self._begun
        await self._freshen()
        while (found := self._current().get(kid)) is None:
            if not self._fetching:
                if self._begun > begun or self._clock() - self._searched_at < self._config.search_seconds:
                    break
                self._searched_at = self._clock()
            await self._refresh()
        return found

    async def ready(self) -> bool:
        """Whether there is any key to verify with."""
        await self._freshen()
        return bool(self._current())

    async def aclose(self) -> None:
        """End what is under way and release the connection. May be called more than once."""
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait({self._fetch})
        if self._session is not None:
            await self._session.close()

    def _current(self) -> Mapping[str, VerificationKey]:
        return self._keys if self._clock() - self._fetched_at <= self._config.outage_seconds else {}

    async def _freshen(self) -> None:
        since = self._clock() - self._tried_at
        if since >= (self._config.stale_seconds if self._current() else self._config.retry_seconds):
            await self._refresh()
        elif since >= self._config.refresh_seconds:
            self._start()

    async def _refresh(self) -> None:
        await asyncio.wait({self._start()})

    @property
    def _fetching(self) -> bool:
        return self._fetch is not None and not self._fetch.done()

    def _start(self) -> asyncio.Task[None]:
        if self._fetch is None or self._fetch.done():
            self._begun += 1
            self._fetch = asyncio.create_task(self._try())
        return self._fetch

    async def _try(self) -> None:
        try:
            self._keys = read_key_set(await self._download(), self._keys)
            self._fetched_at = self._clock()
        except (aiohttp.ClientError, TimeoutError, OSError, UnusableKeySet):
            _log.warning("keys_unavailable", exc_info=True)
        finally:
            self._tried_at = self._clock()

    async def _download(self) -> bytes:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity"},
                timeout=aiohttp.ClientTimeout(total=self._config.timeout_seconds),
                auto_decompress=False,
            )
        async with self._session.get(self._config.url, allow_redirects=False) as response:
            if response.status != _OK:
                raise UnusableKeySet
            text = bytearray()
            async for chunk in response.content.iter_any():
                text += chunk
                if len(text) > self._config.size_limit_bytes:
                    raise UnusableKeySet
            return bytes(text)
