"""From a request to an answer: prepare, ask for the ceiling, execute, record, and only then answer.

The one place where a GraphQL document meets a caller. What comes back is bytes: released, and recorded as released.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from types import CoroutineType
from typing import Any, TypeGuard, TypeVar

import orjson
from graphql import ExecutionResult, GraphQLError, execute
from graphql.execution import Executor as CoreExecutor
from graphql.execution import VariableValues

from graph.context import Context
from graph.cost import Budgets
from graph.documents import Document, Documents
from graph.errors import INTERNAL, DocumentRefused, Rendered, failed, render, rendered
from graph.leaves import LeafExecutor
from graph.reading import bind
from graph.schema import GraphSchema
from graph.selection import Selector
from portico.access.decisions import Decisions, Tally
from portico.access.guard import Guard
from portico.access.principal import Caller
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import AuditTrail
from portico.records.errors import AuditUnavailable, CallerError, DeadlineExceeded, MethodRefused
from portico.records.exchange import Answer, GraphQLRequest
from portico.records.references import RecordType, Tenant
from resolvers.ledger import LEDGER
from resolvers.seal import Seal
from resolvers.session import Channel, Crosswalk, Session

T = TypeVar("T")

AUDIT_RESERVE_SECONDS = 0.25
"""What is kept of a request's time to record what it releases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What an executor works with; made once by `main`.

    `on_fault` hears of bugs: the exception and the request's id, never its text.
    """

    channels: Mapping[Tenant, Mapping[RecordType, Channel]]
    crosswalk: Crosswalk
    decisions: Decisions
    guard: Guard
    seal: Seal
    trail: AuditTrail
    on_fault: Callable[[BaseException, str], None]
    budgets: Budgets = field(default_factory=Budgets)
    executor_class: type[CoreExecutor[Any]] = LeafExecutor
    """How the prepared document is walked; graphql-core's own `Executor` is the reference."""
    explain: bool = False
    """Whether answers say how they came about (`extensions.portico`); for the demo."""


