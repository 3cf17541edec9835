"""Who asks and why, out of a request's headers."""

from __future__ import annotations

from typing import Protocol

from starlette.datastructures import Headers

from portico.access.principal import Principal, Purpose
from portico.records.errors import InvalidRequest, PurposeRefused, Unauthenticated

PURPOSE_HEADER = "X-Purpose-Of-Use"


class Verifier(Protocol):
    """Turns a bearer token into a principal."""

    async def verify(self, token: str) -> Principal:
        """The token's principal, or `Unauthenticated`."""


async def authenticate(headers: Headers, verifier: Verifier) -> Principal:
    """The principal of the only `Authorization` header (RFC 6750). Tokens anywhere else don't count."""
    given = headers.getlist("authorization")
    if len(given) > 1:
        raise InvalidRequest("Send one Authorization header.")
    scheme, _, token = given[0].partition(" ") if given else ("", "", "")
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated
    return await verifier.verify(token)


def choose_purpose(headers: Headers, principal: Principal) -> Purpose:
    """The purpose of use that the request names, else the token's only one. Codes are compared exactly."""
    given = headers.getlist(PURPOSE_HEADER)
    if not given and len(principal.purposes) == 1:
        return next(iter(principal.purposes))
    permitted = [purpose for purpose in principal.purposes if [purpose.value] == given]
    if not permitted:
        raise PurposeRefused
    return permitted[0]
