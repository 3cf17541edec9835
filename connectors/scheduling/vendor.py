"""HTTP to the vendor: one pooled session, one origin, no redirects, cookies or proxy, a cap on every body.

Here aiohttp's errors become Portico's. Nothing of a request or an answer gets into a message, and no foreign error is
chained: it would carry URLs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from time import monotonic
from typing import Any, Final

import aiohttp
import orjson
from yarl import URL

from connectors.scheduling.config import SchedulingConfig
from portico.records.context import CallContext
from portico.records.errors import SourceError, SourceInvalid, SourceTimeout, SourceUnavailable

Json = Mapping[str, Any]
"""A JSON object of the vendor's."""

_HOLDS_JSON: Final = {"Content-Type": "application/json"}
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_MISUNDERSTOOD: Final = frozenset({400, 404, 405, 413, 415, 422})
_BUSY: Final = frozenset({429, 503})
_SHORTEST_WAIT_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    media_type: str
    retry_after: str | None
    body: bytes


class _Dropped(SourceUnavailable):
    """The connection ended without an answer: at once, when the vendor had closed an idle one."""


class Vendor:
    """Asks one question at a time per call, many calls at once. The session opens with the first question."""

    def __init__(self, config: SchedulingConfig) -> None:
        self._config = config
        self._url = cache(URL(config.url.rstrip("/")).joinpath)
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def post(self, call: CallContext, path: str, question: Json) -> Json:
        """The answer to a question. Raises the three errors of a source, and stops at the call's deadline."""
        return await self._within(call, "POST", self._url(path), orjson.dumps(question))

    async def get(self, call: CallContext, path: str, parameters: Mapping[str, str] | None = None) -> Json:
        """What stands at a path. Raises the three errors of a source, and stops at the call's deadline."""
        return await self._within(call, "GET", self._url(path).with_query(parameters or {}), None)

    async def aclose(self) -> None:
        """Close the pooled connections, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    async def _within(self, call: CallContext, method: str, url: URL, body: bytes | None) -> Json:
        seconds = call.deadline - monotonic()
        if seconds <= 0:
            raise SourceTimeout(self._config.source)
        try:
            async with asyncio.timeout(seconds):
                return self._content(await self._patiently(call, method, url, body))
        except TimeoutError:
            raise SourceTimeout(self._config.source) from None

    async def _patiently(self, call: CallContext, method: str, url: URL, body: bytes | None) -> _Answer:
        """Wait as the vendor asks while it is busy, as long as that can still be in time."""
        while True:
            answer = await self._send(method, url, body)
            if answer.status not in _BUSY:
                return answer
            wait_seconds = _wait_seconds(answer.retry_after)
            longest = min(self._config.throttle_wait_limit_seconds, call.deadline - monotonic())
            if wait_seconds is None or wait_seconds >= longest:
                raise SourceUnavailable(self._config.source, "The source system takes no more requests for now.")
            await asyncio.sleep(wait_seconds)

    async def _send(self, method: str, url: URL, body: bytes | None) -> _Answer:
        """One answer. Every question only reads, so it is asked again where an idle connection turns out closed."""
        try:
            return await self._attempt(method, url, body)
        except _Dropped:
            return await self._attempt(method, url, body)

    async def _attempt(self, method: str, url: URL, body: bytes | None) -> _Answer:
        headers = None if body is None else _HOLDS_JSON
        with self._seam():
            session = self._opened()
            async with session.request(method, url, headers=headers, data=body, allow_redirects=False) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise SourceInvalid(self._config.source, "The source system answered in an encoding not asked for.")
                return _Answer(
                    status=response.status,
                    media_type=response.content_type,
                    retry_after=response.headers.get("Retry-After"),
                    body=await self._body(response),
                )

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        body = bytearray()
        while chunk := await response.content.readany():
            body += chunk
            if len(body) > self._config.body_limit_bytes:
                response.close()
                raise SourceInvalid(self._config.source, "The source system's answer is larger than agreed.")
        return bytes(body)

    def _content(self, answer: _Answer) -> Json:
        if answer.status in _REDIRECTS or answer.status in _MISUNDERSTOOD:
            raise SourceInvalid(self._config.source, "The source system doesn't answer as agreed.")
        if answer.status != _OK:
            raise SourceUnavailable(self._config.source)
        if answer.media_type != "application/json":
            raise SourceInvalid(self._config.source, "The source system's answer is not JSON.")
        try:
            content = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise SourceInvalid(self._config.source, "The source system's answer is not JSON.") from None
        if not isinstance(content, dict):
            raise SourceInvalid(self._config.source, "The source system's answer is not an object.")
        return content

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise SourceUnavailable(self._config.source, "The connection to the source system is closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._config.connection_limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={
                    "X-Api-Key": self._config.api_key,
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    @contextmanager
    def _seam(self) -> Iterator[None]:
        source = self._config.source
        try:
            yield
        except SourceError:
            raise
        except aiohttp.ClientConnectorError:
            raise SourceUnavailable(source, "The source system can't be reached.") from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
            raise _Dropped(source, "The source system closed the connection.") from None
        except aiohttp.ClientPayloadError:
            raise SourceUnavailable(source, "The source system's answer broke off.") from None
        except (aiohttp.ClientError, ValueError):
            raise SourceInvalid(source, "The source system doesn't answer in HTTP as agreed.") from None


def _wait_seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3); a date or nonsense is no promise to build on."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdecimal():
        return None
    return max(_SHORTEST_WAIT_SECONDS, float(retry_after))
