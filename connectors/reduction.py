"""What was fetched to judge a row goes no further than that: pages without the attributes that nobody wanted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any

from portico.records.search import Hit, Page
from portico.records.types import Record


def without(page: Page, attributes: frozenset[str]) -> Page:
    """The page without what nobody wanted."""
    if not attributes:
        return page
    return replace(page, hits=tuple([Hit(_reduced(hit.record, attributes), hit.position) for hit in page.hits]))


def _reduced(record: Record, attributes: frozenset[str]) -> Record:
    kind = type(record)
    names, read = _kept(kind, attributes)  # type: ignore[arg-type]  # a class is hashable
    return kind(**dict(zip(names, read(record), strict=True)))


@lru_cache(maxsize=1_000)
def _kept(kind: type[Record], attributes: frozenset[str]) -> tuple[tuple[str, ...], Callable[[Record], Sequence[Any]]]:
    """The attributes of a kind of record that stay, and what reads them."""
    names = tuple(each.name for each in fields(kind) if each.name not in attributes)
    return names, attrgetter(*names)
