"""JSON that can only be read in one way.

RFC 8259 leaves open what duplicate names, lone surrogates, huge numbers and deep nesting mean; parsers differ, and
where they differ a check and its executor may see different requests. All of it is refused here.
"""

from __future__ import annotations

import json
import math
from typing import Final, NoReturn

import orjson

DEPTH_LIMIT: Final = 32
_DIGIT_LIMIT: Final = 20
"""Digits of the longest integers that databases and clients agree on (64 bits)."""

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class AmbiguousJson(ValueError):
    """Not JSON, or JSON that parsers disagree on."""


def parse(text: bytes) -> Json:
    """The one meaning of a JSON text in UTF-8, or `AmbiguousJson`. Cost: linear in the text."""
    try:
        orjson.loads(text)  # strict where the standard library isn't: BOM, NaN, surrogates, other encodings
        value: Json = _DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        raise AmbiguousJson from None
    _refuse_depth(value)
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise AmbiguousJson
    return members


def _integer(digits: str) -> int:
    if len(digits) > _DIGIT_LIMIT:
        raise AmbiguousJson
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise AmbiguousJson
    return number


def _refuse(_constant: str) -> NoReturn:
    raise AmbiguousJson


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_integer, parse_float=_finite, parse_constant=_refuse
)


def _refuse_depth(value: Json) -> None:
    level = _containers([value])
    for _ in range(DEPTH_LIMIT):
        if not level:
            return
        level = [inner for outer in level for inner in _containers(outer)]
    if level:
        raise AmbiguousJson


def _containers(value: list[Json] | dict[str, Json]) -> list[list[Json] | dict[str, Json]]:
    members = value.values() if isinstance(value, dict) else value
    return [member for member in members if isinstance(member, dict | list)]
