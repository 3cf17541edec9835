"""What the vendor can be asked, read strictly: anything that it doesn't know is refused and never ignored."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson

from sandbox.scheduling.book import Entry, Item
from sandbox.scheduling.refusals import Refusal

KEY_LIMIT: Final = 50
"""Keys that one look-up may carry."""
PAGE_LIMIT: Final = 100

_LISTS: Final[dict[str, Callable[[Entry], str]]] = {
    "clientIds": lambda entry: entry.client,
    "npis": lambda entry: entry.npi,
    "siteCodes": lambda entry: entry.site,
    "states": lambda entry: entry.state,
}
"""The filters that list what is wanted. An empty list wants nothing."""

_LOOKUPS: Final[dict[str, Callable[[Entry], str]]] = {
    "ids": lambda entry: entry.id,
    "clientIds": lambda entry: entry.client,
    "visitNumbers": lambda entry: entry.visit,
}

_BOUNDS: Final = frozenset({"from", "to"})
_SORTS: Final = ("starts", "-starts", "id", "-id")
_PAGES: Final = frozenset({"size", "cursor"})
_SEARCH_PAGES: Final = _PAGES | {"after"}
_AFTER: Final = {"starts": frozenset({"id", "starts", "startsFold", "tz"}), "id": frozenset({"id"})}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Which entries, in which order, how much of each, and from where on."""

    wanted: Callable[[Entry], bool]
    sort: str
    fields: frozenset[str]
    size: int
    start: int
    after: tuple[datetime, str] | None
    """The time and the id that what is answered comes after."""
    mark: str
    """What a cursor must have been made for."""
    client_ids: frozenset[str]
    """The clients whom it names; none where it is about nobody in particular."""


def lookup(body: Any, *, known: frozenset[str], keys: frozenset[str]) -> Question:
    """A look-up by one kind of key: `{"ids": [...], "fields": [...], "page": {"size": 100, "cursor": "..."}}`."""
    _refuse_unknown(body, {"fields", "page", *keys})
    named = [kind for kind in keys if kind in body]
    if len(named) != 1:
        raise Refusal(400, "BAD_LOOKUP", "exactly one kind of key")
    values = frozenset(_texts(body[named[0]]))
    if not 1 <= len(body[named[0]]) <= KEY_LIMIT:
        raise Refusal(400, "TOO_MANY_KEYS", f"1 to {KEY_LIMIT} keys")
    key = _LOOKUPS[named[0]]
    return _question(
        body, lambda entry: key(entry) in values, known, client_ids=values if named[0] == "clientIds" else frozenset()
    )


def search(body: Any, *, known: frozenset[str], filters: frozenset[str]) -> Question:
    """A search: `{"filter": {"from": ..., "states": [...]}, "sort": "-starts", "fields": [...], "page": {...}}`.

    Besides its size, a page has `cursor`, or `after` with the id and the starts, startsFold and tz of an item: it
    begins with what is sorted after such an item, whether there is one or not. Sorted by id, the id is enough.
    """
    _refuse_unknown(body, {"filter", "sort", "fields", "page"})
    asked = body.get("filter", {})
    _refuse_unknown(asked, filters | _BOUNDS)
    lists = {name: frozenset(_texts(asked[name])) for name in filters & asked.keys()}
    start, end = _instant(asked.get("from")), _instant(asked.get("to"))
    if body.get("sort", "starts") not in _SORTS:
        raise Refusal(400, "BAD_SORT", f"one of {', '.join(_SORTS)}")

    def wanted(entry: Entry) -> bool:
        return (
            all(_LISTS[name](entry) in values for name, values in lists.items())
            and (start is None or entry.starts_at >= start)
            and (end is None or entry.starts_at < end)
        )

    question = _question(body, wanted, known, client_ids=lists.get("clientIds", frozenset()), pages=_SEARCH_PAGES)
    return replace(question, after=_after(body.get("page", {}), question.sort))


