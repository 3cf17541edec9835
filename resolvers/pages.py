"""Pages of a connection, and the cursors between them.

A cursor is sealed to the caller, the purpose, the list and its criteria: replayed by anyone else, or for another
list, it does not open. It holds where to go on, and that is judged again on every page.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from msgspec import Struct

from portico.access.guard import Released
from portico.access.principal import Caller
from portico.records.errors import BadArgument
from portico.records.search import Condition
from resolvers.criteria import Ordering, Value, written
from resolvers.seal import Seal

Position: TypeAlias = tuple[Value, ...]
"""What says where a row of a list stands."""

PAGE_LIMIT = 100
DEFAULT_PAGE = 20

CURSOR_STEP_BYTES = 128
"""What a cursor holds is filled up to a multiple of this, so that it doesn't tell how long an id at the source is."""


@dataclass(frozen=True, slots=True)
class ListArguments:
    """A connection's arguments, understood: hashable, so that like edges of like arguments are one batch."""

    first: int
    after: str | None
    conditions: tuple[Condition, ...]
    ordering: Ordering

    def __post_init__(self) -> None:
        """Refuse a page size out of range."""
        if not 0 <= self.first <= PAGE_LIMIT:
            raise BadArgument(f"first must be between 0 and {PAGE_LIMIT}.")


class Cursors(Struct, frozen=True, eq=False):
    """Makes and reads the cursors of one list. `place` is its coordinate, behind an edge with the parent's opaque id.

    Most cursors are never asked for, so nothing is sealed, and no place named, before one is.
    """

    seal: Seal
    caller: Caller
    place: Callable[[], tuple[str, ...]]
    arguments: ListArguments

    def make(self, position: Position) -> str:
        """The cursor of a position: the same each time, for it is sealed without chance."""
        text = json.dumps([written(part) for part in position], ensure_ascii=False)
        return self.seal.seal(self._meant_for, (text.ljust(-(-len(text) // CURSOR_STEP_BYTES) * CURSOR_STEP_BYTES),))

    def read(self) -> tuple[str, ...] | None:
        """The position to go on from; None at the beginning. Raises `BadArgument` for what was not issued for this."""
        if self.arguments.after is None:
            return None
        opened = self.seal.open(self._meant_for, self.arguments.after)
        if opened is None:
            raise BadArgument("after is not a cursor of this list.")
        position: list[str] = json.loads(opened[0])
        return tuple(position)

    @property
    def _meant_for(self) -> tuple[str, ...]:
        principal = self.caller.principal
        criteria = repr((self.arguments.conditions, self.arguments.ordering))
        # By its hash, so that nothing that was searched for is kept where names are remembered.
        conditions = hashlib.sha256(criteria.encode()).hexdigest()
        return ("cursor", principal.tenant, principal.subject, self.caller.purpose.value, *self.place(), conditions)


class ReleasedEdge(NamedTuple):
    """One row of a connection."""

    node: Released
    position: Position
    cursors: Cursors

    @property
    def cursor(self) -> str:
        """Where the row stands."""
        return self.cursors.make(self.position)


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Relay's PageInfo; lists are read forwards."""

    rows: Connection
    has_next_page: bool
    has_previous_page: bool = False

    @property
    def start_cursor(self) -> str | None:
        """Where the first row stands."""
        return self._cursor(0)

    @property
    def end_cursor(self) -> str | None:
        """Where the last row stands."""
        return self._cursor(-1)

    def _cursor(self, row: int) -> str | None:
        return self.rows.cursors.make(self.rows.positions[row]) if self.rows.positions else None


class Connection(Struct, frozen=True, eq=False):
    """One page of released records, each with its position; `more` come after them."""

    nodes: Sequence[Released]
    positions: Sequence[Position]
    cursors: Cursors
    more: bool = False

    @property
    def edges(self) -> list[ReleasedEdge]:
        """The rows."""
        return [ReleasedEdge(*row, self.cursors) for row in zip(self.nodes, self.positions, strict=True)]

    @property
    def page_info(self) -> PageInfo:
        """Where the page stands."""
        return PageInfo(self, has_next_page=self.more)


def connection(
    released: Sequence[Released | None], positions: Sequence[Position], cursors: Cursors, *, more: bool
) -> Connection:
    """A page of those rows that were released, each with its position."""
    if None in released:
        positions = [position for one, position in zip(released, positions, strict=True) if one is not None]
        released = [one for one in released if one is not None]
    return Connection(released, positions, cursors, more)  # type: ignore[arg-type]  # none of them is None
