"""The ways to do something, one function each: from arguments to a command, and from what became of it to an answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from graphql import GraphQLResolveInfo

from graph.context import Context
from portico.access.guard import Released
from portico.records.consent import Provision
from portico.records.errors import CallerError, Fault
from resolvers.commands import Command
from resolvers.consenting import Wish, record_consent, revoke_consent
from resolvers.emergency import Emergency, break_the_glass, end_break_the_glass, review_emergency_access

Work = Callable[[Command, Mapping[str, Any]], Awaitable[Released | None]]
Runner = Callable[..., Awaitable[Released | None]]


def _command(name: str, work: Work) -> Runner:
    async def run(_: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> Released | None:
        context = info.context
        if context.commanding is None:
            raise Fault("a command without anywhere to have its effect")
        try:
            return await work(context.commanding(name), arguments["input"])
        except CallerError as error:
            context.refuse(name, info.path, error)
            return None

    return run


async def _break_the_glass(command: Command, given: Mapping[str, Any]) -> Released | None:
    emergency = Emergency(
        patient=given.get("patient"),
        mrn=given.get("mrn"),
        birth_date=given.get("birthDate"),
        reason=given["reason"],
        minutes=given["minutes"],
    )
    return await break_the_glass(command, emergency)


async def _end_break_the_glass(command: Command, given: Mapping[str, Any]) -> Released | None:
    return await end_break_the_glass(command, given["access"])


async def _review_emergency_access(command: Command, given: Mapping[str, Any]) -> Released | None:
    return await review_emergency_access(command, given["access"], given["verdict"], given.get("note"))


async def _record_consent(command: Command, given: Mapping[str, Any]) -> Released | None:
    said = Provision(
        kind=given["kind"],
        purposes=frozenset(given["purposes"]),
        roles=frozenset(given["roles"]),
        tags=frozenset(tag.value for tag in given["tags"]),
        labels=frozenset(given["sensitivities"]),
    )
    wish = Wish(
        patient=given["patient"],
        provision=said,
        practitioners=tuple(given["practitioners"]),
        organizations=tuple(given["organizations"]),
        start=given.get("start"),
        end=given.get("end"),
    )
    return await record_consent(command, wish)


async def _revoke_consent(command: Command, given: Mapping[str, Any]) -> Released | None:
    return await revoke_consent(command, given["consent"])


COMMANDS: dict[str, Runner] = {
    name: _command(name, work)
    for name, work in {
        "breakTheGlass": _break_the_glass,
        "endBreakTheGlass": _end_break_the_glass,
        "reviewEmergencyAccess": _review_emergency_access,
        "recordConsent": _record_consent,
        "revokeConsent": _revoke_consent,
    }.items()
}