class Executor:
    """Answers requests against the schema."""

    def __init__(self, schema: GraphSchema, parts: Parts) -> None:
        bind(schema)
        self._schema = schema
        self._parts = parts
        self._documents = Documents(schema.core, parts.budgets)

    async def answer(self, request: GraphQLRequest, caller: Caller) -> Answer:
        """The answer to a request; costs what its levels cost. Raises nothing but `MethodRefused`, which is HTTP's."""
        try:
            document, variables = self._documents.prepare(request)
            context = Context(await self._session(document, variables, caller))
            return await self._executed(context, document, request)
        except DocumentRefused as refused:
            return Answer(orjson.dumps({"errors": refused.errors}), executed=False)
        except MethodRefused:
            raise
        except CallerError as error:
            return self._refused(error, caller)
        except Exception as error:  # noqa: BLE001  a bug costs its own request, and releases nothing
            self._parts.on_fault(error, caller.request_id)
            return Answer(orjson.dumps({"data": None, "errors": [_internal(caller.request_id)]}), executed=True)

    async def _session(self, document: Document, variables: VariableValues, caller: Caller) -> Session:
        """What the request needs, with what the ceiling denies already pruned."""
        tally = Tally()
        selection = Selector(self._schema, document.node, variables).walk(document)
        ceiling = await _within(
            caller.deadline - AUDIT_RESERVE_SECONDS,
            self._parts.decisions.ceiling(caller, selection.coordinates(self._schema), tally),
            DeadlineExceeded(),
        )
        return Session(
            caller=caller,
            channels=self._parts.channels.get(caller.principal.tenant, {}),
            crosswalk=self._parts.crosswalk,
            guard=self._parts.guard,
            decisions=self._parts.decisions,
            seal=self._parts.seal,
            tags=self._schema.tags,
            ceiling=ceiling,
            wanted=selection.wanted(self._schema, ceiling),
            tally=tally,
        )

    async def _executed(self, context: Context, document: Document, request: GraphQLRequest) -> Answer:
        deadline = context.session.caller.deadline
        LEDGER.set(context.session.ledger)
        result = await _within(
            deadline - AUDIT_RESERVE_SECONDS, self._run(context, document, request), DeadlineExceeded()
        )
        if context.refusal is not None:
            raise context.refusal
        errors = self._errors(context, result)
        entry = _entry(context, document, empty=result.data is None)
        await _within(deadline, self._parts.trail.commit(entry), AuditUnavailable())
        body: dict[str, Any] = {"data": result.data}
        if errors:
            body["errors"] = errors
        extensions = self._extensions(context)
        if extensions:
            body["extensions"] = {"portico": extensions}
        return Answer(orjson.dumps(body), executed=True)

    async def _run(self, context: Context, document: Document, request: GraphQLRequest) -> ExecutionResult:
        result = execute(
            self._schema.core,
            document.node,
            context_value=context,
            variable_values=dict(request.variables),
            operation_name=document.name,
            hide_suggestions=True,
            is_awaitable=_is_awaitable,
            executor_class=self._parts.executor_class,
        )
        return result if isinstance(result, ExecutionResult) else await result

    def _errors(self, context: Context, result: ExecutionResult) -> list[Rendered]:
        """Everything that has to be said, by path. What nobody foresaw is said without its words."""
        noted = sorted(context.errors.items())
        unforeseen = [self._unforeseen(context, error) for error in result.errors or ()]
        return [error for _, error in noted] + unforeseen

    def _unforeseen(self, context: Context, error: GraphQLError) -> Rendered:
        original = error.original_error
        if original is None:
            return rendered("BAD_ARGUMENT", error)
        path = list(error.path or ())
        if isinstance(original, CallerError):
            return failed(original, path)
        request_id = context.session.caller.request_id
        self._parts.on_fault(original, request_id)
        return {**_internal(request_id), "path": path}

    def _refused(self, error: CallerError, caller: Caller) -> Answer:
        errors = [render(error.code, error.message, requestId=caller.request_id)]
        return Answer(orjson.dumps({"data": None, "errors": errors}), executed=True)

    def _extensions(self, context: Context) -> dict[str, Any]:
        extensions: dict[str, Any] = {}
        if context.masked:
            extensions["masked"] = sorted(context.masked)
        if self._parts.explain:
            session = context.session
            extensions["requestId"] = session.caller.request_id
            extensions["policy"] = {"revision": session.ceiling.revision, "calls": session.tally.calls}
            extensions["sources"] = {
                source: {"calls": use.calls, "milliseconds": round(use.milliseconds, 1), "status": use.status}
                for source, use in sorted(session.ledger.sources.items())
            }
        return extensions


async def _within(deadline: float, work: Awaitable[T], late: CallerError) -> T:
    """The work's result by the deadline; later, `late` is raised."""
    try:
        async with asyncio.timeout(deadline - monotonic()):
            return await work
    except TimeoutError as error:
        raise late from error


def _internal(request_id: str) -> Rendered:
    return render(INTERNAL, "Something went wrong here; it was noted.", requestId=request_id)


def _is_awaitable(value: object) -> TypeGuard[Awaitable[Any]]:
    """Whether a reader returned work: readers return coroutines and values, and nothing else that can be awaited."""
    return value.__class__ is CoroutineType


def _entry(context: Context, document: Document, *, empty: bool) -> AuditEntry:
    session = context.session
    principal, ledger = session.caller.principal, session.ledger
    partial = bool(context.errors or ledger.masked)
    return AuditEntry(
        tenant=principal.tenant,
        request_id=session.caller.request_id,
        subject=principal.subject,
        kind=principal.kind.value,
        roles=principal.roles,
        purpose=session.caller.purpose.value,
        client=principal.client,
        operation=document.digest,
        operation_name=document.name,
        patients=frozenset(ledger.patients),
        released=frozenset(context.released),
        masked=frozenset(ledger.masked),
        withheld=frozenset(ledger.withheld),
        sources=frozenset(ledger.sources),
        policy_revision=session.ceiling.revision,
        decision_ids=frozenset(session.tally.decision_ids),
        outcome=Outcome.REFUSED if empty else Outcome.PARTIAL if partial else Outcome.RELEASED,
        at=datetime.now(UTC),
    )
