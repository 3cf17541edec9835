"""The Rego profile: what a module may use, so that every decision can be replayed from its input alone.

A module calls only the builtins that `capabilities.json` names, and functions of the bundle itself; nothing reads the
clock, the network, the process or chance. `with` is for tests: in a rule it could put a builtin in a function's place.
The module is judged by its syntax tree, as OPA's own parser gives it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

from portico.access.bundle import PoliciesRefused

Tree: TypeAlias = Mapping[str, Any]
"""A module's syntax tree in OPA's JSON form."""


class Call(NamedTuple):
    """A call of a function by its dotted name; `whole` is False where part of the name is computed."""

    name: str
    whole: bool


def check_profile(trees: Mapping[str, Tree], builtins: frozenset[str]) -> None:
    """Refuses modules, given by path, that go beyond the profile."""
    rules: dict[str, set[str]] = {}
    for path, tree in trees.items():
        package = _dotted(tree["package"]["path"]).name.removeprefix("data.")
        if package != ".".join(path.split("/")[:-1]):
            raise PoliciesRefused(f"{path}: package {package} is not its folder")
        rules.setdefault(package, set()).update(_rule_names(tree))
    for path, tree in trees.items():
        own = rules[".".join(path.split("/")[:-1])] | _import_names(tree) | {"data"}
        for node in _nodes(tree):
            if "with" in node:
                raise PoliciesRefused(f"{path}: `with` is for tests")
        for call in _calls(tree):
            if call.whole and (call.name in builtins or call.name.split(".")[0] in own):
                continue
            raise PoliciesRefused(f"{path}: {call.name} may not be called (see capabilities.json)")


def _nodes(node: object) -> Iterator[Tree]:
    if isinstance(node, Mapping):
        yield node
        for child in node.values():
            yield from _nodes(child)
    elif isinstance(node, list):
        for child in node:
            yield from _nodes(child)


def _calls(tree: Tree) -> Iterator[Call]:
    """A call stands in a term (`type: call`) or is an expression of its own (`terms: [function, arguments...]`)."""
    for node in _nodes(tree):
        terms = node["value"] if node.get("type") == "call" else node.get("terms")
        if isinstance(terms, list):
            yield _dotted(terms[0]["value"])


def _dotted(terms: list[Tree]) -> Call:
    names = [term["value"] for term in terms]
    whole = all(isinstance(name, str) for name in names) and all(term["type"] == "string" for term in terms[1:])
    return Call(".".join(name if isinstance(name, str) else "[..]" for name in names), whole)


def _rule_names(tree: Tree) -> set[str]:
    return {rule["head"]["ref"][0]["value"] for rule in tree.get("rules", [])}


def _import_names(tree: Tree) -> set[str]:
    return {item.get("alias") or item["path"]["value"][-1]["value"] for item in tree.get("imports", [])}
