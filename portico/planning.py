"""What `portico plan` tells: how an operation would be executed, and what a role's ceiling leaves of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from connectors.billing.connector import KEYS as BILLED
from connectors.fhir.queries import KEYS as CHARTED
from connectors.scheduling.questions import LOOKUPS as SCHEDULED
from graph.cost import Budgets
from graph.documents import Documents
from graph.errors import DocumentRefused
from graph.plan_text import plan_text, selected
from graph.schema import GraphSchema, build
from graph.selection import Selection
from portico.access.bundle import read_bundle
from portico.access.decisions import Ceiling, Decisions, Tally
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.records.errors import Fault
from portico.records.exchange import GraphQLRequest
from portico.records.references import RecordType, Tenant

SOURCES: Final[Mapping[RecordType, str]] = {
    **dict.fromkeys(CHARTED, "the EHR"),
    **dict.fromkeys(SCHEDULED, "the scheduling system"),
    **dict.fromkeys(BILLED, "the billing system"),
}
"""Which system has the records of a type, by the connectors that there are."""


class UnknownRole(ValueError):
    """The policies know no such role, or not this purpose of it; the message says what they know."""


class PlanRefused(Fault):
    """The document can't be executed; each line says why."""


async def tell(query: str, operation: str | None, who: tuple[str, str] | None, policies: Path) -> list[str]:
    """The lines that tell the operation's plan, to `who` (a role and a purpose of use).

    Raises `PlanRefused`, `UnknownRole`.
    """
    if who is not None:
        await asyncio.to_thread(_require_known, *who, policies)
    schema = build()
    try:
        document = Documents(schema.core, Budgets()).read(GraphQLRequest(query=query, operation_name=operation))
    except DocumentRefused as refused:
        raise PlanRefused("\n".join(str(error["message"]) for error in refused.errors)) from None
    selection = selected(schema, document)
    ceiling = None if who is None or selection is None else await _ceiling(schema, selection, who, policies)
    return list(plan_text(schema, document, SOURCES, ceiling))


def _require_known(role: str, purpose: str, policies: Path) -> None:
    data: Any = read_bundle(policies).data
    matrix = data.get("portico", {}).get("matrix", {})
    if role not in matrix:
        raise UnknownRole(f"no such role; there are {', '.join(matrix)}")
    purposes = matrix[role]["purposes"]
    if purpose not in purposes:
        raise UnknownRole(f"{role} has no purpose {purpose}; there are {', '.join(purposes)}")


async def _ceiling(schema: GraphSchema, selection: Selection, who: tuple[str, str], policies: Path) -> Ceiling:
    """What somebody in this role may be released of any record at all, by the policies alone."""
    role, purpose = who
    principal = Principal(
        subject=role,
        kind=PrincipalKind.PERSON,
        tenant=Tenant("none"),
        roles=frozenset({role}),
        purposes=frozenset({Purpose(purpose)}),
        client="plan",
        expires_at=int(time.time()) + 60,
    )
    caller = Caller(principal=principal, purpose=Purpose(purpose), request_id="plan", deadline=time.monotonic() + 60)
    engine = await EmbeddedEngine.start(EmbeddedConfig(folder=policies))
    try:
        return await Decisions(engine).ceiling(caller, selection.coordinates(schema), Tally())
    finally:
        await engine.aclose()
