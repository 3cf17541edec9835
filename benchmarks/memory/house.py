"""Portico on sources in memory: the real policies in the real engine, the guard, and an audit trail in memory."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.memory import operation
from benchmarks.memory.rows import ORGANIZATION, SOURCES, records
from benchmarks.memory.shelf import Register, Shelf
from connectors.channel import Channel, ChannelConfig
from graph.cost import Budgets
from graph.execution import Executor, Parts
from graph.schema import build
from portico.access.decisions import Decisions
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.guard import Guard
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.audit.entry import AuditEntry
from portico.audit.memory import MemoryTrail
from portico.records.exchange import GraphQLRequest
from portico.records.references import Tenant
from portico.store.memory import MemoryCrosswalk
from portico.store.memory_emergency import MemoryAlerts, MemoryEmergencyAccesses
from portico.store.memory_switches import MemorySwitches
from portico.store.switchboard import Switchboard
from resolvers.commands import CommandStores
from resolvers.ledger import note_call
from resolvers.own_records import OwnRecords
from resolvers.seal import Seal

TENANT: Final = Tenant("riverbend")
_SECRET: Final = bytes(range(32))
_DESTINATIONS: Final = {"ehr": "fhir", "scheduling": "scheduling", "billing": "billing"}
_ROOMY: Final = Budgets(tokens=20_000, selections=5_000, nodes=1_000_000)
"""A thousand patients in one operation are beyond what is allowed by default."""


class LatestTrail(MemoryTrail):
    """A trail in memory that keeps the last entry of each chain alone, so that a long run stays small."""

    async def commit(self, entry: AuditEntry) -> int:
        """Record an entry, and forget those before it."""
        number = await super().commit(entry)
        for chain in self._chains.values():
            del chain[:-1]
        self._numbers.clear()
        return number


@dataclass(frozen=True, slots=True)
class MemoryHouse:
    """Portico with everything warm, for one caller."""

    planned: Executor
    by_core: Executor
    """The same with graphql-core in the place of plans."""
    principal: Principal
    purpose: Purpose

    async def answer(self, request: GraphQLRequest, *, planned: bool = True) -> bytes:
        """One answer's bytes."""
        executor = self.planned if planned else self.by_core
        return (await executor.answer(request, self._caller())).body

    async def request(self, patients: int, shape: str = operation.JOINED) -> GraphQLRequest:
        """The operation for so many patients, with its cursors."""
        cursors: dict[int, str] = {}
        pages = "query($n: Int!, $a: String) { patients(first: $n, after: $a) { pageInfo { endCursor } } }"
        for page in range(1, patients // operation.PAGE):
            asked = GraphQLRequest(query=pages, variables={"n": operation.PAGE, "a": cursors.get(page - 1)})
            answer: Any = orjson.loads(await self.answer(asked))
            cursors[page] = answer["data"]["patients"]["pageInfo"]["endCursor"]
        return GraphQLRequest(
            query=operation.document(patients, shape),
            variables=operation.variables(patients, cursors),
            operation_name="Load",
        )

    def _caller(self) -> Caller:
        return Caller(
            principal=self.principal,
            purpose=self.purpose,
            request_id=str(uuid.uuid4()),
            deadline=time.monotonic() + 30,
        )


@asynccontextmanager
async def memory_house(
    patients: int, policies: Path, *, role: str = "biller", purpose: Purpose = Purpose.PAYMENT
) -> AsyncIterator[MemoryHouse]:
    """Portico with so many patients under these policies."""
    schema, seal, trail = build(), Seal(_SECRET), LatestTrail()
    engine = await EmbeddedEngine.start(
        EmbeddedConfig(folder=policies, deadline_seconds=10, poll_seconds=60, stale_seconds=3_600)
    )
    try:
        decisions = Decisions(engine)
        channels = {
            type_: channel
            for name in SOURCES
            for channel in [
                Channel(
                    Shelf(name, records(name, patients)),
                    ChannelConfig(destination=_DESTINATIONS[name]),
                    on_call=note_call,
                )
            ]
            for type_ in channel.keys
        }
        own = MemoryCrosswalk()
        emergency = MemoryEmergencyAccesses(commit=trail.commit, knows=own.knows, alerts=MemoryAlerts())
        parts = Parts(
            channels={TENANT: channels},
            crosswalk=Register(patients),
            switches=Switchboard(MemorySwitches(commit=trail.commit)),
            decisions=decisions,
            guard=Guard(decisions, schema.tags, mask_secret=_SECRET),
            seal=seal,
            trail=trail,
            commands=CommandStores(emergency=emergency, consents=own, records=OwnRecords(emergency, own, seal)),
            on_fault=_raise,
            budgets=_ROOMY,
        )
        yield MemoryHouse(
            planned=Executor(schema, parts),
            by_core=Executor(schema, replace(parts, planned=False)),
            principal=_principal(role, purpose),
            purpose=purpose,
        )
    finally:
        await engine.aclose()


def _raise(error: BaseException, _: str) -> None:
    raise error


def _principal(role: str, purpose: Purpose) -> Principal:
    return Principal(
        subject=f"usr-{role}",
        kind=PrincipalKind.PERSON,
        tenant=TENANT,
        roles=frozenset({role}),
        purposes=frozenset({purpose}),
        client="workstation",
        organization=ORGANIZATION,
        acr="aal2",
        auth_time=int(time.time()),
        expires_at=int(time.time()) + 3_600,
    )
