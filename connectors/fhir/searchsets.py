"""FHIR searchset Bundles: their resources, and the link to the next page, pinned to the server that was asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from yarl import URL

from connectors.fhir.datatypes import Json, Malformed, element, elements, text


@dataclass(frozen=True, slots=True)
class Searchset:
    """One page of a search. `following` is the link to the next one relative to the base; None on the last."""

    resources: tuple[Json, ...]
    following: str | None


def searchset(bundle: Any, base: URL) -> Searchset:
    """The page that a Bundle is. Raises `Malformed` if it is none, or if its next page lies elsewhere."""
    whole = element(bundle)
    if whole.get("resourceType") != "Bundle" or whole.get("type") != "searchset":
        raise Malformed("the answer to a search is no searchset")
    entries = whole.get("entry")
    if entries is not None and (not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries)):
        raise Malformed("a searchset's entries can't be read")
    resources = tuple(each.get("resource") for each in entries or () if _mode(each) != "outcome")
    if not all(isinstance(each, dict) for each in resources):
        raise Malformed("an entry of a searchset holds no resource")
    return Searchset(resources, _following(whole, base))


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


def _following(bundle: Json, base: URL) -> str | None:
    for link in elements(bundle.get("link")):
        if link.get("relation") == "next":
            target = address(base, text(link.get("url")) or "")
            return str(target).removeprefix(str(base))
    return None


def _mode(entry: Json) -> str | None:
    return text(element(entry.get("search")).get("mode"))
