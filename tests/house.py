"""Portico without sockets: the whole house on reference implementations, the real policies in the real engine.

What the end-to-end tests do over HTTP, with Postgres and simulated sources, can be done here a hundred times faster.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from connectors.channel import CallReport, Channel, ChannelConfig
from graph.cost import Budgets
from graph.execution import Executor, Parts
from graph.plan import Way
from graph.schema import GraphSchema, build
from portico.access.decisions import Decisions
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import Rule
from portico.access.guard import Guard
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.audit.entry import AuditEntry
from portico.records.exchange import Answer, GraphQLRequest
from portico.records.references import PatientId, RecordType, SourceName, Tenant
from portico.records.types import Record
from portico.store.memory_emergency import MemoryAlerts, MemoryEmergencyAccesses
from portico.store.memory_switches import MemorySwitches
from portico.store.switchboard import Switchboard
from resolvers.commands import CommandStores
from resolvers.ledger import note_call
from resolvers.linking import Linker, LinkingConfig
from resolvers.own_records import OwnRecords
from resolvers.seal import Seal
from sandbox.identity.personas import Persona, personas
from sandbox.population.generator import generate
from sandbox.population.model import Population
from tests.changed import replace
from tests.contract.truth import Truth, billing_truth, ehr_truth, scheduling_truth
from tests.watched import Asked, GatedTrail, RecordingConnector, WatchedCrosswalk, WatchedEngine

POLICIES = Path(__file__).parent.parent / "policies"
SECRET = bytes(range(32))
EHR, SCHEDULING, BILLING = SourceName("ehr"), SourceName("scheduling"), SourceName("billing")
DESTINATIONS = {EHR: "fhir", SCHEDULING: "scheduling", BILLING: "billing"}
NOW = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


EXECUTOR = os.environ.get("PORTICO_EXECUTOR") or "planned"
"""Who executes queries, here as in the servers that a test starts: the suites that ask the graph run on both."""

Distortion = Callable[[SourceName, Truth], Truth]


@dataclass(slots=True)
class MemoryHouse:
    """A running house, and what a test wants to know of it."""

    schema: GraphSchema
    executor: Executor
    trail: GatedTrail
    crosswalk: WatchedCrosswalk
    decisions: Decisions
    engine: WatchedEngine
    seal: Seal
    populations: Mapping[str, Population]
    sources: Mapping[Tenant, Mapping[SourceName, RecordingConnector]]
    personas: Mapping[str, Persona]
    emergency: MemoryEmergencyAccesses[AuditEntry]
    alerts: MemoryAlerts
    switches: MemorySwitches[AuditEntry]
    faults: list[BaseException] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)
    """How each operation was executed."""
    signed_in_at: int = field(default_factory=lambda: int(time.time()))
    """When everyone authenticated, in seconds since the epoch."""

    async def ask(self, persona: str, query: str, purpose: str | None = None, **variables: Any) -> dict[str, Any]:
        """The decoded answer to a persona's query."""
        decoded: dict[str, Any] = orjson.loads((await self.answer(persona, query, purpose, **variables)).body)
        return decoded

    async def answer(self, persona: str, query: str, purpose: str | None = None, **variables: Any) -> Answer:
        """The answer to a persona's query, byte for byte."""
        request = GraphQLRequest(query=query, variables=variables)
        return await self.executor.answer(request, self.caller(persona, purpose))

    def caller(self, persona: str, purpose: str | None = None, *, seconds: float = 10) -> Caller:
        """A persona's request, with so much time for its answer."""
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
            auth_time=self.signed_in_at if who.acr else None,
            expires_at=int(time.time()) + 3600,
        )
        return Caller(
            principal=principal,
            purpose=Purpose(purpose or who.purposes[0]),
            request_id=str(uuid.uuid4()),
            deadline=time.monotonic() + seconds,
        )

    async def patient_id(self, key: str, tenant: str = "riverbend") -> PatientId:
        """The canonical id of a person of the population."""
        person = next(one for one in self.populations[tenant].people if one.key == key)
        found = await self.crosswalk.identify(Tenant(tenant), EHR, [person.ehr_id or ""])
        return found[person.ehr_id or ""]

    async def patient_name(self, key: str, tenant: str = "riverbend") -> str:
        """The opaque global id of a person of the population."""
        return self.name(RecordType.PATIENT, "portico", await self.patient_id(key, tenant), tenant)

    def name(self, type_: RecordType, source: str, value: str, tenant: str = "riverbend") -> str:
        """The opaque global id of a source's record."""
        return self.seal.seal(("id", tenant), (type_, source, value))

    def asked(self, tenant: str = "riverbend") -> list[Asked]:
        """Everything that the tenant's sources were asked, and forget it."""
        all_: list[Asked] = []
        for connector in self.sources[Tenant(tenant)].values():
            all_ += connector.asked
            connector.asked.clear()
        return all_


