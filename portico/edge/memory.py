"""The edge's seams in memory: what tests and examples stand on where identity and data aren't the point."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from portico.access.principal import Caller, Principal
from portico.edge.claims import Reason, TokenRefused
from portico.edge.keys import VerificationKey
from portico.records.exchange import Answer, GraphQLRequest


@dataclass(slots=True)
class KnownTokens:
    """A `Verifier` that knows its tokens by heart."""

    principals: Mapping[str, Principal]

    async def verify(self, token: str) -> Principal:
        """The principal to whom the token was given."""
        if token not in self.principals:
            raise TokenRefused(Reason.SHAPE)
        return self.principals[token]


@dataclass(slots=True)
class HeldKeys:
    """A `KeySource` that holds whichever keys it was given last."""

    keys: Mapping[str, VerificationKey]

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that id."""
        return self.keys.get(kid)


@dataclass(slots=True)
class Echo:
    """An `Executor` that answers with the request that reached it.

    It can be told to wait first, to fail, or to refuse the document; it remembers who called and who was cancelled.
    """

    seconds: float = 0.0
    error: BaseException | None = None
    executed: bool = True
    callers: list[Caller] = field(default_factory=list)
    cancelled: int = 0

    async def answer(self, request: GraphQLRequest, caller: Caller) -> Answer:
        """The request's members and the caller's purpose as `data`."""
        self.callers.append(caller)
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        data = {
            "query": request.query,
            "variables": dict(request.variables),
            "operationName": request.operation_name,
            "readOnly": request.read_only,
            "purpose": caller.purpose,
        }
        return Answer(orjson.dumps({"data": data}), self.executed)
