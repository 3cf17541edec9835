"""Access tokens (RFC 9068, RFC 8725): whoever holds one that is accepted is who it says they are."""

from __future__ import annotations

import hashlib
import re
import time
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from jwt import PyJWS
from jwt.exceptions import PyJWTError

from portico.access.principal import Principal
from portico.edge.claims import Reason, TokenRefused, TokenRules, read_principal
from portico.edge.keys import KID_LIMIT, KeySource, VerificationKey
from portico.edge.strict_json import AmbiguousJson, Json, parse
from portico.records.references import Tenant

_COMPACT: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+")
_HEADERS: Final = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
"""Known header parameters. Others change what a token means (`crit`, `b64`, `zip`) or where its key comes from
(`jwk`, `jku`, `x5u`, `x5c`), so a token that carries any is refused."""
_JWS: Final = PyJWS()
_REMEMBERED_LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """An identity provider: its name, its keys, and what it may vouch for."""

    name: str
    """The `iss` of its tokens, exactly."""
    audience: str
    """The `aud` of its tokens, exactly."""
    tenants: frozenset[Tenant]
    """The tenants whose people it may vouch for."""
    keys: KeySource


@dataclass(frozen=True, slots=True)
class _Verified:
    principal: Principal
    issuer: Issuer
    kid: str
    key: VerificationKey


class TokenVerifier:
    """A `Verifier` of the access tokens of known issuers.

    Tokens that were verified are remembered by their digest, so that a signature is checked once; each use still
    checks that the token hasn't ended and that its key is still published.
    """

    def __init__(
        self, issuers: Sequence[Issuer], rules: TokenRules | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._issuers: Mapping[str, Issuer] = {issuer.name: issuer for issuer in issuers}
        self._rules = rules or TokenRules()
        self._clock = clock
        self._remembered: OrderedDict[bytes, _Verified] = OrderedDict()

    async def verify(self, token: str) -> Principal:
        """The token's principal, or `TokenRefused`. Cost: a digest when remembered, else one signature check."""
        if len(token) > self._rules.size_limit_bytes:
            raise TokenRefused(Reason.SIZE)
        if not token.isascii():
            raise TokenRefused(Reason.SHAPE)
        digest = hashlib.sha256(token.encode()).digest()
        verified = self._remembered.get(digest)
        if verified is None or not await self._still_good(verified):
            self._remembered.pop(digest, None)
            segments = _COMPACT.fullmatch(token)
            if segments is None:
                raise TokenRefused(Reason.SHAPE)
            verified = self._remembered[digest] = await self._verify(segments)
            if len(self._remembered) > _REMEMBERED_LIMIT:
                self._remembered.popitem(last=False)
        return verified.principal

    async def _still_good(self, verified: _Verified) -> bool:
        if self._clock() >= verified.principal.expires_at + self._rules.leeway_seconds:
            return False
        return await verified.issuer.keys.key(verified.kid) is verified.key

    async def _verify(self, segments: re.Match[str]) -> _Verified:
        header, claims = _members(segments[1]), _members(segments[2])
        issuer, kid, key = await self._key(header, claims)
        try:
            _JWS.decode(segments[0], key.jwk, algorithms=[key.algorithm])
        except PyJWTError:
            raise TokenRefused(Reason.SIGNATURE) from None
        principal = read_principal(
            claims, audience=issuer.audience, tenants=issuer.tenants, rules=self._rules, now=self._clock()
        )
        return _Verified(principal, issuer, kid, key)

    async def _key(self, header: Mapping[str, Json], claims: Mapping[str, Json]) -> tuple[Issuer, str, VerificationKey]:
        """The key that the header names among those of the issuer that the claims name; nothing else is looked at."""
        if not header.keys() <= _HEADERS:
            raise TokenRefused(Reason.SHAPE)
        typ, name, kid = header.get("typ"), claims.get("iss"), header.get("kid")
        if not isinstance(typ, str) or typ not in self._rules.types:
            raise TokenRefused(Reason.TYPE)
        issuer = self._issuers.get(name) if isinstance(name, str) else None
        if issuer is None:
            raise TokenRefused(Reason.ISSUER)
        key = await issuer.keys.key(kid) if isinstance(kid, str) and 0 < len(kid) <= KID_LIMIT else None
        if key is None or not isinstance(kid, str):
            raise TokenRefused(Reason.KEY)
        if header.get("alg") != key.algorithm:
            raise TokenRefused(Reason.ALGORITHM)
        return issuer, kid, key


def _members(segment: str) -> Mapping[str, Json]:
    """The JSON object in a segment, each name once."""
    try:
        value = parse(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    except (AmbiguousJson, ValueError):
        raise TokenRefused(Reason.SHAPE) from None
    if not isinstance(value, dict):
        raise TokenRefused(Reason.SHAPE)
    return value
