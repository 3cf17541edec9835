"""How a released value is written into the answer: compiled once for exactly what is selected of it.

A projection takes a value that is there and gives what JSON can hold, or raises. Values that are not of their type
are rare and are examined again, slowly, to say where (`examine`), with graphql-core's rules for null.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from operator import attrgetter
from typing import Any, Final, TypeAlias

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLLeafType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLString,
)
from graphql.execution import Executor
from graphql.pyutils import is_iterable

from graph.schema import definition_of

Projection = Callable[[Any], Any]
Key: TypeAlias = str | int

_complete = Executor.complete_leaf_value

_NOT_NULL: Final = "null where there can be none"
_NO_LIST: Final = "no list where there is one"


@dataclass(frozen=True, slots=True, eq=False)
class PartField:
    """What is selected of a part under one response key; `field` None stands for `__typename`."""

    key: str
    type_name: str
    field: GraphQLField | None
    parts: Sequence[PartField]


@dataclass(frozen=True, slots=True)
class Fault:
    """A value below a field that is not of its type, and where."""

    path: tuple[Key, ...]
    error: Exception


class _Null(Exception):
    """Null where there can be none: the nearest place that can be null becomes so."""


def compile_projection(type_: GraphQLOutputType, parts: Sequence[PartField]) -> Projection:
    """Writes values of a type; null only where the type is nullable."""
    if isinstance(type_, GraphQLNonNull):
        return _required(_present(type_.of_type, parts))
    write = _present(type_, parts)
    return lambda value: None if value is None else write(value)


def _required(write: Projection) -> Projection:
    """Some scalars would write null as a word, and a part of which only the type is selected would not look at it."""

    def write_required(value: Any) -> Any:
        if value is None:
            raise TypeError(_NOT_NULL)
        return write(value)

    return write_required


def _present(type_: GraphQLOutputType, parts: Sequence[PartField]) -> Projection:
    """Writes values of the nullable type that are there."""
    if isinstance(type_, GraphQLList):
        item = compile_projection(type_.of_type, parts)
        return lambda values: [item(value) for value in _rows(values)]
    if isinstance(type_, GraphQLObjectType):
        return _object(parts)
    return _leaf(type_)  # type: ignore[arg-type]  # interfaces hold records, which are no values


def _rows(values: Any) -> Iterable[Any]:
    """The values of a list: a text and a mapping are none, though they could be gone through."""
    if values.__class__ is tuple or is_iterable(values):
        return values
    raise TypeError(_NO_LIST)


def _object(parts: Sequence[PartField]) -> Projection:
    fields = [(part.key, compile_field(part)) for part in parts]
    return lambda value: {key: write(value) for key, write in fields}


def compile_field(part: PartField) -> Projection:
    """Writes one field of the value that a part is."""
    if part.field is None:
        name = part.type_name
        return lambda _: name
    read, write = _reader(part.field), compile_projection(part.field.type, part.parts)
    return lambda value: write(read(value))


def _reader(field: GraphQLField) -> Callable[[Any], Any]:
    return attrgetter(definition_of(field).python_name)


def _leaf(type_: GraphQLLeafType) -> Projection:
    if isinstance(type_, GraphQLEnumType):
        return _enumeration(type_)

    def write(value: Any) -> Any:
        return _complete(type_, value)

    def write_text(value: Any) -> Any:
        return value if value.__class__ is str else _complete(type_, value)

    return write_text if type_.serialize == GraphQLString.serialize else write


def _enumeration(type_: GraphQLEnumType) -> Projection:
    """An enumeration's words are few: each is completed once."""
    known: dict[Enum, str] = {}

    def write(value: Any) -> Any:
        word = known.get(value) if isinstance(value, Enum) else None
        if word is None:
            word = _complete(type_, value)
            if isinstance(value, Enum):
                known[value] = word
        return word

    return write


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
                faults.append(Fault(path, TypeError(_NOT_NULL)))
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
        return [_examined(type_.of_type, parts, one, (*path, row), faults) for row, one in enumerate(_rows(value))]
    if isinstance(type_, GraphQLObjectType):
        return {
            part.key: part.type_name
            if part.field is None
            else _examined_field(part.field, part.parts, value, (*path, part.key), faults)
            for part in parts
        }
    return _complete(type_, value)  # type: ignore[arg-type]  # interfaces hold records, which are no values


def _examined_field(
    field: GraphQLField, parts: Sequence[PartField], value: Any, path: tuple[Key, ...], faults: list[Fault]
) -> Any:
    """One field of a part; one that can't even be read is wrong by itself."""
    try:
        read = _reader(field)(value)
    except Exception as error:  # noqa: BLE001  whatever it is, it is this field's
        faults.append(Fault(path, error))
        read = None
    return _examined(field.type, parts, read, path, faults)
