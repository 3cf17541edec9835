"""HTTP to one source system: one pooled session, no redirects, no cookies, no proxy, a cap on every body.

Here aiohttp's errors become Portico's. Nothing of a request or an answer gets into a message, and no foreign error is
chained: it would carry URLs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
from yarl import URL

from portico.records.errors import SourceError, SourceInvalid, SourceUnavailable
from portico.records.references import SourceName

_NONE: Final[Mapping[str, str]] = {}


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, its body read whole and within the cap."""

    status: int
    media_type: str
    retry_after: str | None
    body: bytes


class Dropped(SourceUnavailable):
    """The connection ended without an answer: at once, when the server had closed an idle one."""


class Transport:
    """Sends one request at a time per call, many calls at once. The session opens with the first request.

    `headers` go with each request.
    """

    def __init__(self, source: SourceName, *, connection_limit: int, headers: Mapping[str, str] = _NONE) -> None:
        self._source = source
        self._connection_limit = connection_limit
        self._headers = {"Accept-Encoding": "identity", **headers}
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

    async def send(
        self,
        method: str,
        url: URL,
        body: bytes | None,
        *,
        media_type: str,
        body_limit_bytes: int,
        headers: Mapping[str, str] = _NONE,
    ) -> Answer:
        """The answer to one request; a `body` is of the media type.

        Raises `SourceUnavailable`, `Dropped` or `SourceInvalid`. The caller keeps the time.
        """
        sent = headers if body is None else {**headers, "Content-Type": media_type}
        session = self._opened()
        try:
            async with session.request(method, url, headers=sent, data=body, allow_redirects=False) as response:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise SourceInvalid(self._source, "The source system answered in an encoding not asked for.")
                return Answer(
                    status=response.status,
                    media_type=response.content_type,
                    retry_after=response.headers.get("Retry-After"),
                    body=await self._body(response, body_limit_bytes),
                )
        except SourceError:
            raise
        except aiohttp.ClientConnectorError:
            raise SourceUnavailable(self._source, "The source system can't be reached.") from None
        except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, ConnectionError):
            raise Dropped(self._source, "The source system closed the connection.") from None
        except aiohttp.ClientPayloadError:
            raise SourceUnavailable(self._source, "The source system's answer broke off.") from None
        except (aiohttp.ClientError, ValueError):
            raise SourceInvalid(self._source, "The source system doesn't answer in HTTP as agreed.") from None

    async def aclose(self) -> None:
        """Close the pooled connections, for good."""
        self._closed = True
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        if self._closed:
            raise SourceUnavailable(self._source, "The connection to the source system is closed.")
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._connection_limit),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers=self._headers,
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def _body(self, response: aiohttp.ClientResponse, limit_bytes: int) -> bytes:
        chunks: list[bytes] = []
        size_bytes = 0
        while chunk := await response.content.readany():
            chunks.append(chunk)
            size_bytes += len(chunk)
            if size_bytes > limit_bytes:
                response.close()
                raise SourceInvalid(self._source, "The source system's answer is larger than agreed.")
        return b"".join(chunks)
