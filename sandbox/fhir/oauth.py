"""The EHR's authorization server: OAuth2 client credentials (RFC 6749, section 4.4) and bearer tokens (RFC 6750)."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sandbox.fhir.refusals import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A tenant's backend client, as registered with the EHR."""

    secret: str
    id: str = "portico"


class Authorization:
    """One tenant's tokens, which live `lifetime_seconds`. `clock` reads seconds."""

    def __init__(self, client: Client, *, lifetime_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._lifetime_seconds = lifetime_seconds
        self._clock = clock
        self._tokens: dict[str, float] = {}

    async def token(self, request: Request) -> Response:
        """The token endpoint."""
        if request.headers.get("content-type", "").partition(";")[0] != "application/x-www-form-urlencoded":
            return _error(400, "invalid_request")
        form = dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=20))
        if not self._knows(*_presented(request, form)):
            return _error(401, "invalid_client")
        if form.get("grant_type") != "client_credentials":
            return _error(400, "unsupported_grant_type")
        now = self._clock()
        self._tokens = {token: until for token, until in self._tokens.items() if until > now}
        token = secrets.token_urlsafe(32)
        self._tokens[token] = now + self._lifetime_seconds
        answer = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": int(self._lifetime_seconds),
            "scope": "system/*.read",
        }
        return JSONResponse(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    def check(self, request: Request) -> None:
        """Refuse a request without a token of ours that still lives."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Refusal(401, "login", "a bearer token is required", {"WWW-Authenticate": "Bearer"})
        if self._tokens.get(token, 0.0) <= self._clock():
            challenge = 'Bearer error="invalid_token"'
            raise Refusal(401, "expired", "the token is unknown or has expired", {"WWW-Authenticate": challenge})

    def _knows(self, id_: str, secret: str) -> bool:
        same_id = secrets.compare_digest(id_.encode(), self._client.id.encode())
        same_secret = secrets.compare_digest(secret.encode(), self._client.secret.encode())
        return same_id and same_secret


def _presented(request: Request, form: Mapping[str, str]) -> tuple[str, str]:
    """The client's id and secret, by HTTP Basic or in the form (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    try:
        id_, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return unquote_plus(id_), unquote_plus(secret)


def _error(status: int, code: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == 401:  # noqa: PLR2004  # HTTP
        headers["WWW-Authenticate"] = "Basic"
    return JSONResponse({"error": code}, status, headers=headers)
