"""Lists of a FHIR server, page by page, each page told by the row that it comes after.

    first page     search, with all that is wanted of each row
    any further    walk the search for ids alone, as far as the row -> the ids after it -> those rows, by id

FHIR has no way to ask for what comes after a row, and a server's links are its own: they expire, and most count rows,
so that one row more or less shifts them. Here a link only shortens the walk, and only if the row is found behind it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Final

from connectors.fhir.config import FhirConfig
from connectors.fhir.hints import Hint, Hints, search_mark
from connectors.fhir.positions import ORDER_ELEMENTS, Position
from connectors.fhir.searchsets import Searchset
from connectors.fhir.server import FhirServer, PageGone, Parameters
from portico.records.context import CallContext
from portico.records.errors import SourceInvalid, SourceUnavailable

_DATE: Final = re.compile(r"\d{4}(-\d{2}){0,2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is listed: a FHIR type, conditions, and an order both as FHIR's `_sort` and by its canonical name."""

    type: str
    conditions: tuple[tuple[str, str], ...]
    sort: str
    order: str
    descending: bool

    @property
    def parameters(self) -> tuple[tuple[str, str], ...]:
        """The search parameters."""
        return (*self.conditions, ("_sort", self.sort))

    @property
    def mark(self) -> bytes:
        """What tells this list from every other."""
        return search_mark(self.type, self.parameters)

    def elements(self, names: Iterable[str]) -> tuple[str, str]:
        """The parameter that asks for these elements and for what the order needs."""
        return "_elements", ",".join(sorted({"id", ORDER_ELEMENTS[self.order], *names}))


@dataclass(frozen=True, slots=True)
class Rows:
    """Resources in order, each with its place; `more` says that others follow."""

    placed: tuple[tuple[Position, Any], ...]
    more: bool


