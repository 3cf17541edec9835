"""The scheduling vendor as the connector sees it: questions with our key, and answers in JSON, within the deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from time import monotonic
from typing import Any, Final

import orjson
from yarl import URL

from connectors.scheduling.config import SchedulingConfig
from connectors.transport import Answer, Dropped, Transport
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid, SourceTimeout, SourceUnavailable

Json = Mapping[str, Any]
"""A JSON object of the vendor's."""

_JSON: Final = "application/json"
_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_MISUNDERSTOOD: Final = frozenset({400, 404, 405, 413, 415, 422})
_BUSY: Final = frozenset({429, 503})
_SHORTEST_WAIT_SECONDS: Final = 0.1


class Vendor:
    """Asks one question at a time per call, many calls at once. The session opens with the first question."""

    def __init__(self, config: SchedulingConfig) -> None:
        self._config = config
        self._url = cache(URL(config.url.rstrip("/")).joinpath)
        self._transport = Transport(
            config.source,
            connection_limit=config.connection_limit,
            headers={"X-Api-Key": config.api_key, "Accept": _JSON},
        )

    async def post(self, call: CallContext, path: str, question: Json) -> Json:
        """The answer to a question. Raises the three errors of a source, and stops at the call's deadline."""
        return await self._within(call, "POST", self._url(path), orjson.dumps(question))

    async def get(self, call: CallContext, path: str, parameters: Mapping[str, str] | None = None) -> Json:
        """What stands at a path. Raises the three errors of a source, and stops at the call's deadline."""
        return await self._within(call, "GET", self._url(path).with_query(parameters or {}), None)

    async def aclose(self) -> None:
        """Close the pooled connections, for good."""
        await self._transport.aclose()

    async def _within(self, call: CallContext, method: str, url: URL, body: bytes | None) -> Json:
        seconds = call.deadline - monotonic()
        if seconds <= 0:
            raise SourceTimeout(self._config.source)
        try:
            async with asyncio.timeout(seconds):
                return self._content(await self._patiently(call, method, url, body))
        except TimeoutError:
            raise SourceTimeout(self._config.source) from None

    async def _patiently(self, call: CallContext, method: str, url: URL, body: bytes | None) -> Answer:
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

    async def _send(self, method: str, url: URL, body: bytes | None) -> Answer:
        """One answer. Every question only reads, so it is asked again where an idle connection turns out closed."""
        try:
            return await self._attempt(method, url, body)
        except Dropped:
            return await self._attempt(method, url, body)

    async def _attempt(self, method: str, url: URL, body: bytes | None) -> Answer:
        limit = self._config.body_limit_bytes
        return await self._transport.send(method, url, body, media_type=_JSON, body_limit_bytes=limit)

    def _content(self, answer: Answer) -> Json:
        if answer.status in _REDIRECTS or answer.status in _MISUNDERSTOOD:
            raise SourceInvalid(self._config.source, "The source system doesn't answer as agreed.")
        if answer.status != _OK:
            raise SourceUnavailable(self._config.source)
        if answer.media_type != _JSON:
            raise SourceInvalid(self._config.source, "The source system's answer is not JSON.")
        try:
            content = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            raise SourceInvalid(self._config.source, "The source system's answer is not JSON.") from None
        if not isinstance(content, dict):
            raise SourceInvalid(self._config.source, "The source system's answer is not an object.")
        return content


def _wait_seconds(retry_after: str | None) -> float | None:
    """Retry-After in seconds (RFC 9110, 10.2.3); a date or nonsense is no promise to build on."""
    if retry_after is None or not retry_after.isascii() or not retry_after.isdecimal():
        return None
    return max(_SHORTEST_WAIT_SECONDS, float(retry_after))
