"""From a request to an answer: prepare, ask for the ceiling, execute, record, and only then answer.

The one place where a GraphQL document meets a caller. What comes back is bytes: released, and recorded as released.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from operator import itemgetter
from time import monotonic
from types import CoroutineType
from typing import Any, TypeGuard, TypeVar

from graphql import ExecutionResult, execute
from graphql.execution import Executor as CoreExecutor

from graph.context import Context
from graph.cost import Budgets
from graph.documents import Document, Documents
from graph.errors import INTERNAL, DocumentRefused, Rendered, failed, render
from graph.levels import Levels
from graph.plan import Way
from graph.plans import Bound, Plans
from graph.projection import complete
from graph.reading import bind
from graph.rows import encode
from graph.schema import GraphSchema
from graph.selection import Selection, Selector
from portico.access.decisions import Ceiling, Decisions, Tally
from portico.access.guard import Guard
from portico.access.principal import Caller, Purpose
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import AuditTrail
from portico.records.errors import AuditUnavailable, CallerError, DeadlineExceeded, MethodRefused, SlowDown, SwitchedOff
from portico.records.exchange import Answer, GraphQLRequest
from portico.records.references import RecordType, Tenant
from portico.records.switches import NOTHING_OFF, Off
from resolvers.commands import Command, CommandStores
from resolvers.ledger import LEDGER
from resolvers.ports import Channel, Crosswalk, Switchboard
from resolvers.seal import Seal
from resolvers.session import Session
from resolvers.switched_off import switched, with_repetitions

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
    switches: Switchboard
    decisions: Decisions
    guard: Guard
    seal: Seal
    trail: AuditTrail
    commands: CommandStores
    on_fault: Callable[[BaseException, str], None]
    budgets: Budgets = field(default_factory=Budgets)
    planned: bool = True
    """Whether queries are executed by their plans; graphql-core, which executes all else, is the reference."""
    on_executed: Callable[[Way], None] = lambda _: None
    """Hears of every operation that is executed, and how."""
    explain: bool = False
    """Whether answers say how they came about (`extensions.portico`); for the demo."""


class Executor:
    """Answers requests against the schema."""

    def __init__(self, schema: GraphSchema, parts: Parts) -> None:
        bind(schema)
        self._schema = schema
        self._parts = parts
        self._documents = Documents(schema.core, parts.budgets)
        self._plans = Plans(schema)
        self._own: Mapping[RecordType, Channel] = dict.fromkeys(parts.commands.records.keys, parts.commands.records)

    async def answer(self, request: GraphQLRequest, caller: Caller) -> Answer:
        """The answer to a request; costs what its levels cost. Raises nothing but what is HTTP's to say."""
        try:
            document, variables = self._documents.prepare(request)
            bound = self._plans.of(document, variables) if self._parts.planned else Way.REFERENCE
            selection = (
                bound.selection
                if isinstance(bound, Bound)
                else Selector(self._schema, document.node, variables).walk(document)
            )
            context = self._context(await self._session(selection, caller), document)
            try:
                return await self._executed(context, document, request, bound)
            finally:
                context.forget()
        except DocumentRefused as refused:
            return Answer(encode({"errors": refused.errors}), executed=False)
        except (MethodRefused, SlowDown):
            raise
        except CallerError as error:
            return self._refused(error, caller)
        except Exception as error:  # noqa: BLE001  a bug costs its own request, and releases nothing
            self._parts.on_fault(error, caller.request_id)
            return Answer(encode({"data": None, "errors": [_internal(caller.request_id)]}), executed=True)

    def _context(self, session: Session, document: Document) -> Context:
        def command(name: str) -> Command:
            return Command(
                name=name,
                session=session,
                stores=self._parts.commands,
                operation=document.digest,
                operation_name=document.name,
            )

        return Context(session, commanding=command)

    async def _session(self, selection: Selection, caller: Caller) -> Session:
        """What the request needs, with what the ceiling denies and what is switched off already pruned."""
        tally = Tally()
        ceiling, off = await _within(
            caller.deadline - AUDIT_RESERVE_SECONDS, self._bounds(selection, caller, tally), DeadlineExceeded()
        )
        if off.stops(subject=caller.principal.subject, client=caller.principal.client):
            raise SwitchedOff
        if caller.principal.subject in off.slowed and caller.purpose is not Purpose.EMERGENCY:
            await self._admit(caller)
        channels = self._parts.channels.get(caller.principal.tenant, {})
        return Session(
            caller=replace(caller, switched_off=off.fields) if off.fields else caller,
            channels={**switched(channels, off.sources), **self._own},
            crosswalk=self._parts.crosswalk,
            guard=self._parts.guard,
            decisions=self._parts.decisions,
            seal=self._parts.seal,
            tags=self._schema.tags,
            ceiling=ceiling,
            wanted=selection.wanted(self._schema, ceiling),
            tally=tally,
            trail=self._parts.trail,
        )

    async def _bounds(self, selection: Selection, caller: Caller, tally: Tally) -> tuple[Ceiling, Off]:
        """The ceiling without what is off, and what is off: the store is read while the policies are asked."""
        reading = self._parts.switches.read()
        ceiling = await self._parts.decisions.ceiling(caller, selection.coordinates(self._schema), tally)
        off = (await reading).get(caller.principal.tenant, NOTHING_OFF)
        off = replace(off, fields=with_repetitions(off.fields)) if off.fields else off
        return ceiling.without(off.fields), off

    async def _admit(self, caller: Caller) -> None:
        """Let a slowed subject's request through at their pace, whichever process it comes to."""
        admitted = self._parts.switches.admit(caller.principal.tenant, caller.principal.subject)
        seconds = await _within(caller.deadline - AUDIT_RESERVE_SECONDS, admitted, DeadlineExceeded())
        if seconds > 0:
            raise SlowDown(seconds)

    async def _executed(
        self, context: Context, document: Document, request: GraphQLRequest, bound: Bound | Way
    ) -> Answer:
        self._parts.on_executed(Way.PLANNED if isinstance(bound, Bound) else bound)
        deadline = context.session.caller.deadline
        LEDGER.set(context.session.ledger)
        if isinstance(bound, Bound):
            run: Awaitable[dict[str, Any] | None] = self._levels(context, bound).run()
        else:
            run = self._run(context, document, request)
        data = await _within(deadline - AUDIT_RESERVE_SECONDS, run, DeadlineExceeded())
        if context.refusal is not None:
            raise context.refusal
        errors = self._errors(context)
        entry = _entry(context, document, empty=data is None)
        await _within(deadline, self._parts.trail.commit(entry), AuditUnavailable())
        body: dict[str, Any] = {"data": data}
        if errors:
            body["errors"] = errors
        extensions = self._extensions(context)
        if extensions:
            body["extensions"] = {"portico": extensions}
        return Answer(encode(body), executed=True)

    def _levels(self, context: Context, bound: Bound) -> Levels:
        """What executes a plan."""
        return Levels(context, bound)

    async def _run(self, context: Context, document: Document, request: GraphQLRequest) -> dict[str, Any] | None:
        """Executes what has no plan."""
        executed = execute(
            self._schema.core,
            document.node,
            context_value=context,
            variable_values=dict(request.variables),
            operation_name=document.name,
            hide_suggestions=True,
            is_awaitable=_is_awaitable,
            executor_class=_Reference,
        )
        result = executed if isinstance(executed, ExecutionResult) else await executed
        for error in result.errors or ():
            context.faults.append((list(error.path or ()), error.original_error or error))
        return result.data

    def _errors(self, context: Context) -> list[Rendered]:
        """Everything that has to be said, by path. What nobody foresaw is said without its words."""
        noted = sorted(context.errors.items())
        unforeseen = sorted(context.faults, key=itemgetter(0))
        return [error for _, error in noted] + [self._unforeseen(context, *fault) for fault in unforeseen]

    def _unforeseen(self, context: Context, path: list[str | int], error: Exception) -> Rendered:
        if isinstance(error, CallerError):
            return failed(error, path)
        request_id = context.session.caller.request_id
        self._parts.on_fault(error, request_id)
        return {**_internal(request_id), "path": path}

    def _refused(self, error: CallerError, caller: Caller) -> Answer:
        errors = [render(error.code, error.message, requestId=caller.request_id)]
        return Answer(encode({"data": None, "errors": errors}), executed=True)

    def _extensions(self, context: Context) -> dict[str, Any]:
        extensions: dict[str, Any] = {}
        if context.masked:
            extensions["masked"] = sorted(context.masked)
        notices = context.session.ledger.notices
        if notices:
            extensions["notices"] = [{"code": code, "text": text} for code, text in sorted(notices.items())]
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


