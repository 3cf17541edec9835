"""What a token claims, each claim judged once and by its type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.strict_json import Json
from portico.records.errors import Unauthenticated
from portico.records.references import Tenant

_TEXT_LIMIT: Final = 255
_LIST_LIMIT: Final = 64


class Reason(StrEnum):
    """Why a token was not accepted: for metrics and logs, never for the caller."""

    SIZE = "size"
    SHAPE = "shape"
    TYPE = "type"
    ALGORITHM = "algorithm"
    ISSUER = "issuer"
    KEY = "key"
    SIGNATURE = "signature"
    AUDIENCE = "audience"
    EXPIRED = "expired"
    NOT_YET = "not_yet"
    LIFETIME = "lifetime"
    TENANT = "tenant"
    CLAIM = "claim"


class TokenRefused(Unauthenticated):
    """A token was not accepted. Callers see the same as without one."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(Unauthenticated.__doc__ or "")
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRules:
    """What is asked of every token, whoever issued it."""

    types: frozenset[str] = frozenset({"at+jwt", "application/at+jwt"})
    """Accepted `typ` headers, compared exactly: no id token, logout token or proof passes for an access token."""
    lifetime_limit_seconds: int = 43200
    """Longest time from `iat` to `exp`."""
    leeway_seconds: int = 30
    """How far clocks may be apart."""
    size_limit_bytes: int = 8192


def read_principal(
    claims: Mapping[str, Json], *, audience: str, tenants: frozenset[Tenant], rules: TokenRules, now: float
) -> Principal:
    """The principal that verified claims describe, or `TokenRefused`. `now` is in seconds since the epoch."""
    _judge_audience(claims.get("aud"), audience)
    tenant = Tenant(_text(claims, "tenant"))
    if tenant not in tenants:
        raise TokenRefused(Reason.TENANT)
    patient = _optional_text(claims, "patient")
    return Principal(
        subject=_text(claims, "sub"),
        kind=_kind(claims),
        tenant=tenant,
        roles=frozenset(_texts(claims, "roles")),
        purposes=_purposes(claims),
        client=_client(claims),
        organization=_optional_text(claims, "organization"),
        npi=_optional_text(claims, "npi"),
        patients=frozenset() if patient is None else frozenset({patient}),
        acr=_optional_text(claims, "acr"),
        auth_time=_optional_time(claims, "auth_time"),
        expires_at=_expiry(claims, rules, now),
    )


def _judge_audience(given: Json, audience: str) -> None:
    if given not in (audience, [audience]):
        raise TokenRefused(Reason.AUDIENCE)


def _expiry(claims: Mapping[str, Json], rules: TokenRules, now: float) -> int:
    expires_at, issued_at = _optional_time(claims, "exp"), _optional_time(claims, "iat")
    if expires_at is None or issued_at is None:
        raise TokenRefused(Reason.CLAIM)
    starts_at = max(issued_at, _optional_time(claims, "nbf") or 0)
    if now >= expires_at + rules.leeway_seconds:
        raise TokenRefused(Reason.EXPIRED)
    if now < starts_at - rules.leeway_seconds:
        raise TokenRefused(Reason.NOT_YET)
    if not 0 < expires_at - issued_at <= rules.lifetime_limit_seconds:
        raise TokenRefused(Reason.LIFETIME)
    return expires_at


def _kind(claims: Mapping[str, Json]) -> PrincipalKind:
    try:
        return PrincipalKind(_text(claims, "kind"))
    except ValueError:
        raise TokenRefused(Reason.CLAIM) from None


def _purposes(claims: Mapping[str, Json]) -> frozenset[Purpose]:
    try:
        return frozenset(Purpose(code) for code in _texts(claims, "purposes"))
    except ValueError:
        raise TokenRefused(Reason.CLAIM) from None


def _client(claims: Mapping[str, Json]) -> str:
    """RFC 9068's `client_id`, or OpenID Connect's `azp`; where both are given they agree."""
    named = {name for name in (_optional_text(claims, "client_id"), _optional_text(claims, "azp")) if name is not None}
    if len(named) != 1:
        raise TokenRefused(Reason.CLAIM)
    return named.pop()


def _text(claims: Mapping[str, Json], name: str) -> str:
    return _checked(claims.get(name))


def _optional_text(claims: Mapping[str, Json], name: str) -> str | None:
    value = claims.get(name)
    return None if value is None else _checked(value)


def _texts(claims: Mapping[str, Json], name: str) -> list[str]:
    values = claims.get(name)
    if not isinstance(values, list) or len(values) > _LIST_LIMIT:
        raise TokenRefused(Reason.CLAIM)
    return [_checked(value) for value in values]


def _checked(value: Json) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_LIMIT or not value.isprintable():
        raise TokenRefused(Reason.CLAIM)
    return value


def _optional_time(claims: Mapping[str, Json], name: str) -> int | None:
    """A NumericDate as whole, positive seconds: no string, fraction or boolean passes for one."""
    value = claims.get(name)
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise TokenRefused(Reason.CLAIM)
    return value
