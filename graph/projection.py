"""How released values are written into the answer: compiled once for exactly what is selected of them.

The functions are Python that is put together from the schema's names and the response keys, and then read by Python's
own compiler: no call is made for a value that is a text, and none for a column. A function gives what JSON can hold,
or raises; what raises is examined again, slowly, to say where (`graph.examination`). No value is let through by what it
looks like: whatever is not of its field's type raises, a record above all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
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
)
from graphql.execution import Executor
from graphql.pyutils import is_iterable

from graph.rows import Row, row_class
from graph.schema import definition_of
from portico.access.guard import PARTS

Projection: TypeAlias = Callable[[Any], Any]
RowProjection: TypeAlias = Callable[[Mapping[str, Any]], Row]

NOT_NULL: Final = "null where there can be none"
_NO_LIST: Final = "no list where there is one"
_NO_VALUE: Final = "a value that is not of its field's type"
_NO_PART: Final = "something else where a part of a record is"
_KINDS: Final[Mapping[str, type]] = {
    "String": str,
    "ID": str,
    "PartialDate": str,
    "Boolean": bool,
    "Int": int,
    "Decimal": Decimal,
    "DateTime": datetime,
}
"""The classes of scalars' values."""
_WRITERS_LIMIT: Final = 50
"""Row functions of one place: it takes one for each set of attributes that are withheld or masked together."""


@dataclass(frozen=True, slots=True, eq=False)
class PartField:
    """What is selected of a part under one response key; `field` None stands for `__typename`."""

    key: str
    type_name: str
    field: GraphQLField | None
    parts: Sequence[PartField]


def complete(return_type: GraphQLLeafType, result: Any) -> Any:
    """What is written of a leaf's value, which must be of its type's class: graphql-core makes a text of anything."""
    kind = Enum if isinstance(return_type, GraphQLEnumType) else _KINDS[return_type.name]
    if not isinstance(result, kind):
        raise TypeError(_NO_VALUE)
    written = Executor.complete_leaf_value(return_type, result)
    return str.__str__(written) if isinstance(written, str) else written


def require_part(type_: GraphQLObjectType, value: Any) -> None:
    """Raise unless a value is of the class whose values a type's are, if they are of one."""
    kind = PARTS.get(type_.name)
    if kind is not None and value.__class__ is not kind:
        raise TypeError(_NO_PART)


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
            row = self._text.row([(key, "None" if of in here else value) for key, of, value in self._row])
            known = self._writers[here] = self._text.function("values", row)
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
        self._things: dict[str, Any] = {
            "rows_of": rows_of,
            "absent": _absent,
            "no_part": _no_part,
            **PARTS,
            "datetime": datetime,
            "UTC": UTC,
            "Decimal": Decimal,
        }
        self._rows: dict[tuple[str, ...], str] = {}
        """What each kind of row is made by."""

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
        if not isinstance(inner, GraphQLList | GraphQLObjectType) and _KINDS.get(inner.name) is str:
            leaf = self._refer(_leaf(inner, required=required))  # type: ignore[arg-type]  # interfaces hold records, which are no values
            kept = f"{first}.__class__ is str" if required else f"{first} is None or {here}.__class__ is str"
            return f"({here} if {kept} else {leaf}({here}))"
        if isinstance(inner, GraphQLList):
            there = (
                f"[{self.value(inner.of_type, parts, f'v{depth + 1}', depth + 1)} for v{depth + 1} in rows_of({here})]"
            )
        elif isinstance(inner, GraphQLObjectType):
            row = self.row([(part.key, self.part_field(part, "part")) for part in parts])
            there = f"{self._refer(self.function('part', row))}({here})"
            if inner.name in PARTS:
                there = f"({there} if {here}.__class__ is {inner.name} else no_part())"
        else:
            there = self._leaf(inner, here)  # type: ignore[arg-type]  # see above
        return f"({'absent()' if required else 'None'} if {first} is None else {there})"

    def part_field(self, part: PartField, owner: str) -> str:
        """An expression that writes a field of a part."""
        if part.field is None:
            return repr(part.type_name)
        return self.value(part.field.type, part.parts, f"{owner}.{definition_of(part.field).python_name}")

    def row(self, fields: Sequence[tuple[str, str]]) -> str:
        """An expression that makes a row of what these expressions give for its response keys."""
        keys = tuple(key for key, _ in fields)
        if keys not in self._rows:
            self._rows[keys] = self._refer(row_class(keys))
        return f"{self._rows[keys]}({', '.join(value for _, value in fields)})"

    def _leaf(self, type_: GraphQLLeafType, here: str) -> str:
        if isinstance(type_, GraphQLEnumType):
            words: dict[Enum, str] = {}
            return f"({self._refer(words)}.get({here}) or {self._refer(_enumeration(type_, words))}({here}))"
        kept, written = _AS_THEY_ARE.get(type_.name, ("False", ""))
        leaf = self._refer(_leaf(type_))
        return f"({written.format(here)} if {kept.format(here)} else {leaf}({here}))" if written else f"{leaf}({here})"

    def _refer(self, thing: Any) -> str:
        name = f"_{len(self._things)}"
        self._things[name] = thing
        return name


_CLASSES: Final = {"datetime": datetime, "UTC": UTC, "Decimal": Decimal}
_AS_THEY_ARE: Final = {
    "Decimal": ("{0}.__class__ is Decimal", "str({0})"),
    "DateTime": ("{0}.__class__ is datetime and {0}.tzinfo is UTC", "{0}"),
}
"""By scalar: which values need no completing, and what is written of them. The encoder writes an instant in UTC as its
scalar does."""


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


def _no_part() -> Any:
    raise TypeError(_NO_PART)


def _absent() -> Any:
    raise TypeError(NOT_NULL)