class _Reference(CoreExecutor[None]):
    """graphql-core, with leaves written as plans write them."""

    complete_leaf_value = staticmethod(complete)


def _internal(request_id: str) -> Rendered:
    return render(INTERNAL, "Something went wrong here; it was noted.", requestId=request_id)


def _is_awaitable(value: object) -> TypeGuard[Awaitable[Any]]:
    """Whether a reader returned work: readers return coroutines and values, and nothing else that can be awaited."""
    return value.__class__ is CoroutineType


def _entry(context: Context, document: Document, *, empty: bool) -> AuditEntry:
    session = context.session
    principal, ledger = session.caller.principal, session.ledger
    partial = bool(context.errors or ledger.masked)
    command, refusal = context.refused_command or (None, None)
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
        labels=frozenset(ledger.labels),
        attempts=frozenset(ledger.attempts),
        released=frozenset(context.released),
        masked=frozenset(ledger.masked),
        withheld=frozenset(ledger.withheld),
        sources=frozenset(ledger.sources),
        policy_revision=session.ceiling.revision,
        decision_ids=frozenset(session.tally.decision_ids),
        outcome=Outcome.REFUSED if empty or command else Outcome.PARTIAL if partial else Outcome.RELEASED,
        command=command,
        refusal=refusal,
        at=datetime.now(UTC),
    )