def answer(question: Question, entries: Sequence[Entry]) -> dict[str, object]:
    """A page of entries that come in the order of time: `{"items": [...], "page": {"next": "..."}}`.

    The last page has no next.
    """
    found = [entry for entry in entries if question.wanted(entry)]
    if question.sort in {"id", "-id"}:
        found.sort(key=lambda entry: entry.id)
    if question.sort.startswith("-"):
        found.reverse()
    start = question.start
    if question.after is not None:
        start = sum(not _comes_after(entry, question.after, question.sort) for entry in found)
    end = start + question.size
    items = [_selected(entry.item, question.fields) for entry in found[start:end]]
    return {"items": items, "page": {"next": _cursor(question.mark, end) if end < len(found) else None}}


def listing(size: str | None, cursor: str | None, items: Sequence[Item]) -> dict[str, object]:
    """A page of something that can't be searched."""
    start = _resumed(cursor, "listing")
    end = start + _size(int(size) if size and size.isdecimal() else PAGE_LIMIT)
    return {"items": items[start:end], "page": {"next": _cursor("listing", end) if end < len(items) else None}}


def _question(
    body: Any,
    wanted: Callable[[Entry], bool],
    known: frozenset[str],
    *,
    client_ids: frozenset[str],
    pages: frozenset[str] = _PAGES,
) -> Question:
    fields = frozenset(_texts(body.get("fields", sorted(known))))
    if not fields <= known:
        raise Refusal(400, "BAD_FIELD", "no such field")
    page = body.get("page", {})
    _refuse_unknown(page, pages)
    rest = {name: value for name, value in body.items() if name not in {"page", "fields"}}
    mark = hashlib.sha256(orjson.dumps(rest, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
    return Question(
        wanted=wanted,
        sort=body.get("sort", "starts"),
        fields=fields,
        size=_size(page.get("size", PAGE_LIMIT)),
        start=_resumed(page.get("cursor"), mark),
        after=None,
        mark=mark,
        client_ids=client_ids,
    )


def _selected(item: Item, fields: frozenset[str]) -> Item:
    return {name: value for name, value in item.items() if name in fields}


def _cursor(mark: str, place: int) -> str:
    return base64.urlsafe_b64encode(f"{mark}@{place}".encode()).decode()


def _resumed(cursor: object, mark: str) -> int:
    """Where a cursor goes on, if it was made for the same question."""
    if cursor is None:
        return 0
    try:
        made_for, _, place = base64.urlsafe_b64decode(str(cursor)).decode().partition("@")
        if made_for == mark:
            return int(place)
    except ValueError:
        pass
    raise Refusal(400, "BAD_CURSOR", "not a cursor of this question")


def _after(page: Any, sort: str) -> tuple[datetime, str] | None:
    """The place of an item in a sort, from the item's own words."""
    after = page.get("after")
    if after is None:
        return None
    if not isinstance(after, dict) or after.keys() != _AFTER[sort.removeprefix("-")] or "cursor" in page:
        raise Refusal(400, "BAD_PAGE", "after an item's own words for its sort, and no cursor beside it")
    try:
        moment = _moment(after) if "starts" in after else datetime.min.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError, ZoneInfoNotFoundError):
        raise Refusal(400, "BAD_PAGE", "starts, startsFold and tz as an item has them") from None
    if not isinstance(after["id"], str):
        raise Refusal(400, "BAD_PAGE", "an id is a text")
    return moment, after["id"]


def _moment(after: Any) -> datetime:
    wall = datetime.fromisoformat(after["starts"])
    return wall.replace(tzinfo=ZoneInfo(after["tz"]), fold=after["startsFold"]).astimezone(UTC)


def _comes_after(entry: Entry, after: tuple[datetime, str], sort: str) -> bool:
    by_id = sort.endswith("id")
    place, other = ((entry.id,), after[1:]) if by_id else ((entry.starts_at, entry.id), after)
    return place < other if sort.startswith("-") else place > other


def _refuse_unknown(value: Any, known: frozenset[str] | set[str]) -> None:
    if not isinstance(value, dict) or not value.keys() <= known:
        raise Refusal(400, "BAD_REQUEST", f"an object with {', '.join(sorted(known))}")


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise Refusal(400, "BAD_REQUEST", "a list of texts")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or not 1 <= value <= PAGE_LIMIT:
        raise Refusal(400, "BAD_PAGE", f"1 to {PAGE_LIMIT} items")
    return value


def _instant(value: Any) -> datetime | None:
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except (ValueError, TypeError):
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Refusal(400, "BAD_TIME", "an instant with its offset")
    return instant
