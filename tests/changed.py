"""Copies with other values, of a record, one of its values, or a dataclass: what `copy.replace` is in newer Pythons."""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

from msgspec import Struct, structs

T = TypeVar("T")


def replace(one: T, /, **changes: Any) -> T:
    """The same with these values."""
    if isinstance(one, Struct):
        return structs.replace(one, **changes)
    return dataclasses.replace(one, **changes)  # type: ignore[type-var]  # what is no record is a dataclass
