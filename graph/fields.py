"""How a guarded field is declared: what it is, which data it holds, and nothing about who may see it.

A `value` is read from what the guard released; an `edge` leads to other records and is followed in batches. The
function under `edge` only declares: its signature gives the arguments, its docstring the description.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import strawberry
from strawberry.schema_directive import Location

import graph.vocabulary  # noqa: F401  enumerations get their words before a field uses one
from portico.access.tags import Tag

ARGUMENTS = {
    "id": "An opaque id that this graph gave.",
    "ids": "Opaque ids that this graph gave, up to 100.",
    "first": "How many rows at most, 0 to 100.",
    "after": "Go on after this cursor of the same list; null: from the beginning.",
    "filter": "Conditions that must all be met; null: none.",
    "from_": "Recorded at this instant or later; null: from the beginning.",
    "until": "Recorded before this instant; null: to this day.",
    "patient": "A patient's opaque id.",
    "input": "What to do.",
    "order_by": "What the rows are ordered by; ties by the record's id at its source.",
}
"""What each argument means, wherever it stands."""


class Kind(StrEnum):
    """How a guarded field gets its value."""

    VALUE = "value"
    EDGE = "edge"
    ROOT = "root"


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION],
    name="guard",
    description="The data class of this coordinate; policies decide what happens to it.",
)
class Guarded:
    """Every field of a record type carries one."""

    tag: Tag = strawberry.directive_field(name="tag")


@strawberry.schema_directive(
    locations=[Location.OBJECT],
    name="part",
    description="Part of a larger value: its fields are as guarded as the coordinate that holds it.",
)
class Part:
    """On types that are no records: names, addresses, money, connections."""


def part(cls: type) -> Any:
    """A type whose values only live inside a guarded coordinate. Its docstring is its description."""
    return strawberry.type(cls, description=inspect.getdoc(cls), directives=[Part()])


def record(cls: type) -> Any:
    """A record type: every field is guarded. Its docstring is its description."""
    return strawberry.type(cls, description=inspect.getdoc(cls))


def value(tag: Tag, description: str, *, name: str | None = None) -> Any:
    """A field that holds a value of the record, of the attribute that the field is declared as."""
    return strawberry.field(
        description=description, name=name, directives=[Guarded(tag=tag)], metadata={"kind": Kind.VALUE}
    )


def about(description: str) -> Any:
    """A field of a part."""
    return strawberry.field(description=description)


def edge(tag: Tag) -> Callable[[Callable[..., Any]], Any]:
    """A field that leads to other records."""
    return _declared(tag, Kind.EDGE)


def root(tag: Tag) -> Callable[[Callable[..., Any]], Any]:
    """A field of the query or the mutation root. The records that it leads to are decided by themselves."""
    return _declared(tag, Kind.ROOT)


def _declared(tag: Tag, kind: Kind) -> Callable[[Callable[..., Any]], Any]:
    def declare(function: Callable[..., Any]) -> Any:
        field = strawberry.field(
            resolver=function,
            description=inspect.getdoc(function),
            directives=[Guarded(tag=tag)],
            metadata={"kind": kind},
        )
        for argument in field.arguments:
            argument.description = ARGUMENTS[argument.python_name]
        return field

    return declare
