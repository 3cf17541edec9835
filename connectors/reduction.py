"""What was fetched to judge a row goes no further than that: pages without the attributes that nobody wanted."""

from __future__ import annotations

from msgspec import structs

from portico.records.search import Hit, Page


def without(page: Page, attributes: frozenset[str]) -> Page:
    """The page without what nobody wanted."""
    if not attributes:
        return page
    absent = dict.fromkeys(attributes)
    return Page(tuple([Hit(structs.replace(hit.record, **absent), hit.position) for hit in page.hits]), page.more)
