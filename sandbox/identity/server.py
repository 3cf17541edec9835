"""The identity provider over HTTP.

GET  /.well-known/openid-configuration
GET  /.well-known/jwks.json
POST /token                                {"persona": "biller", "purpose": "HPAYMT"}, the purpose being optional

A token says that the persona has just signed in, in their usual way. `acr` and `auth_age_seconds` of a request make it
say otherwise, so that one can see what too weak or too old a sign-in is refused.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.identity.keys import ALGORITHM, SigningKey
from sandbox.identity.personas import Persona

LIFETIME_SECONDS: Final = 12 * 3600

_NOT_STORED: Final = {"Cache-Control": "no-store"}
_LOOPBACK: Final = ("127.0.0.1", "localhost")


class Refused(ValueError):
    """A token was asked for that can't be given; the message says what could be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityProvider:
    """Vouches for personas. `issuer` is its own URL, `audience` whom its tokens are for; `clock` reads seconds."""

    personas: Mapping[str, Persona]
    key: SigningKey
    issuer: str
    audience: str
    clock: Callable[[], float] = time.time

    def token(self, name: str, purpose: str | None = None, *, acr: str | None = None, auth_age_seconds: int = 0) -> str:
        """An access token for a persona, for all their purposes or the one given.

        `acr` is how they signed in, if not as they usually do, and `auth_age_seconds` how long ago.

        Raises `Refused`, which says which personas, or which purposes of this one, there are.
        """
        persona = self.personas.get(name)
        if persona is None:
            raise Refused(f"no such persona; there are {', '.join(self.personas)}")
        if purpose is not None and purpose not in persona.purposes:
            has = f"purpose{'' if len(persona.purposes) == 1 else 's'} {', '.join(persona.purposes)}"
            raise Refused(f"{name} has the {has}, and not {purpose}")
        signed_in = persona if acr is None else replace(persona, acr=acr)
        purposes = persona.purposes if purpose is None else (purpose,)
        return self.key.sign(self._claims(signed_in, purposes, auth_age_seconds))

    def _claims(self, persona: Persona, purposes: tuple[str, ...], auth_age_seconds: int) -> dict[str, object]:
        now = int(self.clock())
        claims = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": persona.subject,
            "client_id": persona.client,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "jti": str(uuid.uuid4()),
            "tenant": persona.tenant,
            "kind": persona.kind,
            "roles": [persona.role],
            "purposes": list(purposes),
            "organization": persona.organization,
            "npi": persona.npi,
            "patient": persona.patient,
            "acr": persona.acr,
            "auth_time": now - auth_age_seconds if persona.acr else None,
        }
        return {name: value for name, value in claims.items() if value is not None}


def build(provider: IdentityProvider) -> Starlette:
    """The provider's application, reachable on loopback only."""

    async def configuration(_: Request) -> Response:
        return JSONResponse(
            {
                "issuer": provider.issuer,
                "jwks_uri": f"{provider.issuer}/.well-known/jwks.json",
                "token_endpoint": f"{provider.issuer}/token",
                "response_types_supported": ["token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": [ALGORITHM],
            }
        )

    async def jwks(_: Request) -> Response:
        return JSONResponse({"keys": [provider.key.jwk()]})

    async def token(request: Request) -> Response:
        try:
            asked = _asked(request, await request.body())
            signed = provider.token(
                asked.persona, asked.purpose, acr=asked.acr, auth_age_seconds=asked.auth_age_seconds
            )
            answer = {"access_token": signed, "token_type": "Bearer"}
        except Refused as error:
            return JSONResponse({"error": "invalid_request", "error_description": str(error)}, 400, _NOT_STORED)
        return JSONResponse({**answer, "expires_in": LIFETIME_SECONDS}, headers=_NOT_STORED)

    return Starlette(
        routes=[
            Route("/.well-known/openid-configuration", configuration, methods=["GET"]),
            Route("/.well-known/jwks.json", jwks, methods=["GET"]),
            Route("/token", token, methods=["POST"]),
        ],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(_LOOPBACK), www_redirect=False)],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    persona: str
    purpose: str | None
    acr: str | None
    auth_age_seconds: int


def _asked(request: Request, body: bytes) -> _Asked:
    """What a request asks for. A web page can't ask: it may not send this type to another origin."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise Refused("send application/json")
    try:
        asked = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise Refused("send a JSON object") from None
    if not isinstance(asked, dict) or not asked.keys() <= {"persona", "purpose", "acr", "auth_age_seconds"}:
        raise Refused("send a JSON object with persona and, if you like, purpose, acr and auth_age_seconds")
    persona, purpose, acr = asked.get("persona"), asked.get("purpose"), asked.get("acr")
    if not isinstance(persona, str) or not isinstance(purpose, str | None) or not isinstance(acr, str | None):
        raise Refused("persona, purpose and acr are strings")
    age = asked.get("auth_age_seconds", 0)
    if type(age) is not int or abs(age) > LIFETIME_SECONDS:
        raise Refused("auth_age_seconds is a whole number, at most twelve hours")
    return _Asked(persona=persona, purpose=purpose, acr=acr, auth_age_seconds=age)
