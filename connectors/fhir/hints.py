"""Where rows of a search were last seen, so that going on after one needn't begin at the beginning."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Sequence

import orjson
from msgspec import Struct

from connectors.fhir.positions import Position


class Hint(Struct, frozen=True, gc=False):
    """A row was on the page behind `link`, the server's own; on the first, which has none, it was the `place`th."""

    link: str = ""
    place: int = 0


class Hints:
    """What this process remembers of one server's pages; the least recently used is forgotten first.

    A hint is never relied on: the row has to be found on the page. Kept by hash, so that nothing that was searched
    for stays here, but for what a server writes into its links.
    """

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._hints: OrderedDict[bytes, Hint] = OrderedDict()

    def of(self, search: bytes, position: Position) -> Hint | None:
        """Where the row of a position was last seen in a search."""
        key = _key(search, position)
        hint = self._hints.get(key)
        if hint is not None:
            self._hints.move_to_end(key)
        return hint

    def note(self, search: bytes, position: Position, hint: Hint) -> None:
        """The row of a position is there."""
        key = _key(search, position)
        self._hints[key] = hint
        self._hints.move_to_end(key)
        if len(self._hints) > self._limit:
            self._hints.popitem(last=False)


def search_mark(type_: str, parameters: Sequence[tuple[str, str]]) -> bytes:
    """What tells a search, conditions and order and all, from every other."""
    return hashlib.sha256(orjson.dumps((type_, parameters))).digest()


def _key(search: bytes, position: Position) -> bytes:
    return hashlib.sha256(search + str(position).encode()).digest()
