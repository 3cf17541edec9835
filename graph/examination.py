"""A value that is not of its type, as far as it can be written, and what is wrong with the rest, at which field.

Such values are rare. What is written of them follows graphql-core's rules for null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, TypeAlias

from graphql import GraphQLField, GraphQLList, GraphQLNonNull, GraphQLObjectType, GraphQLOutputType

from graph.projection import NOT_NULL, PartField, complete, require_part, rows_of
from graph.schema import definition_of

Key: TypeAlias = str | int


@dataclass(frozen=True, slots=True)
class Fault:
    """A value below a field that is not of its type, and where."""

    path: tuple[Key, ...]
    error: Exception


class _Null(Exception):
    """Null where there can be none: the nearest place that can be null becomes so."""


def examine(type_: GraphQLOutputType, parts: Sequence[PartField], value: Any) -> tuple[Any, list[Fault]]:
    """A value as far as it can be written, and what is wrong with the rest, at the paths below it."""
    faults: list[Fault] = []
    try:
        return _examined(type_, parts, value, (), faults), faults
    except _Null:
        return None, faults


def _examined(
    type_: GraphQLOutputType, parts: Sequence[PartField], value: Any, path: tuple[Key, ...], faults: list[Fault]
) -> Any:
    if isinstance(type_, GraphQLNonNull):
        written = _examined(type_.of_type, parts, value, path, faults)
        if written is None:
            if not any(fault.path[: len(path)] == path for fault in faults):
                faults.append(Fault(path, TypeError(NOT_NULL)))
            raise _Null
        return written
    if value is None:
        return None
    try:
        return _examined_present(type_, parts, value, path, faults)
    except _Null:
        return None
    except Exception as error:  # noqa: BLE001  whatever it is, it is this value's
        faults.append(Fault(path, error))
        return None


def _examined_present(
    type_: GraphQLOutputType, parts: Sequence[PartField], value: Any, path: tuple[Key, ...], faults: list[Fault]
) -> Any:
    if isinstance(type_, GraphQLList):
        return [_examined(type_.of_type, parts, one, (*path, row), faults) for row, one in enumerate(rows_of(value))]
    if isinstance(type_, GraphQLObjectType):
        require_part(type_, value)
        return {
            part.key: part.type_name
            if part.field is None
            else _examined_field(part.field, part.parts, value, (*path, part.key), faults)
            for part in parts
        }
    return complete(type_, value)  # type: ignore[arg-type]  # interfaces hold records, which are no values


def _examined_field(
    field: GraphQLField, parts: Sequence[PartField], value: Any, path: tuple[Key, ...], faults: list[Fault]
) -> Any:
    """One field of a part; one that can't even be read is wrong by itself."""
    try:
        read = attrgetter(definition_of(field).python_name)(value)
    except Exception as error:  # noqa: BLE001  whatever it is, it is this field's
        faults.append(Fault(path, error))
        read = None
    return _examined(field.type, parts, read, path, faults)
