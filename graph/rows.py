"""Objects of an answer as the encoder takes them: a slot for each response key, and no dictionary.

An answer is thousands of small objects that are made, encoded once and dropped. As dictionaries they were the larger
part of what a request keeps in memory (ADR 0020).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

Row: TypeAlias = Any
"""An object of the answer; what `row_class` makes. Its class is not known before the document is."""

encode: Final = msgspec.json.Encoder().encode
"""Writes an answer of rows and of what JSON holds."""


def row_class(keys: tuple[str, ...]) -> type[Row]:
    """What makes objects with these response keys, given their values in this order.

    A new class each time, which lives as long as the plan that it is made for. Takes less than 0.1 ms.
    """
    fields = [f"f{number}" for number in range(len(keys))]
    return msgspec.defstruct(
        "Row", [(field, Any) for field in fields], rename=dict(zip(fields, keys, strict=True)), eq=False, gc=False
    )


def below(container: Any, key: str | int) -> Any:
    """What a row, a list or a mapping holds there."""
    if isinstance(container, msgspec.Struct):
        return getattr(container, _slot(container, str(key)))
    return container[key]


def put(container: Any, key: str | int, value: Any) -> None:
    """Put a value there."""
    if isinstance(container, msgspec.Struct):
        setattr(container, _slot(container, str(key)), value)
    else:
        container[key] = value


def put_each(rows: Sequence[Row], key: str, values: Iterable[Any]) -> None:
    """Put a value into each of these rows, of which all have the same keys."""
    slot = _slot(rows[0], key)
    for row, value in zip(rows, values, strict=True):
        setattr(row, slot, value)


def _slot(row: Row, key: str) -> str:
    """The name of the slot of a response key."""
    made_by: type[msgspec.Struct] = row.__class__
    return made_by.__struct_fields__[made_by.__struct_encode_fields__.index(key)]
