"""Policy data as every parser reads it: the part of YAML on which all of them agree, and JSON without surprises.

YAML 1.1 and 1.2 disagree on what `no`, `N`, `0x10`, `1:30` and `~` mean, and both let a repeated key win in silence. A
policy table must not depend on who reads it, so such words have to be quoted and such keys are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import NoReturn, TypeAlias

import yaml

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"

_LITERAL = re.compile(r"true|false|null|-?(0|[1-9][0-9]{0,14})")
_OTHERWISE_READ = re.compile(r"[yYnN]|[-+.]?[0-9][-+.0-9_eE]*")
"""Text to YAML 1.1 as PyYAML knows it, a boolean or a number to others."""
_TEXT = "tag:yaml.org,2002:str"
_DEPTH_LIMIT = 32


class Unreadable(ValueError):
    """A document can't be read; the message says where and why, and quotes nothing but keys."""


def parse_yaml(text: str) -> Json:
    """The document as plain values.

    Raises `Unreadable` on broken YAML, and on anchors, tags, repeated keys and words that parsers read differently.
    """
    try:
        events = list(yaml.parse(text, Loader=yaml.SafeLoader))
        if any(getattr(event, "anchor", None) or getattr(event, "tag", None) for event in events):
            raise Unreadable("anchors, aliases and tags are not used here")
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise Unreadable(" ".join(str(error).split())) from None
    return None if root is None else _value(root, 0)


def parse_json(text: str | bytes) -> Json:
    """The document as plain values. Raises `Unreadable` on broken JSON, repeated members, NaN and infinities."""
    try:
        value: Json = json.loads(text, object_pairs_hook=_members, parse_constant=_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Unreadable(error.args[0] if isinstance(error, Unreadable) else "not JSON") from None
    return value


def _value(node: yaml.Node, depth: int) -> Json:
    if depth > _DEPTH_LIMIT:
        raise _unreadable(node, "nested too deeply")
    match node:
        case yaml.ScalarNode():
            return _scalar(node)
        case yaml.SequenceNode():
            return [_value(item, depth + 1) for item in node.value]
        case yaml.MappingNode():
            return _table(node, depth)
    raise _unreadable(node, "not a value")


def _table(node: yaml.MappingNode, depth: int) -> Json:
    table: dict[str, Json] = {}
    for key_node, value_node in node.value:
        key = _value(key_node, depth + 1)
        if not isinstance(key, str):
            raise _unreadable(key_node, "a key must be text; quote it")
        if key in table:
            raise _unreadable(key_node, f"repeated key {key}")
        table[key] = _value(value_node, depth + 1)
    return table


def _scalar(node: yaml.ScalarNode) -> Json:
    text: str = node.value
    if node.style is not None:
        return text
    if _LITERAL.fullmatch(text):
        value: Json = json.loads(text)
        return value
    if node.tag != _TEXT or _OTHERWISE_READ.fullmatch(text):
        raise _unreadable(node, "this word means different things to different parsers; quote it")
    return text


def _unreadable(node: yaml.Node, why: str) -> Unreadable:
    return Unreadable(f"line {node.start_mark.line + 1}: {why}")


def _members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise Unreadable("repeated member")
    return members


def _constant(_: str) -> NoReturn:
    raise Unreadable("not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise Unreadable("a number out of range")
    return value
