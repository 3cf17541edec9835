"""What one execution carries: the session, its batches, and what has to be said besides the data."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, TypeAlias, TypeVar

from aiodataloader import DataLoader
from graphql.pyutils import Path

from graph.arguments import list_arguments
from graph.errors import Rendered, failed, schema_path, withheld
from portico.access.guard import Masked, Released, Withheld
from portico.records.errors import (
    AuditUnavailable,
    CallerError,
    PolicyUnavailable,
    SourceError,
    StoreUnavailable,
    SwitchedOff,
)
from portico.records.references import RecordType
from resolvers.accesses import accesses_of
from resolvers.commands import Command
from resolvers.edges import Edge, Via
from resolvers.follow import follow_many, follow_one
from resolvers.nodes import nodes
from resolvers.pages import Connection, ListArguments
from resolvers.session import Session

T = TypeVar("T")

Loader = DataLoader[Any, Any]

Found: TypeAlias = Connection | Released | CallerError | None

FAIL_CLOSED = (PolicyUnavailable, StoreUnavailable, AuditUnavailable, SwitchedOff)
"""Failures of what decides and records, and that it is switched off: with one of them nothing at all is released."""


class Place(Protocol):
    """Where in the answer something is; graphql-core's `Path` is one."""

    def as_list(self) -> list[str | int]:
        """The response keys and row numbers from the root on."""


FAILED: Final = object()
"""Stands for what a batch could not give."""


@dataclass(slots=True)
class Context:
    """One execution. Errors, masks and denials are noted once for each schema path, however many rows they meet."""

    session: Session
    errors: dict[tuple[str, str], Rendered] = field(default_factory=dict)
    masked: set[str] = field(default_factory=set)
    released: set[str] = field(default_factory=set)
    refusal: CallerError | None = None
    """Why nothing at all may be released, if so."""
    commanding: Callable[[str], Command] | None = None
    """Makes the command of a name; None where nothing can be done."""
    refused_command: tuple[str, str] | None = None
    """The command that was not carried out, and why."""
    faults: list[tuple[list[str | int], Exception]] = field(default_factory=list)
    """What nobody foresaw, by path."""
    _loaders: dict[Hashable, Loader] = field(default_factory=dict)
    _under_way: Counter[RecordType] = field(default_factory=Counter)
    _arrivals: dict[RecordType, asyncio.Event] = field(default_factory=dict)

    def forget(self) -> None:
        """Let go of the batches, which refer back to here: what was found for the request goes with it, at once."""
        self._loaders.clear()

    def withhold(self, path: Place, marker: Withheld) -> None:
        """Note a value that is not released."""
        self.session.ledger.withheld.add(marker.coordinate)
        keys = path.as_list()
        rendered = withheld(marker, keys, self.session.ceiling.decision_id)
        self._note(marker.coordinate, keys, rendered)

    def mask(self, path: Place, marker: Masked) -> None:
        """Note a value that is released in part."""
        self.session.ledger.masked.add(marker.coordinate)
        self.masked.add(schema_path(path.as_list()))

    def fail(self, path: Place, error: CallerError) -> None:
        """Note a failure; one of the policies or the audit costs the whole answer, any other its own field."""
        if isinstance(error, FAIL_CLOSED):
            self.refusal = error
        keys = path.as_list()
        self._note(error.code, keys, failed(error, keys))

    def _note(self, what: str, path: list[str | int], rendered: Rendered) -> None:
        """Note an error once for each schema path: at its first row, whichever was come to first."""
        place = (schema_path(path), what)
        noted = self.errors.get(place)
        if noted is None or path < noted["path"]:
            self.errors[place] = rendered

    def refuse(self, command: str, path: Place, error: CallerError) -> None:
        """Note a command that was not carried out."""
        self.refused_command = (command, str(error.details.get("reason", error.code)))
        self.fail(path, error)

    async def settle(self, path: Path, work: Awaitable[T]) -> T | None:
        """The work's result; None, and the failure noted, where it has none."""
        try:
            return await work
        except CallerError as error:
            self.fail(path, error)
            return None

    def root(self, type_: RecordType, path: Path, work: Awaitable[T]) -> Awaitable[T | None]:
        """Settle a list root's work. Edges from its records wait for all such roots: their parents are a batch.

        Counted at once, before any root of the operation can have arrived.
        """
        self._under_way[type_] += 1
        arrival = self._arrivals.setdefault(type_, asyncio.Event())

        async def settle() -> T | None:
            try:
                return await self.settle(path, work)
            finally:
                self._under_way[type_] -= 1
                if not self._under_way[type_]:
                    arrival.set()

        return settle()

    async def node(self, only: RecordType | None, name: str, path: Path) -> Released | None:
        """The record behind an opaque id, in one batch with all that are asked for singly."""
        loader = self._loaders.get(only)
        if loader is None:

            async def load(names: list[str]) -> list[Released | SourceError | None]:
                return await nodes(self.session, names, only)

            loader = self._loaders[only] = DataLoader(load)
        found = await self._found(path, loader.load(name))
        return None if found is FAILED else found

    async def follow(self, edge: Edge, name: str, source: Released, arguments: Mapping[str, Any], path: Path) -> Any:
        """What an edge leads to, in one batch with all its like."""
        if self._under_way[edge.origin]:
            await self._arrivals[edge.origin].wait()
        try:
            loader = self._loader(edge, list_arguments(arguments) if edge.many else None)
        except CallerError as error:
            self.fail(path, error)
            return None
        found = await self._found(path, loader.load(source))
        if found is not FAILED:
            self.released.add(name)
            return found
        return None

    async def _found(self, path: Path, load: Awaitable[Any]) -> Any:
        """What a batch gave for its seat; `FAILED`, and the failure noted, where it has none."""
        try:
            found = await load
        except CallerError as error:
            found = error
        if isinstance(found, CallerError):
            self.fail(path, found)
            return FAILED
        return found

    def _loader(self, edge: Edge, arguments: ListArguments | None) -> Loader:
        key = (edge, arguments)
        loader = self._loaders.get(key)
        if loader is None:
            loader = self._loaders[key] = DataLoader(self._batch(edge, arguments))
        return loader

    def _batch(self, edge: Edge, arguments: ListArguments | None) -> Callable[[list[Released]], Any]:
        async def load(parents: list[Released]) -> Sequence[Found]:
            return await along(self.session, edge, parents, arguments)

        return load


async def along(
    session: Session, edge: Edge, parents: Sequence[Released], arguments: ListArguments | None
) -> Sequence[Found]:
    """What an edge leads to from each of these records: the one batch that every way of executing goes through."""
    if arguments is None:
        return await follow_one(session, edge, parents)
    if edge.via is Via.TRAIL:
        return await accesses_of(session, edge, parents, arguments)
    return await follow_many(session, edge, parents, arguments)
