"""How and how lately somebody must have authenticated (OpenID Connect's `acr` and `auth_time`, RFC 9470)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from portico.access.principal import Principal


@dataclass(frozen=True, slots=True)
class StepUp:
    """What the policies ask of an authentication. The token's word on it is judged here, whoever issued it."""

    acr: tuple[str, ...]
    """Authentication context classes, sorted; any of them will do."""
    max_age_seconds: int

    @classmethod
    def of(cls, answer: Mapping[str, Any]) -> Self:
        """The requirement as the policies wrote it."""
        return cls(tuple(sorted(answer["acr"])), answer["max_age_seconds"])

    @classmethod
    def all_of(cls, asked: Sequence[Self]) -> Self:
        """What satisfies all of one requirement or more; with no way of authenticating in common, nothing does."""
        first, *others = asked
        ways = set(first.acr).intersection(*(one.acr for one in others))
        return cls(tuple(sorted(ways)), min(one.max_age_seconds for one in asked))

    def is_met_by(self, principal: Principal, now: float) -> bool:
        """Whether the principal's authentication will do at `now`, in seconds since the epoch.

        One that says nothing of when it was, or that lies in the future, will not.
        """
        age_seconds = None if principal.auth_time is None else now - principal.auth_time
        return (
            principal.acr is not None
            and principal.acr in self.acr
            and age_seconds is not None
            and 0 <= age_seconds <= self.max_age_seconds
        )

    def challenge(self) -> dict[str, Any]:
        """What a client passes on to its identity provider to be asked again."""
        return {"acrValues": list(self.acr), "maxAge": self.max_age_seconds}
