"""Portico without sockets: the whole house on reference implementations, the real policies in the real engine.

What the end-to-end tests do over HTTP, with Postgres and simulated sources, can be done here a hundred times faster.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from connectors.channel import CallReport, Channel, ChannelConfig
from connectors.memory.connector import MemoryConnector
from graph.cost import Budgets
from graph.execution import Executor, Parts
from graph.schema import GraphSchema, build
from portico.access.decisions import Decisions
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.guard import Guard
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.audit.memory import MemoryTrail
from portico.records.context import CallContext
from portico.records.exchange import GraphQLRequest
from portico.records.references import By, PatientId, RecordType, SourceName, Tenant
from portico.records.search import Page, Search
from portico.records.types import Record
from portico.store.memory import MemoryCrosswalk
from resolvers.linking import Linker, LinkingConfig
from resolvers.seal import Seal
from resolvers.session import note_call
from sandbox.identity.personas import Persona, personas
from sandbox.population.generator import generate
from sandbox.population.model import Population
from tests.contract.truth import billing_truth, ehr_truth, scheduling_truth

POLICIES = Path(__file__).parent.parent / "policies"
SECRET = bytes(range(32))
EHR, SCHEDULING, BILLING = SourceName("ehr"), SourceName("scheduling"), SourceName("billing")
NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request that reached a source."""

    source: SourceName
    type: RecordType
    by: str
    keys: tuple[str, ...]
    attributes: frozenset[str]


class RecordingConnector(MemoryConnector):
    """A source in memory that notes what it was asked, and fails when told to."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.asked: list[Asked] = []
        self.failure: Exception | None = None

    async def find(self, call: CallContext, type_: RecordType, by: By, keys: Any) -> Any:
        self.asked.append(Asked(self.source, type_, by.value, tuple(keys), call.attributes))
        if self.failure is not None:
            raise self.failure
        return await super().find(call, type_, by, keys)

    async def search(self, call: CallContext, search: Search) -> Page:
        self.asked.append(Asked(self.source, search.type, "search", (), call.attributes))
        if self.failure is not None:
            raise self.failure
        return await super().search(call, search)


@dataclass(slots=True)
class MemoryHouse:
    """A running house, and what a test wants to know of it."""

    schema: GraphSchema
    executor: Executor
    trail: MemoryTrail
    crosswalk: MemoryCrosswalk
    engine: EmbeddedEngine
    seal: Seal
    populations: Mapping[str, Population]
    sources: Mapping[Tenant, Mapping[SourceName, RecordingConnector]]
    personas: Mapping[str, Persona]
    faults: list[BaseException] = field(default_factory=list)

    async def ask(self, persona: str, query: str, purpose: str | None = None, **variables: Any) -> dict[str, Any]:
        """The decoded answer to a persona's query."""
        answer = await self.executor.answer(
            GraphQLRequest(query=query, variables=variables), self.caller(persona, purpose)
        )
        decoded: dict[str, Any] = orjson.loads(answer.body)
        return decoded

    def caller(self, persona: str, purpose: str | None = None) -> Caller:
        """A persona's request."""
        who = self.personas[persona]
        principal = Principal(
            subject=who.subject,
            kind=PrincipalKind(who.kind),
            tenant=Tenant(who.tenant),
            roles=frozenset({who.role}),
            purposes=frozenset(Purpose(code) for code in who.purposes),
            client=who.client,
            organization=who.organization,
            npi=who.npi,
            patients=frozenset({who.patient} if who.patient else ()),
            acr=who.acr,
            expires_at=int(time.time()) + 3600,
        )
        return Caller(
            principal=principal,
            purpose=Purpose(purpose or who.purposes[0]),
            request_id=str(uuid.uuid4()),
            deadline=time.monotonic() + 10,
        )

    async def patient_id(self, key: str, tenant: str = "riverbend") -> PatientId:
        """The canonical id of a person of the population."""
        person = next(one for one in self.populations[tenant].people if one.key == key)
        found = await self.crosswalk.identify(Tenant(tenant), EHR, [person.ehr_id or ""])
        return found[person.ehr_id or ""]

    async def patient_name(self, key: str, tenant: str = "riverbend") -> str:
        """The opaque global id of a person of the population."""
        return self.seal.seal(("id", tenant), (RecordType.PATIENT, "portico", await self.patient_id(key, tenant)))

    def asked(self, tenant: str = "riverbend") -> list[Asked]:
        """Everything that the tenant's sources were asked, and forget it."""
        all_: list[Asked] = []
        for connector in self.sources[Tenant(tenant)].values():
            all_ += connector.asked
            connector.asked.clear()
        return all_


@asynccontextmanager
async def memory_house(
    size: int = 40, *, policies: Path = POLICIES, budgets: Budgets | None = None, canary: bool = False
) -> AsyncIterator[MemoryHouse]:
    """A house with two tenants, linked and ready."""
    populations = {
        "riverbend": generate("riverbend", seed=1, size=size, now=NOW, canary=canary),
        "harbor": generate("harbor", seed=1, size=25, now=NOW, canary=canary),
    }
    sources = {Tenant(name): _connectors(population) for name, population in populations.items()}
    channels = {
        tenant: [Channel(connector, ChannelConfig(concurrency_limit=50), on_call=_heard) for connector in of.values()]
        for tenant, of in sources.items()
    }
    crosswalk, trail, schema, seal = MemoryCrosswalk(), MemoryTrail(), build(), Seal(SECRET)
    engine = await EmbeddedEngine.start(EmbeddedConfig(folder=policies))
    faults: list[BaseException] = []
    try:
        decisions = Decisions(engine)
        linker = Linker(channels, crosswalk, LinkingConfig())
        for tenant in channels:
            await linker.run(tenant)
        parts = Parts(
            channels={
                tenant: {type_: channel for channel in of for type_ in channel.keys} for tenant, of in channels.items()
            },
            crosswalk=crosswalk,
            decisions=decisions,
            guard=Guard(decisions, schema.tags, mask_secret=SECRET),
            seal=seal,
            trail=trail,
            on_fault=lambda error, _: faults.append(error),
            explain=True,
        )
        house = MemoryHouse(
            schema=schema,
            executor=Executor(schema, parts if budgets is None else replace(parts, budgets=budgets)),
            trail=trail,
            crosswalk=crosswalk,
            engine=engine,
            seal=seal,
            populations=populations,
            sources=sources,
            personas=personas(populations["riverbend"], populations["harbor"]),
            faults=faults,
        )
        await _grant_guardianships(house)
        house.asked("riverbend")
        yield house
    finally:
        await engine.aclose()


async def _grant_guardianships(house: MemoryHouse) -> None:
    for name, population in house.populations.items():
        for each in population.guardianships:
            await house.crosswalk.grant_guardianship(
                Tenant(name),
                guardian=each.guardian,
                patient=await house.patient_id(each.child, name),
                start=each.start,
                end=each.end,
            )


def _connectors(population: Population) -> dict[SourceName, RecordingConnector]:
    truths = {
        EHR: ehr_truth(population, EHR),
        SCHEDULING: scheduling_truth(population, SCHEDULING),
        BILLING: billing_truth(population, BILLING),
    }
    limits = {EHR: 200, SCHEDULING: 50, BILLING: 1000}
    return {
        name: RecordingConnector(name, truth.records, truth.people, truth.relations, batch_limit=limits[name])
        for name, truth in truths.items()
    }


def _heard(report: CallReport) -> None:
    note_call(report)


def only(records: list[Record], type_: RecordType) -> list[Record]:
    """The records of a type."""
    return [record for record in records if record.type is type_]
