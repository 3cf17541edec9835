"""People as sources know them, and a clinic with two of these sources."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from portico.audit.entry import AuditEntry
from portico.audit.memory import MemoryTrail
from portico.records.consent import Consent
from portico.records.context import CallContext
from portico.records.errors import SourceUnavailable
from portico.records.people import Person, Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.records.systems import MEMBER, MRN, SSN
from portico.records.values import Identifier
from portico.store.crosswalk import Link, LinkPlan, Reason, Rule, Unlinked
from portico.store.memory import MemoryCrosswalk
from portico.store.memory_switches import MemorySwitches
from portico.store.switchboard import Switchboard
from resolvers.linking import EHR, Linker, LinkingConfig, link

BILLING, SCHEDULING = SourceName("billing"), SourceName("scheduling")
TENANT = Tenant("riverbend")


def person(source: SourceName, source_id: str, **facts: str | None) -> Person:
    """Ada Novak, born 1980-04-12, with the identifiers given; other facts take the place of hers."""
    systems = {"mrn": MRN, "ssn": SSN, "member": MEMBER}
    return Person(
        source=source,
        source_id=source_id,
        identifiers=tuple(
            Identifier(system=system, value=value) for name, system in systems.items() if (value := facts.get(name))
        ),
        family=facts.get("family", "Novakova"),
        given=facts.get("given", "Adela"),
        birth_date=facts.get("birth_date", "1980-04-12"),
    )


def patient_of(source_id: str) -> PatientId:
    return PatientId(str(UUID(int=int.from_bytes(source_id.encode(), "big"))))


def linked(*people: Person, existing: Sequence[Link] = ()) -> LinkPlan:
    sources = {EHR, *(each.source for each in people)}
    by_source = {source: [each for each in people if each.source == source] for source in sources}
    return link(by_source, existing, identity_source=EHR, mint=lambda each: patient_of(each.source_id))


def outcome(foreign: Person, *charted: Person) -> Link | Unlinked:
    plan = linked(*charted, foreign)
    outcomes: list[Link | Unlinked] = [*plan.links, *plan.unlinked]
    (found,) = (one for one in outcomes if one.source == foreign.source)
    return found


def rule(foreign: Person, *charted: Person) -> Rule | Reason:
    found = outcome(foreign, *charted)
    return found.rule if isinstance(found, Link) else found.reason


CHARTED = person(EHR, "e1", mrn="M-100", ssn="123-45-6780", member="W900")


@dataclass(slots=True)
class Register:
    """A source that only knows who its people are. `down` makes its relations fail, after its people were read."""

    source: SourceName
    listed: list[Person] = field(default_factory=list)
    related: list[Relation] = field(default_factory=list)
    consented: list[Consent] = field(default_factory=list)
    visited: list[SensitiveVisit] = field(default_factory=list)
    down: bool = False

    async def people(self, _: CallContext) -> AsyncIterator[Person]:
        for each in self.listed:
            yield each

    async def relations(self, _: CallContext) -> AsyncIterator[Relation]:
        if self.down:
            raise SourceUnavailable(self.source)
        for each in self.related:
            yield each

    async def consents(self, _: CallContext) -> AsyncIterator[Consent]:
        if self.down:
            raise SourceUnavailable(self.source)
        for each in self.consented:
            yield each

    async def sensitive_visits(self, _: CallContext) -> AsyncIterator[SensitiveVisit]:
        for each in self.visited:
            yield each


@dataclass(slots=True)
class Clinic:
    """A tenant with an EHR and a billing system that share Ada."""

    ehr: Register = field(default_factory=lambda: Register(EHR, [CHARTED]))
    billing: Register = field(default_factory=lambda: Register(BILLING, [person(BILLING, "b1", mrn="M-100")]))
    crosswalk: MemoryCrosswalk = field(default_factory=MemoryCrosswalk)
    switches: MemorySwitches[AuditEntry] = field(default_factory=lambda: MemorySwitches(commit=MemoryTrail().commit))

    @property
    def switchboard(self) -> Switchboard:
        return Switchboard(self.switches)

    @property
    def linker(self) -> Linker:
        return Linker({TENANT: (self.ehr, self.billing)}, self.crosswalk, self.switchboard, LinkingConfig())

    async def patients(self) -> dict[str, PatientId]:
        return {
            id_: patient
            for source, ids in ((EHR, ["e1", "e2"]), (BILLING, ["b1", "b2"]))
            for id_, patient in (await self.crosswalk.identify(TENANT, source, ids)).items()
        }
