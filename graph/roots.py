"""The ways in, one function each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from graphql import GraphQLResolveInfo

from graph.arguments import ids, list_arguments
from graph.context import Context
from portico.access.guard import Released
from portico.records.errors import CallerError, SourceError
from portico.records.references import RecordType
from resolvers.accesses import accesses
from resolvers.lists import list_records
from resolvers.nodes import nodes
from resolvers.operations import sources, viewer
from resolvers.pages import Connection

Root = Callable[..., Awaitable[Any] | None]


def _one(only: RecordType | None) -> Root:
    async def resolve(_: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> Released | None:
        return await info.context.node(only, arguments["id"], info.path)

    return resolve


async def _several(_: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> list[Released | None] | None:
    context = info.context

    async def find() -> list[Released | SourceError | None]:
        return await nodes(context.session, ids(arguments))

    found = await context.settle(info.path, find())
    if found is None:
        return None
    for number, one in enumerate(found):
        if isinstance(one, SourceError):
            context.fail(info.path.add_key(number, None), one)
    return [None if isinstance(one, SourceError) else one for one in found]


def _list(type_: RecordType) -> Root:
    def resolve(_: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> Awaitable[Connection | None] | None:
        context = info.context
        try:
            understood = list_arguments(arguments)
        except CallerError as error:
            context.fail(info.path, error)
            return None
        return context.root(type_, info.path, list_records(context.session, type_, understood))

    return resolve


async def _viewer(_: object, info: GraphQLResolveInfo[Context]) -> Released | None:
    context = info.context
    return await context.settle(info.path, viewer(context.session))


async def _sources(_: object, info: GraphQLResolveInfo[Context]) -> list[Released] | None:
    context = info.context
    return await context.settle(info.path, sources(context.session))


def _accesses(_: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> Awaitable[Connection | None] | None:
    context = info.context
    try:
        understood = list_arguments(arguments)
    except CallerError as error:
        context.fail(info.path, error)
        return None
    return context.settle(info.path, accesses(context.session, arguments["patient"], understood))


ROOTS: dict[str, Root] = {
    "viewer": _viewer,
    "node": _one(None),
    "nodes": _several,
    "patient": _one(RecordType.PATIENT),
    "patients": _list(RecordType.PATIENT),
    "appointment": _one(RecordType.APPOINTMENT),
    "appointments": _list(RecordType.APPOINTMENT),
    "claim": _one(RecordType.CLAIM),
    "claims": _list(RecordType.CLAIM),
    "slots": _list(RecordType.SLOT),
    "practitioner": _one(RecordType.PRACTITIONER),
    "practitioners": _list(RecordType.PRACTITIONER),
    "accesses": _accesses,
    "emergencyAccesses": _list(RecordType.EMERGENCY_ACCESS),
    "sources": _sources,
}