@asynccontextmanager
async def memory_house(
    size: int = 40,
    *,
    policies: Path = POLICIES,
    budgets: Budgets | None = None,
    canary: bool = False,
    explain: bool = True,
    distort: Distortion = lambda _, truth: truth,
) -> AsyncIterator[MemoryHouse]:
    """A house with two tenants, linked and ready. `distort` changes what a source of the main tenant holds."""
    populations = {
        "riverbend": generate("riverbend", seed=1, size=size, now=NOW, canary=canary),
        "harbor": generate("harbor", seed=1, size=25, now=NOW, canary=canary),
    }
    sources = {
        Tenant(name): _connectors(population, distort if name == "riverbend" else lambda _, truth: truth)
        for name, population in populations.items()
    }
    channels = {
        tenant: [Channel(connector, _channel_config(name), on_call=_heard) for name, connector in of.items()]
        for tenant, of in sources.items()
    }
    crosswalk, trail, schema, seal = WatchedCrosswalk(), GatedTrail(), build(), Seal(SECRET)
    patient = EmbeddedConfig(folder=policies, stale_seconds=600, deadline_seconds=5)  # however busy the machine is
    engine = WatchedEngine(await EmbeddedEngine.start(patient))
    faults: list[BaseException] = []
    ways: list[Way] = []
    alerts = MemoryAlerts()
    emergency = MemoryEmergencyAccesses(commit=trail.commit, knows=crosswalk.knows, alerts=alerts)
    crosswalk.emergencies = emergency.bonds
    try:
        decisions = Decisions(engine)
        switches = MemorySwitches(commit=trail.commit)
        switchboard = Switchboard(switches)
        linker = Linker(channels, crosswalk, switchboard, LinkingConfig())
        for tenant in channels:
            await linker.run(tenant)
        parts = Parts(
            channels={
                tenant: {type_: channel for channel in of for type_ in channel.keys} for tenant, of in channels.items()
            },
            crosswalk=crosswalk,
            switches=switchboard,
            decisions=decisions,
            guard=Guard(decisions, schema.tags, mask_secret=SECRET),
            seal=seal,
            trail=trail,
            commands=CommandStores(
                emergency=emergency, consents=crosswalk, records=OwnRecords(emergency, crosswalk, seal)
            ),
            on_fault=lambda error, _: faults.append(error),
            planned=EXECUTOR == "planned",
            on_executed=ways.append,
            explain=explain,
        )
        house = MemoryHouse(
            schema=schema,
            executor=Executor(schema, parts if budgets is None else replace(parts, budgets=budgets)),
            trail=trail,
            crosswalk=crosswalk,
            decisions=decisions,
            engine=engine,
            seal=seal,
            populations=populations,
            sources=sources,
            personas=personas(populations["riverbend"], populations["harbor"]),
            emergency=emergency,
            alerts=alerts,
            switches=switches,
            faults=faults,
            ways=ways,
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


def _connectors(population: Population, distort: Distortion) -> dict[SourceName, RecordingConnector]:
    truths = {
        EHR: distort(EHR, ehr_truth(population, EHR)),
        SCHEDULING: distort(SCHEDULING, scheduling_truth(population, SCHEDULING)),
        BILLING: distort(BILLING, billing_truth(population, BILLING)),
    }
    limits = {EHR: 200, SCHEDULING: 50, BILLING: 1000}
    return {
        name: RecordingConnector(
            name,
            truth.records,
            truth.people,
            truth.relations,
            consents=truth.consents,
            sensitive_visits=truth.sensitive_visits,
            batch_limit=limits[name],
        )
        for name, truth in truths.items()
    }


def _channel_config(source: SourceName) -> ChannelConfig:
    return ChannelConfig(destination=DESTINATIONS[source], concurrency_limit=50)


def _heard(report: CallReport) -> None:
    note_call(report)


def only(records: list[Record], type_: RecordType) -> list[Record]:
    """The records of a type."""
    return [record for record in records if record.type is type_]


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    """One house for the tests of a module, explaining itself."""
    async with memory_house() as running:
        yield running


@pytest.fixture(autouse=True)
def whole_again(request: pytest.FixtureRequest) -> Iterator[None]:
    """A shared house forgets after each test what was asked, and whatever was broken works again."""
    yield
    if "house" not in request.fixturenames:
        return
    running: MemoryHouse = request.getfixturevalue("house")
    for tenant in running.sources:
        running.asked(tenant)
        for connector in running.sources[tenant].values():
            connector.failure, connector.twist = None, lambda records: records
            connector.twist_page = lambda page: page
            connector.gate.set()
    running.engine.failure, running.engine.twist = None, lambda _, verdict: verdict
    running.engine.gate.set()
    running.engine.gated = frozenset(Rule)
    running.crosswalk.failure, running.trail.available = None, True
    running.switches.available = True
    running.switches._turned.clear()
    running.trail.gate.set()
    running.trail.reached.clear()
    running.trail.entries.clear()
    running.engine.asked.clear()
    assert running.faults == [], "a bug was hit that this test did not expect"
