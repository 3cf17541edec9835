"""Populations as JSON files, so that every simulated source is filled from the same one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import orjson

from sandbox.population.model import Population

_T = TypeVar("_T")
_Read = Callable[[Any], Any]


class UnreadablePopulation(ValueError):
    """The file is no population, or one of another version of the model."""


def save(population: Population, path: Path) -> None:
    """Write a population. What `load` gives back equals it; the file is replaced whole or not at all."""
    new = path.with_name(path.name + ".new")
    new.write_bytes(orjson.dumps(population, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    new.replace(path)


def load(path: Path) -> Population:
    """The population that `save` wrote. Raises `UnreadablePopulation`, and OSError where there is no file."""
    try:
        population: Population = _reader(Population)(orjson.loads(path.read_bytes()))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise UnreadablePopulation(f"{path} is no population of this version") from error
    return population


def is_current(path: Path) -> bool:
    """Whether there is a population of this version of the model."""
    try:
        load(path)
    except (OSError, UnreadablePopulation):
        return False
    return True


@cache
def _reader(wanted: Any) -> _Read:
    """What turns JSON into a value of a type: a dataclass, a tuple, an optional, a datetime or a scalar."""
    if get_origin(wanted) is tuple:
        each = _reader(get_args(wanted)[0])
        return lambda value: tuple(map(each, _checked(value, list)))
    if get_origin(wanted) is UnionType:
        (other,) = (arg for arg in get_args(wanted) if arg is not NoneType)
        read = _reader(other)
        return lambda value: None if value is None else read(value)
    if wanted is datetime:
        return datetime.fromisoformat
    if isinstance(wanted, type) and hasattr(wanted, "__dataclass_fields__"):
        return _dataclass_reader(wanted)
    return lambda value: _checked(value, wanted)


def _dataclass_reader(wanted: type[_T]) -> Callable[[Any], _T]:
    hints = get_type_hints(wanted)
    readers = {each.name: _reader(hints[each.name]) for each in fields(wanted)}  # type: ignore[arg-type]  # known to be one

    def read(value: Any) -> _T:
        if _checked(value, dict).keys() != readers.keys():
            raise KeyError(wanted.__name__)
        return wanted(**{name: reader(value[name]) for name, reader in readers.items()})

    return read


def _checked(value: Any, wanted: type[_T]) -> _T:
    if type(value) is not wanted:
        raise TypeError(wanted.__name__)
    return value
