"""The FHIR server as the connector sees it: authorized requests that keep the call's deadline.

A 429 or 503 that names a Retry-After is waited for where the deadline allows; a token that is refused is replaced
once; a request that fell on a closed idle connection is sent again once (searches change nothing).
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote_plus

import orjson
import stamina
from yarl import URL

from connectors.fhir.config import FhirConfig
from connectors.fhir.credentials import FORM, Credentials
from connectors.fhir.datatypes import Malformed, element
from connectors.fhir.searchsets import Searchset, address, searchset
from connectors.fhir.shapes import NotJson, decoded
from connectors.transport import Answer, Dropped, Transport
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid, SourceTimeout, SourceUnavailable

Parameters = Sequence[tuple[str, str]]

_ATTEMPTS: Final = 3
_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_GONE: Final = frozenset({404, 410})
_THROTTLED: Final = frozenset({429, 503})
_SERVER_ERROR: Final = 500
_MEDIA_TYPES: Final = frozenset({"application/fhir+json", "application/json"})
_QUOTED: Final = {code: quote_plus(chr(code)) for code in range(128)}
_TRACE: Final = re.compile(r"[A-Za-z0-9\-._]{1,128}")


class PageGone(Exception):
    """The server no longer keeps the page that a link leads to."""


class _Again(Exception):
    """Worth another attempt after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


@dataclass(slots=True, kw_only=True)
class _Request:
    """One request on its way: what it asks, and whether its second chances are spent."""

    method: str
    url: URL
    form: bytes | None
    deadline: float
    trace_id: str
    renewed: bool = False
    resent: bool = False


class FhirServer:
    """Searches, follows links and asks for the capability statement. Errors are `SourceError`s, free of data."""

    def __init__(self, config: FhirConfig) -> None:
        self._config = config
        self._source = config.source
        self.base = URL(config.url.rstrip("/") + "/")
        self._searches: dict[str, URL] = {}
        self._transport = Transport(config.source, connection_limit=config.connection_limit)
        self._credentials = Credentials(config, self._transport)

    async def search(self, call: CallContext, type_: str, parameters: Parameters) -> Searchset:
        """The first page of a search. Parameters go in the body, so that no log of URLs has them. Cost: one request."""
        url = self._searches.get(type_)
        if url is None:
            url = self._searches[type_] = self.base / type_ / "_search"
        form = "&".join([f"{_quoted(name)}={_quoted(value)}" for name, value in parameters]).encode()
        return self._searchset(await self._fetch(call, "POST", url, form), type_)

    async def follow(self, call: CallContext, type_: str, link: str) -> Searchset:
        """The page of a search that a link of this server leads to. Raises `PageGone` too. Cost: one request."""
        try:
            url = address(self.base, link)
        except Malformed as reason:
            raise self._invalid(reason) from None
        return self._searchset(await self._fetch(call, "GET", url, None), type_)

    async def ping(self, call: CallContext) -> None:
        """Whether the server describes itself as FHIR R4 and lets us in."""
        body = await self._fetch(call, "GET", self.base / "metadata", None)
        try:
            statement = element(orjson.loads(body))
        except orjson.JSONDecodeError:
            raise self._no_json() from None
        version = str(statement.get("fhirVersion"))
        if statement.get("resourceType") != "CapabilityStatement" or not version.startswith("4.0"):
            raise SourceInvalid(self._source, "The source system is no FHIR R4 server.")

    async def aclose(self) -> None:
        """Release the connections."""
        await self._credentials.aclose()
        await self._transport.aclose()

    def _searchset(self, body: bytes, type_: str) -> Searchset:
        try:
            return searchset(decoded(body, type_), self.base)
        except NotJson:
            raise self._no_json() from None
        except Malformed as reason:
            raise self._invalid(reason) from None

    def _invalid(self, reason: Malformed) -> SourceInvalid:
        return SourceInvalid(self._source, f"The source system's answer can't be used: {reason}.")

    def _no_json(self) -> SourceInvalid:
        return SourceInvalid(self._source, "The source system's answer is not JSON.")

    async def _fetch(self, call: CallContext, method: str, url: URL, form: bytes | None) -> bytes:
        """The body of an answer, within the call's deadline."""
        request = _Request(method=method, url=url, form=form, deadline=call.deadline, trace_id=call.trace_id)
        left_seconds = call.deadline - time.monotonic()
        if left_seconds <= 0:
            raise SourceTimeout(self._source)
        try:
            async with asyncio.timeout(left_seconds):
                return await self._attempts(request)
        except TimeoutError:
            raise SourceTimeout(self._source) from None

    async def _attempts(self, request: _Request) -> bytes:
        try:
            return await self._once(request)
        except _Again as reason:
            first = reason
        try:
            async for attempt in stamina.retry_context(on=_pause, attempts=_ATTEMPTS, timeout=None):
                with attempt:
                    if attempt.num == 1:  # which was made above, where most need no other
                        raise first
                    return await self._once(request)
        except _Again:
            pass
        raise SourceUnavailable(self._source, "The source system asks to be left alone for longer than there is time.")

    async def _once(self, request: _Request) -> bytes:
        token = await self._credentials.token()
        headers = {"Accept": "application/fhir+json", "Authorization": f"Bearer {token}"}
        if _TRACE.fullmatch(request.trace_id):
            headers["X-Request-Id"] = request.trace_id
        try:
            answer = await self._transport.send(
                request.method,
                request.url,
                request.form,
                media_type=FORM,
                body_limit_bytes=self._config.body_limit_bytes,
                headers=headers,
            )
        except Dropped:
            if request.resent:
                raise
            request.resent = True
            raise _Again(0.0) from None
        if answer.status == _UNAUTHORIZED and not request.renewed:
            request.renewed = True
            self._credentials.forget(token)
            raise _Again(0.0)
        return self._document(answer, request)

    def _document(self, answer: Answer, request: _Request) -> bytes:
        """What an answer carries, or what its status means."""
        status = answer.status
        if status in _THROTTLED:
            self._wait(answer.retry_after, request.deadline)
        if status in {_UNAUTHORIZED, _FORBIDDEN}:
            raise SourceUnavailable(self._source, "The source system refuses Portico's credentials.")
        if status in _GONE and request.form is None:
            raise PageGone
        if status >= _SERVER_ERROR:
            raise SourceUnavailable(self._source, "The source system failed.")
        if status != _OK or answer.media_type not in _MEDIA_TYPES:
            raise SourceInvalid(self._source, "The source system's answer is not FHIR as agreed.")
        return answer.body

    def _wait(self, retry_after: str | None, deadline: float) -> None:
        """Ask for another attempt after the pause that the server names, if there is time for it."""
        if retry_after is None or not retry_after.isascii() or not retry_after.isdigit():
            raise SourceUnavailable(self._source, "The source system is busy.")
        seconds = float(retry_after[:9])
        if seconds > self._config.throttle_wait_limit_seconds or time.monotonic() + seconds >= deadline:
            raise SourceUnavailable(self._source, "The source system is busy for longer than there is time.")
        raise _Again(seconds)


def _pause(error: Exception) -> float | bool:
    return error.seconds if isinstance(error, _Again) else False


def _quoted(text: str) -> str:
    """A part of a URL-encoded form."""
    return text.translate(_QUOTED) if text.isascii() else quote_plus(text)