@dataclass(frozen=True, slots=True)
class _Stretch:
    """The places of rows that follow each other, and whether there are `more` after them."""

    places: tuple[Position, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A page of a walk: the places of its rows, the link behind which it lies, and whether it is the last."""

    places: tuple[Position, ...]
    link: str
    last: bool


class Listings:
    """Lists one server's resources. Errors are `SourceError`s, and `Malformed` for what can't be read."""

    def __init__(self, server: FhirServer, config: FhirConfig) -> None:
        self._server = server
        self._config = config
        self._hints = Hints(limit=config.hint_limit)

    async def first(self, call: CallContext, listing: Listing, elements: Iterable[str], limit: int) -> Rows:
        """The first rows. Cost: one request, if the server's pages are as large as ours."""
        mark, rows = listing.mark, dict[str, tuple[Position, Any]]()
        asked = [*listing.parameters, listing.elements(elements), ("_count", str(limit))]
        try:
            async with aclosing(self._pages(call, listing.type, asked, "")) as pages:
                async for _, page in pages:
                    for resource in page.resources:
                        position = Position.of(resource, listing.order)
                        if len(rows) == limit and position.id not in rows:
                            return Rows(tuple(rows.values()), more=True)
                        rows[position.id] = position, resource
                        self._hints.note(mark, position, Hint(place=len(rows)))
                    if len(rows) == limit or page.following is None:
                        return Rows(tuple(rows.values()), more=page.following is not None)
        except PageGone:
            raise self._lost() from None
        raise SourceInvalid(self._config.source, "The source system's answer has more pages than agreed.")

    async def after(
        self, call: CallContext, listing: Listing, elements: Iterable[str], limit: int, position: Position
    ) -> Rows:
        """The rows after a position. Cost: two requests where the row's page is remembered or is the first.

        Elsewhere one more for each `page_size` rows before it. A row that has gone is passed over.
        """
        wanted, rows = listing.elements(elements), list[tuple[Position, Any]]()
        while True:
            try:
                stretch = await self._stretch(call, listing, position, limit - len(rows))
                found = await self._resources(call, listing, wanted, [place.id for place in stretch.places])
            except PageGone:
                raise self._lost() from None
            rows += ((Position.of(resource, listing.order), resource) for resource in found)
            if len(rows) == limit or not stretch.more:
                return Rows(tuple(rows), stretch.more)
            if not found:
                raise SourceInvalid(self._config.source, "The source system doesn't have what it lists.")
            position = stretch.places[-1]

    async def _stretch(self, call: CallContext, listing: Listing, position: Position, limit: int) -> _Stretch:
        """Up to `limit` places after a position: from where its row was last seen if it still is there."""
        size, hint = self._config.page_size, self._hints.of(listing.mark, position)
        if hint is not None:
            count = size if hint.link else min(size, hint.place + limit + 1)
            try:
                stretch = await self._behind(listing, position, limit, self._walk(call, listing, count, hint.link))
            except (PageGone, SourceInvalid):
                stretch = None
            if stretch is not None:
                return stretch
        return await self._beyond(call, self._narrowed(listing, position), position, limit)

    def _narrowed(self, listing: Listing, position: Position) -> Listing:
        """The list from a birth date on, where that leaves out nothing that comes after the position."""
        ascending = listing.order == "birth_date" and not listing.descending
        if not self._config.absent_first or not ascending or not _DATE.fullmatch(position.key):
            return listing
        return replace(listing, conditions=(*listing.conditions, ("birthdate", f"ge{position.key}")))

    async def _behind(
        self, listing: Listing, position: Position, limit: int, walk: AsyncGenerator[_Leaf]
    ) -> _Stretch | None:
        """The places after a position whose row is on the first page of a walk; None where it isn't."""
        async with aclosing(walk) as leaves:
            leaf = await anext(leaves)
            if position not in leaf.places:
                return None
            return await self._gathered(listing, limit, leaf, leaf.places.index(position) + 1, leaves)

    async def _beyond(self, call: CallContext, listing: Listing, position: Position, limit: int) -> _Stretch:
        """The places after a position, wherever its row is; if it has gone, those that sort after it."""
        still_there = False
        async with aclosing(self._walk(call, listing, self._config.page_size, "")) as leaves:
            async for leaf in leaves:
                if position in leaf.places:
                    return await self._gathered(listing, limit, leaf, leaf.places.index(position) + 1, leaves)
                beyond = (position.precedes(place, descending=listing.descending) for place in leaf.places)
                start = next((at for at, later in enumerate(beyond) if later), None)
                if start is None or still_there:
                    continue
                # A server may sort letters otherwise than we do: that one sorts later proves nothing by itself.
                still_there = await self._stands(call, listing, position)
                if not still_there:
                    return await self._gathered(listing, limit, leaf, start, leaves)
        if still_there:
            raise self._lost()
        return _Stretch((), more=False)

    async def _gathered(
        self, listing: Listing, limit: int, leaf: _Leaf, start: int, leaves: AsyncGenerator[_Leaf]
    ) -> _Stretch:
        """Up to `limit` places from one of a leaf on, over as many leaves as it takes."""
        mark, places = listing.mark, dict[str, Position]()
        while True:
            for at, place in enumerate(leaf.places[start:], start=start + 1):
                if len(places) == limit and place.id not in places:
                    return _Stretch(tuple(places.values()), more=True)
                places[place.id] = place
                self._hints.note(mark, place, Hint(leaf.link, place=at))
            if leaf.last or len(places) == limit:
                return _Stretch(tuple(places.values()), more=not leaf.last)
            leaf, start = await anext(leaves), 0

    async def _walk(self, call: CallContext, listing: Listing, count: int, link: str) -> AsyncGenerator[_Leaf]:
        """Where the rows of a list stand, page by page, from the page behind a link on; empty is the first."""
        asked = [*listing.parameters, listing.elements(()), ("_count", str(count))]
        async with aclosing(self._pages(call, listing.type, asked, link)) as pages:
            async for at, page in pages:
                places = tuple(Position.of(resource, listing.order) for resource in page.resources)
                yield _Leaf(places, at, last=page.following is None)
                if page.following is None:
                    return
        raise SourceInvalid(self._config.source, "The list goes on too deep in the source system.")

    async def _stands(self, call: CallContext, listing: Listing, position: Position) -> bool:
        """Whether the row of a position is still in the list, and where it was. Cost: one request."""
        asked = [*listing.conditions, ("_id", position.id), listing.elements(()), ("_count", "1")]
        page = await self._server.search(call, listing.type, asked)
        return any(Position.of(resource, listing.order) == position for resource in page.resources)

    async def _resources(
        self, call: CallContext, listing: Listing, wanted: tuple[str, str], ids: Sequence[str]
    ) -> list[Any]:
        """The resources with these ids that still meet the conditions. Cost: one request for each `batch_limit`."""
        found: dict[str, Any] = {}
        size = self._config.batch_limit
        for chunk in (ids[start : start + size] for start in range(0, len(ids), size)):
            asked = [*listing.conditions, ("_id", ",".join(chunk)), wanted, ("_count", str(len(chunk)))]
            async with aclosing(self._pages(call, listing.type, asked, "")) as pages:
                async for _, page in pages:
                    found.update((Position.of(resource, "id").id, resource) for resource in page.resources)
                    if page.following is None:
                        break
        if not found.keys() <= set(ids):
            raise SourceInvalid(self._config.source, "The source system answered about something not asked for.")
        return [found[id_] for id_ in ids if id_ in found]

    async def _pages(
        self, call: CallContext, type_: str, asked: Parameters, link: str
    ) -> AsyncGenerator[tuple[str, Searchset]]:
        """The pages of a search from the one behind a link on, `page_limit` at most, each with its link."""
        for _ in range(self._config.page_limit):
            page = await (self._server.follow(call, type_, link) if link else self._server.search(call, type_, asked))
            yield link, page
            if page.following is None:
                return
            link = page.following

    def _lost(self) -> SourceUnavailable:
        return SourceUnavailable(self._config.source, "The source system lost a search before its last page.")
