"""How released values are written into the answer: compiled once for exactly what is selected of them.

The functions are Python that is put together from the schema's names and the response keys, and then read by Python's
own compiler: no call is made for a value that is a text, and none for a column. A function gives what JSON can hold,
or raises; what raises is examined again, slowly, to say where (`graph.examination`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
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

Projection: TypeAlias = Callable[[Any], Any]
RowProjection: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]

complete = Executor.complete_leaf_value

NOT_NULL: Final = "null where there can be none"
_NO_LIST: Final = "no list where there is one"
_WRITERS_LIMIT: Final = 50
"""Row functions of one place: it takes one for each set of attributes that are withheld or masked together."""


@dataclass(frozen=True, slots=True, eq=False)
class PartField:
    """What is selected of a part under one response key; `field` None stands for `__typename`."""

    key: str
    type_name: str
    field: GraphQLField | None
    parts: Sequence[PartField]


def rows_of(values: Any) -> Iterable[Any]:
    """The values of a list: a text and a mapping are none, though they could be gone through."""
    if values.__class__ is tuple or is_iterable(values):
        return values
    raise TypeError(_NO_LIST)


def compile_field(part: PartField) -> Projection:
    """Writes one field of the value that a part is."""
    text = _Text()
    return text.function("value", text.part_field(part, "value"))


class Columns:
    """The values that are selected of one type at one place: each by itself, or all of a row at once."""

    def __init__(self) -> None:
        self._text = _Text()
        self._row: list[tuple[str, str | None, str]] = []
        self._writers: dict[frozenset[str], RowProjection] = {}

    def add_word(self, key: str, word: str | None) -> None:
        """The same word, or null, in each row."""
        self._row.append((key, None, repr(word)))

    def add_value(self, key: str, attribute: str, type_: GraphQLOutputType, parts: Sequence[PartField]) -> Column:
        """A value of each row."""
        self._row.append((key, attribute, self._text.value(type_, parts, f"values[{attribute!r}]")))
        return Column(self._text, type_, parts)

    def writer(self, partly: frozenset[str]) -> RowProjection:
        """Writes a row from its values by attribute; null for those that are `partly` released or not at all."""
        here = partly.intersection(attribute for _, attribute, _ in self._row if attribute)
        known = self._writers.get(here)
        if known is None:
            if len(self._writers) >= _WRITERS_LIMIT:
                self._writers.clear()
            fields = ", ".join(f"{key!r}: {'None' if of in here else value}" for key, of, value in self._row)
            known = self._writers[here] = self._text.function("values", f"{{{fields}}}")
        return known


@dataclass(slots=True, eq=False)
class Column:
    """One value by itself; `type_` and `parts` say what it is."""

    text: _Text
    type_: GraphQLOutputType
    parts: Sequence[PartField]
    _write: Projection | None = field(default=None)

    def write(self, value: Any) -> Any:
        """What is written of a value; raises where it is not of its type."""
        if self._write is None:
            self._write = self.text.function("value", self.text.value(self.type_, self.parts, "value"))
        return self._write(value)


class _Text:
    """Python that writes values, and the things that it refers to by name."""

    def __init__(self) -> None:
        self._things: dict[str, Any] = {"rows_of": rows_of, "absent": _absent, "datetime": datetime, "UTC": UTC}

    def function(self, argument: str, expression: str) -> Callable[[Any], Any]:
        """A function of one argument."""
        text = f"def write({argument}):\n    return {expression}\n"
        made: dict[str, Callable[[Any], Any]] = {}
        exec(compile(text, "<projection>", "exec"), self._things, made)  # noqa: S102  made of the schema's names and of quoted keys
        return made["write"]

    def value(self, type_: GraphQLOutputType, parts: Sequence[PartField], read: str, depth: int = 0) -> str:
        """An expression that writes what `read` gives: null only where the type is nullable."""
        required = isinstance(type_, GraphQLNonNull)
        inner = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        here = f"v{depth}"
        first = read if read == here else f"({here} := {read})"
        if not isinstance(inner, GraphQLList | GraphQLObjectType) and inner.coerce_output_value == _TEXT:  # type: ignore[union-attr]  # interfaces hold records, which are no values
            leaf = self._refer(_leaf(inner, required=required))  # type: ignore[arg-type]  # see above
            kept = f"{first}.__class__ is str" if required else f"{first} is None or {here}.__class__ is str"
            return f"({here} if {kept} else {leaf}({here}))"
        if isinstance(inner, GraphQLList):
            there = (
                f"[{self.value(inner.of_type, parts, f'v{depth + 1}', depth + 1)} for v{depth + 1} in rows_of({here})]"
            )
        elif isinstance(inner, GraphQLObjectType):
            fields = ", ".join(f"{part.key!r}: {self.part_field(part, 'part')}" for part in parts)
            there = f"{self._refer(self.function('part', f'{{{fields}}}'))}({here})"
        else:
            there = self._leaf(inner, here)  # type: ignore[arg-type]  # see above
        return f"({'absent()' if required else 'None'} if {first} is None else {there})"

    def part_field(self, part: PartField, owner: str) -> str:
        """An expression that writes a field of a part."""
        if part.field is None:
            return repr(part.type_name)
        return self.value(part.field.type, part.parts, f"{owner}.{definition_of(part.field).python_name}")

    def _leaf(self, type_: GraphQLLeafType, here: str) -> str:
        if type_.name == _INSTANT:
            kept, leaf = f"{here}.__class__ is datetime and {here}.tzinfo is UTC", self._refer(_leaf(type_))
            return f"({here} if {kept} else {leaf}({here}))"
        if isinstance(type_, GraphQLEnumType):
            words: dict[Enum, str] = {}
            return f"({self._refer(words)}.get({here}) or {self._refer(_enumeration(type_, words))}({here}))"
        return f"({self._refer(type_.coerce_output_value)}({here}) or {self._refer(_leaf(type_))}({here}))"

    def _refer(self, thing: Any) -> str:
        name = f"_{len(self._things)}"
        self._things[name] = thing
        return name


_TEXT: Final = GraphQLString.coerce_output_value
_INSTANT: Final = "DateTime"
"""The scalar of instants. One in UTC is left to orjson, which writes it as Python's `isoformat` does."""


def _leaf(type_: GraphQLLeafType, *, required: bool = False) -> Projection:
    """Writes a leaf's value as graphql-core does; null, where it is asked about it, is no value."""

    def write(value: Any) -> Any:
        return _absent() if required and value is None else complete(type_, value)

    return write


def _enumeration(type_: GraphQLEnumType, words: dict[Enum, str]) -> Projection:
    """Writes an enumeration's words, which are few: each is completed once."""

    def write(value: Any) -> Any:
        word = complete(type_, value)
        if isinstance(value, Enum):
            words[value] = word
        return word

    return write


def _absent() -> Any:
    raise TypeError(NOT_NULL)
