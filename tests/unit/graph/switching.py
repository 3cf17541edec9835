"""Turning things off and on in a house, and asking it in both ways of executing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from graph.execution import Executor
from portico.audit.entry import AuditEntry, Outcome
from portico.records.exchange import GraphQLRequest
from portico.records.references import Tenant
from portico.records.switches import Switchable, SwitchKind
from tests.house import MemoryHouse

RIVERBEND = Tenant("riverbend")

Answer = dict[str, Any]


@pytest.fixture(params=["plans", "graphql-core"])
def executor(house: MemoryHouse, request: pytest.FixtureRequest) -> Executor:
    """Both ways of executing, on the same parts."""
    parts = house.executor._parts
    return house.executor if request.param == "plans" else Executor(house.schema, replace(parts, planned=False))


@pytest.fixture
def ask(house: MemoryHouse, executor: Executor) -> Any:
    async def ask(persona: str, query: str, purpose: str | None = None, **variables: Any) -> Answer:
        request = GraphQLRequest(query=query, variables=variables)
        answer: Answer = orjson.loads((await executor.answer(request, house.caller(persona, purpose))).body)
        return answer

    return ask


async def off(house: MemoryHouse, kind: SwitchKind, name: str, tenant: Tenant = RIVERBEND) -> None:
    await house.switches.turn_off(Switchable(tenant, kind, name), by="ops", reason="why", at=_now(), entry=_entry())
    house.trail.entries.clear()


async def on(house: MemoryHouse, kind: SwitchKind, name: str, tenant: Tenant = RIVERBEND) -> None:
    await house.switches.turn_on(Switchable(tenant, kind, name), by="ops", at=_now(), entry=_entry())
    house.trail.entries.clear()


def _now() -> datetime:
    return datetime.now(UTC)


def _entry() -> AuditEntry:
    return AuditEntry(
        tenant=RIVERBEND, request_id="r", subject="ops", kind="person", roles=frozenset(), purpose="HOPERAT",
        client="portico switch", operation="0f" * 32, policy_revision="none", outcome=Outcome.DONE, at=_now(),
    )  # fmt: skip
