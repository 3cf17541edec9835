"""The connector's own credential: OAuth2 client credentials (RFC 6749, section 4.4), renewed before it ends.

However many calls want a token at once, one asks for it. A waiting call that is cancelled doesn't cancel the asking.
"""

from __future__ import annotations

import asyncio
import base64
import re
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import quote_plus, urlencode

import orjson
from yarl import URL

from connectors.fhir.config import FhirConfig
from connectors.transport import Answer, Transport
from portico.records.errors import SourceInvalid, SourceTimeout, SourceUnavailable

FORM: Final = "application/x-www-form-urlencoded"

_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/]{1,8192}=*")
_ANSWER_LIMIT_BYTES: Final = 65_536
_TIMEOUT_SECONDS: Final = 10.0
_MARGIN_SECONDS: Final = 30.0
_UNSTATED_LIFETIME_SECONDS: Final = 60
_OK: Final = 200
_REFUSED: Final = frozenset({400, 401, 403})


class Credentials:
    """Gives a bearer token that still lives. `clock` reads seconds."""

    def __init__(
        self, config: FhirConfig, transport: Transport, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._config = config
        self._transport = transport
        self._clock = clock
        self._token = ""
        self._renew_at = float("-inf")
        self._asking: asyncio.Task[str] | None = None

    async def token(self) -> str:
        """A bearer token. Cost: nothing while one lives, else one request, shared by all who wait.

        Raises `SourceUnavailable` if the client is refused, `SourceInvalid`, `SourceTimeout`.
        """
        if self._clock() < self._renew_at:
            return self._token
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask())
            self._asking.add_done_callback(self._asked)
        return await asyncio.shield(self._asking)

    def forget(self, token: str) -> None:
        """Use that token no more, since the server refused it. Does nothing if it has been replaced already."""
        if token == self._token:
            self._renew_at = float("-inf")

    async def aclose(self) -> None:
        """Stop asking."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    def _asked(self, task: asyncio.Task[str]) -> None:
        self._asking = None
        if not task.cancelled():
            task.exception()  # seen, even if every waiting call has gone

    async def _ask(self) -> str:
        source = self._config.source
        pair = f"{quote_plus(self._config.client_id)}:{quote_plus(self._config.client_secret)}"
        headers = {
            "Accept": "application/json",
            "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
        }
        form = urlencode({"grant_type": "client_credentials", "scope": self._config.scope}).encode()
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                answer = await self._transport.send(
                    "POST",
                    URL(self._config.token_url),
                    form,
                    media_type=FORM,
                    body_limit_bytes=_ANSWER_LIMIT_BYTES,
                    headers=headers,
                )
        except TimeoutError:
            raise SourceTimeout(source, "The source system's token endpoint did not answer in time.") from None
        self._token, lifetime_seconds = self._granted(answer)
        self._renew_at = self._clock() + lifetime_seconds - min(_MARGIN_SECONDS, lifetime_seconds / 4)
        return self._token

    def _granted(self, answer: Answer) -> tuple[str, float]:
        """The token of a token endpoint's answer, and how many seconds it lives."""
        source = self._config.source
        if answer.status in _REFUSED:
            raise SourceUnavailable(source, "The source system refuses Portico's credentials.")
        if answer.status != _OK:
            raise SourceUnavailable(source, "The source system's token endpoint is not available.")
        try:
            grant = orjson.loads(answer.body)
        except orjson.JSONDecodeError:
            grant = None
        match grant:
            case {"access_token": str(token), "token_type": str(kind)} if kind.lower() == "bearer":
                lifetime = grant.get("expires_in", _UNSTATED_LIFETIME_SECONDS)
                if _TOKEN.fullmatch(token) and isinstance(lifetime, int) and lifetime > 0:
                    return token, float(lifetime)
        raise SourceInvalid(source, "The source system's token endpoint gave no usable token.")
