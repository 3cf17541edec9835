"""Breaking the glass in the house in memory: who does it, for whom, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import orjson

from portico.access.principal import Caller
from portico.audit.entry import AuditEntry, Outcome
from portico.records.exchange import GraphQLRequest
from tests.house import MemoryHouse

REASON = "unconscious, no history known"

BREAK = """mutation Break($input: BreakTheGlassInput!) {
  breakTheGlass(input: $input) { id at endsAt endedAt patientId reviewedAt who { subject kind roles } }
}"""
END = "mutation ($access: ID!) { endBreakTheGlass(input: {access: $access}) { id endedAt } }"
REVIEW = """mutation ($input: ReviewEmergencyAccessInput!) {
  reviewEmergencyAccess(input: $input) { id verdict note reviewer reviewedAt }
}"""
CHART = """query ($id: ID!) { patient(id: $id) {
  id name { family } birthDate ssn encounters { edges { node { id reasons { display } } } }
} }"""

Answer = dict[str, Any]


@dataclass
class Glass:
    """A house, and who breaks glass in it. Everyone has just signed in, unless a test says otherwise."""

    house: MemoryHouse

    async def run(
        self,
        query: str,
        persona: str = "physician",
        purpose: str | None = "ETREAT",
        *,
        with_: Any = None,
        **variables: Any,
    ) -> Answer:
        """The decoded answer to a persona; `with_` changes what their token says."""
        caller = self.house.caller(persona, purpose)
        if with_:
            caller = self.as_(caller, **with_)
        answer = await self.house.executor.answer(GraphQLRequest(query=query, variables=variables), caller)
        decoded: Answer = orjson.loads(answer.body)
        return decoded

    def as_(self, caller: Caller, **claims: Any) -> Caller:
        """The same caller with other claims."""
        return replace(caller, principal=replace(caller.principal, **claims))

    async def patient(self, key: str = "stranger") -> str:
        """The opaque id of somebody whom the physician can't see."""
        return await self.house.patient_name(key)

    async def broken(self, key: str = "stranger", *, with_: Any = None, **changes: Any) -> Answer:
        """The answer to breaking the glass for somebody."""
        given: Answer = {"patient": await self.patient(key), "reason": REASON, **changes}
        return await self.run(BREAK, with_=with_, input=given)

    async def access(self, key: str = "stranger", **changes: Any) -> Answer:
        """The access that was given."""
        answer = await self.broken(key, **changes)
        assert "errors" not in answer, answer
        access: Answer = answer["data"]["breakTheGlass"]
        return access

    async def sees(
        self, key: str = "stranger", persona: str = "physician", purpose: str = "ETREAT", **options: Any
    ) -> bool:
        """Whether somebody's chart can be seen."""
        answer = await self.run(CHART, persona, purpose, id=await self.patient(key), **options)
        return answer["data"]["patient"] is not None

    def mend(self) -> None:
        """Forget every access, attempt, alert and consent."""
        self.house.emergency._accesses.clear()
        self.house.emergency._misses.clear()
        self.house.alerts._due.clear()
        for state in self.house.crosswalk._tenants.values():
            state.kept.clear()

    def commands(self) -> list[AuditEntry]:
        """The trail's entries about commands."""
        return [entry for entry in self.house.trail.entries if entry.command is not None]


def refusal(answer: Answer) -> Answer:
    """What the one error of an answer says."""
    (error,) = answer["errors"]
    extensions: Answer = error["extensions"]
    return extensions


def refused(entry: AuditEntry) -> tuple[str | None, str | None]:
    """Which command an entry says was refused, and why."""
    assert entry.outcome is Outcome.REFUSED
    return entry.command, entry.refusal
