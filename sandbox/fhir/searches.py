"""Searches and their pages: reading the question, and writing the searchset.

Unknown parameters are refused (`Prefer: handling=strict`, always). A link to a further page carries nothing but a
random name under which this server remembers the search.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from sandbox.fhir.datatypes import Json
from sandbox.fhir.parameters import MANDATORY, PARAMETERS
from sandbox.fhir.refusals import Refusal

CURSOR = "_cursor"
_DEFAULT_COUNT = 50
_COUNT_LIMIT = 1_000
_REMEMBERED = 10_000
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_CHOICES = {"deceased": frozenset({"deceasedBoolean", "deceasedDateTime"})}
_SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question that this server understands: conditions (parameter, value), order, shape, and where to start."""

    type: str
    conditions: tuple[tuple[str, str], ...]
    sort: tuple[str, ...] = ()
    elements: frozenset[str] = frozenset()
    count: int = _DEFAULT_COUNT
    offset: int = 0


def parse(type_: str, pairs: Sequence[tuple[str, str]]) -> Query:
    """The question that parameters ask. Refuses what this server doesn't know, and what has no value."""
    known = PARAMETERS[type_]
    query = Query(type=type_, conditions=tuple((name, value) for name, value in pairs if name in known))
    for name, value in pairs:
        if not value:
            raise Refusal(400, "value", "a search parameter has no value")
        match name:
            case "_sort":
                query = replace(query, sort=tuple(value.split(",")))
            case "_elements":
                query = replace(query, elements=frozenset(value.split(",")))
            case "_count":
                query = replace(query, count=_count(value))
            case "_format" if value in {"json", "application/json", "application/fhir+json"}:
                pass
            case _ if name not in known:
                raise Refusal(400, "not-supported", f"{type_} has no such search parameter, or not with this value")
    if any(order.removeprefix("-") not in known for order in query.sort):
        raise Refusal(400, "not-supported", f"{type_} can't be sorted by that")
    return query


def _count(value: str) -> int:
    if not value.isascii() or not value.isdigit():
        raise Refusal(400, "value", "_count is a whole number")
    return min(int(value[:9]), _COUNT_LIMIT)


class Cursors:
    """The searches that links to further pages stand for. The oldest are forgotten first."""

    def __init__(self) -> None:
        self._queries: OrderedDict[str, Query] = OrderedDict()

    def remember(self, query: Query) -> str:
        """A name for the query that tells nothing of it."""
        name = secrets.token_urlsafe(16)
        self._queries[name] = query
        if len(self._queries) > _REMEMBERED:
            self._queries.popitem(last=False)
        return name

    def recall(self, type_: str, name: str) -> Query:
        """The query of that name."""
        query = self._queries.get(name)
        if query is None or query.type != type_:
            raise Refusal(410, "not-found", "this page is no longer kept; search again")
        return query


def bundle(query: Query, found: Sequence[Json], *, base: str, cursors: Cursors) -> Json:
    """The page of `found` that the query asks for. `base` is the tenant's FHIR base URL."""
    page = found[query.offset : query.offset + query.count]
    parameters = [*query.conditions, ("_count", str(query.count))]
    links = [{"relation": "self", "url": f"{base}/{query.type}?{urlencode(parameters)}"}]
    end = query.offset + len(page)
    if page and end < len(found):
        name = cursors.remember(replace(query, offset=end))
        links.append({"relation": "next", "url": f"{base}/{query.type}?{urlencode({CURSOR: name})}"})
    return {
        "resourceType": "Bundle",
        "id": secrets.token_hex(8),
        "type": "searchset",
        "total": len(found),
        "link": links,
        "entry": [_entry(query, resource, base) for resource in page],
    }


def _entry(query: Query, resource: Json, base: str) -> Json:
    return {
        "fullUrl": f"{base}/{query.type}/{resource['id']}",
        "resource": _selected(query, resource) if query.elements else resource,
        "search": {"mode": "match"},
    }


def _selected(query: Query, resource: Json) -> Json:
    """The elements asked for, and those without which the resource would not be valid; marked as a subset."""
    choices = (_CHOICES.get(name, frozenset()) for name in query.elements)
    wanted = query.elements.union(_ALWAYS, MANDATORY.get(query.type, ()), *choices)
    chosen = {name: value for name, value in resource.items() if name in wanted}
    return chosen | {"meta": {**resource["meta"], "tag": [_SUBSETTED]}}
