"""FHIR searchset Bundles: their resources, and the link to the next page, pinned to the server that was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yarl import URL

from connectors.fhir import shapes
from connectors.fhir.datatypes import Malformed, text
from connectors.fhir.shapes import Bundle, Entry, many


@dataclass(frozen=True, slots=True)
class Searchset:
    """One page of a search, its resources in the shape of what was searched for.

    `following` is the link to the next one relative to the base; None on the last.
    """

    resources: tuple[Any, ...]
    following: str | None


def searchset(bundle: Any, base: URL) -> Searchset:
    """The page that a Bundle is. Raises `Malformed` if it is none, or if its next page lies elsewhere."""
    if not isinstance(bundle, Bundle) or bundle.resource_type != "Bundle" or bundle.type != "searchset":
        raise Malformed("the answer to a search is no searchset")
    entries = [] if bundle.entry is None else bundle.entry
    found = many(entries, Entry)
    if not isinstance(entries, list) or len(found) != len(entries):
        raise Malformed("a searchset's entries can't be read")
    resources = tuple([each.resource for each in found if _mode(each) != "outcome"])
    if not all(issubclass(kind, shapes.Resource | dict) for kind in {each.__class__ for each in resources}):
        raise Malformed("an entry of a searchset holds no resource")
    return Searchset(resources, _following(bundle, base))


def address(base: URL, link: str) -> URL:
    """The absolute address of a link. Raises `Malformed` unless it lies under `base`, which ends with a slash."""
    try:
        target = base.join(URL(link, encoded=True))
        stays = target.origin() == base.origin() and target.user is None and not target.fragment
        under = f"{target.path}/".startswith(base.path) and not {".", ".."} & {*target.path.split("/")}
    except ValueError:
        raise Malformed("a link can't be read") from None
    if not stays or not under or target == base:
        raise Malformed("a link leads away from the source system")
    return target


def _following(bundle: Bundle[Any], base: URL) -> str | None:
    for link in many(bundle.link, shapes.Link):
        if link.relation == "next":
            target = address(base, text(link.url) or "")
            return str(target).removeprefix(str(base))
    return None


def _mode(entry: Entry[Any]) -> Any:
    return entry.search.mode if entry.search.__class__ is shapes.Found else None
