"""The questions that the connector suite asks, ordinary and hostile."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from connectors.base import Connector
from connectors.vocabulary import PAGE_LIMIT
from portico.records.context import CallContext
from portico.records.references import By, RecordType, Tenant
from portico.records.search import FIELDS, ORDERS, Condition, Op, Search
from tests.contract import oracle
from tests.contract.small_population import TENANT
from tests.contract.truth import Truth

HOSTILE_VALUES: Final = (
    "", " ", "*", "%", "_", "?", "null", "None", "0", "-1", "1 or 1=1", "' or ''='", "'; drop table clm_hdr;--", "\\",
    '"', "$ne", "{}", "[]", ".*", "(a+)+$", "../", "..%2f", "%00", "\x00", "\n", "\r\nX-Injected: 1", "a&_id=b",
    "a?b#c", "a|b", "|", ",", "a,b", "Patient/pat-1", "http://169.254.169.254/", "ge1900-01-01", "ne1", "1980",
    "\u202e", "\U0001f600", "é", "ß" * 300, "x" * 5_000,
)  # fmt: skip
"""Values that mean something to some protocol, and nothing at all to a connector."""


def context(*attributes: str, seconds: float = 20.0) -> CallContext:
    """A call that wants these attributes within so many seconds."""
    return CallContext(
        tenant=Tenant(TENANT),
        trace_id="00000000-0000-4000-8000-000000000000",
        deadline=time.monotonic() + seconds,
        attributes=frozenset(attributes),
    )


def lookups(connector: Connector) -> list[tuple[RecordType, By]]:
    """Every type with every key that the connector declares for it."""
    return [(type_, by) for type_, bys in connector.keys.items() for by in sorted(bys)]


def listing(type_: RecordType, *where: Condition) -> Search:
    """A search in the type's first order, in pages as large as they come."""
    return Search(type=type_, where=where, order=min(ORDERS[type_]), limit=100)


def page_size(count: int) -> int:
    """A page size that makes several pages of so many records, the last one short where it can."""
    return max(1, count // 4)


def known_values(truth: Truth, type_: RecordType, field: str) -> list[str]:
    """Every value under a name of the search vocabulary that the source knows, in order."""
    return sorted(
        {value for record in truth.records if record.type is type_ for value in oracle.search_values(record, field)}
    )


def conditions(truth: Truth, type_: RecordType, field: str, ops: Iterable[Op]) -> list[Condition]:
    """Conditions on a field that some records meet and others don't."""
    values = known_values(truth, type_, field)
    middle = values[len(values) // 2]
    given = []
    for op in sorted(ops):
        match op:
            case Op.IN:
                operands = [(middle,), (values[0], values[-1], "no-such-value"), ("no-such-value",)]
            case Op.PREFIX:
                operands = [(middle,), (middle.swapcase(),), (values[0][:2].lower(),), (values[-1],), ("zzz",)]
            case Op.FROM | Op.BEFORE:
                operands = [(middle,), (values[0],), (values[-1],), (middle.replace("Z", "+00:00"),)]
        given += [Condition(field, op, operand) for operand in operands]
    return given


def unsupported(connector: Connector) -> list[Search]:
    """Searches that a connector must refuse."""
    searches = [
        Search(type=type_, order=min(ORDERS.get(type_, {"start"})), limit=10)
        for type_ in RecordType
        if type_ not in connector.searches
    ]
    for type_ in connector.searches:
        plain = listing(type_)
        field, ops = min(FIELDS[type_].items())
        searches += [
            replace(plain, order="shoe_size"),
            replace(plain, limit=0),
            replace(plain, limit=PAGE_LIMIT + 1),
            listing(type_, Condition("shoe_size", Op.IN, ("44",))),
            listing(type_, Condition("id or 1=1", Op.IN, ("44",))),
            listing(type_, Condition(field, min(ops), ())),
        ]
        searches += [
            listing(type_, Condition(name, op, ("2026-01-01T00:00:00Z",)))
            for name, supported in FIELDS[type_].items()
            for op in set(Op) - supported
        ]
        searches += [
            listing(type_, Condition(name, op, (value,)))
            for name, supported in FIELDS[type_].items()
            for op in supported - {Op.IN, Op.PREFIX}
            for value in ("", "yesterday", "2026-13-45", "2026-01-05T09:30", "' or 1=1")
        ]
    return searches
