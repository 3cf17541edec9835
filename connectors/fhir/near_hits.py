"""Rows that a FHIR server rightly finds, and that aren't what was asked for: by a former name, by an old number.

FHIR searches look at all the names and identifiers that a person ever had; a record shows those that count now. What is
not shown is not to be found by either, so such a row is left out. It is no lie of the server's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from connectors.conditions import begins
from connectors.fhir.datatypes import text
from connectors.fhir.shapes import HumanName, Identifier, many
from portico.records.search import Condition


def is_near_hit(resource: Any, missed: Sequence[Condition]) -> bool:
    """Whether a record misses conditions, and its resource tells by what the server took it for a hit."""
    return bool(missed) and all(_explained(resource, condition) for condition in missed)


def _explained(resource: Any, condition: Condition) -> bool:
    match condition.field:
        case "family" | "given":
            return any(begins(name, condition.values[0]) for name in _names(resource, condition.field))
        case "identifier" | "mrn" | "npi":  # servers should compare tokens without regard to case
            held = {str(text(each.value)).casefold() for each in many(resource.identifier, Identifier)}
            return not held.isdisjoint(value.casefold() for value in condition.values)
    return False


def _names(resource: Any, part: str) -> Iterator[str]:
    for name in many(resource.name, HumanName):
        value: Any = name.family if part == "family" else name.given
        yield from (each for each in (value if isinstance(value, list) else [value]) if isinstance(each, str))
