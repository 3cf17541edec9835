"""Who a principal is to the store: what they can claim to be to a patient, and the names by which others mean them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from portico.access.principal import Principal

_PARTY: Final = re.compile(r"(npi|organization|subject) \S.*", re.DOTALL)
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
_REMEMBERED: Final = 1_000
"""Principals of whom it is remembered who they are to the store."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A relationship that a principal has to every patient who is related so to this party."""

    relationship: str
    party: str = field(repr=False)


@lru_cache(_REMEMBERED)
def claims_of(principal: Principal) -> frozenset[Claim]:
    """All that a principal's verified attributes let them claim; nothing follows from an attribute that is missing."""
    claims = {Claim("self", id_) for id_ in principal.patients}
    claims |= {Claim(relationship, principal.subject) for relationship in ("guardian", "emergency")}
    if principal.npi:
        claims |= {Claim("care_team", principal.npi), Claim("scheduled", principal.npi)}
    if principal.organization:
        claims.add(Claim("same_organization", principal.organization))
    return frozenset(claim for claim in claims if is_storable(claim.party))


@lru_cache(_REMEMBERED)
def parties_of(principal: Principal) -> frozenset[str]:
    """The names by which consents and exclusions mean this principal: `npi 1234567893`, `organization org-1`."""
    named = (("subject", principal.subject), ("npi", principal.npi), ("organization", principal.organization))
    return frozenset(f"{kind} {name}" for kind, name in named if name and is_storable(name))


def is_party(text: str) -> bool:
    """Whether a text names a party at all: its kind, a space, its name."""
    return is_storable(text) and _PARTY.fullmatch(text) is not None


def is_storable(text: str) -> bool:
    """Whether the database could hold this text at all; what it could not hold names nothing in it."""
    return bool(text) and _UNSTORABLE.search(text) is None
