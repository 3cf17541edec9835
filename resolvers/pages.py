"""Pages of a connection, and the cursors between them.

A cursor is sealed to the caller, the purpose, the list and its criteria: replayed by anyone else, or for another
list, it does not open. It holds where to go on, and that is judged again on every page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from portico.access.guard import Released
from portico.access.principal import Caller
from portico.records.errors import BadArgument
from portico.records.search import Condition
from resolvers.criteria import Ordering
from resolvers.seal import Seal

PAGE_LIMIT = 100
DEFAULT_PAGE = 20


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


@dataclass(frozen=True, slots=True)
class ReleasedEdge:
    """One row of a connection."""

    node: Released
    cursor: str


@dataclass(frozen=True, slots=True)
class PageInfo:
    """Relay's PageInfo; lists are read forwards."""

    has_next_page: bool
    end_cursor: str | None
    start_cursor: str | None
    has_previous_page: bool = False


@dataclass(frozen=True, slots=True)
class Connection:
    """One page of released records."""

    edges: tuple[ReleasedEdge, ...]
    page_info: PageInfo


def connection(rows: Sequence[tuple[Released, str]], *, more: bool, end: str | None = None) -> Connection:
    """A page of released records with their cursors. `end` is where to go on, if not after the last of them."""
    edges = tuple(ReleasedEdge(node, cursor) for node, cursor in rows)
    return Connection(
        edges,
        PageInfo(
            has_next_page=more,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=end or (edges[-1].cursor if edges else None),
        ),
    )


EMPTY = connection((), more=False)


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads the cursors of one list: `place` is its coordinate, for an edge with the parent's opaque id."""

    seal: Seal
    caller: Caller
    place: tuple[str, ...]
    arguments: ListArguments

    def make(self, position: tuple[str, ...]) -> str:
        """The cursor of a position."""
        return self.seal.seal(self._meant_for, position)

    def read(self) -> tuple[str, ...] | None:
        """The position to go on from; None at the beginning. Raises `BadArgument` for what was not issued for this."""
        if self.arguments.after is None:
            return None
        position = self.seal.open(self._meant_for, self.arguments.after)
        if position is None:
            raise BadArgument("after is not a cursor of this list.")
        return position

    @property
    def _meant_for(self) -> tuple[str, ...]:
        principal = self.caller.principal
        conditions = repr((self.arguments.conditions, self.arguments.ordering))
        return ("cursor", principal.tenant, principal.subject, self.caller.purpose.value, *self.place, conditions)
