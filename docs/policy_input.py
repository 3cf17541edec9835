"""The reference page of what policies are asked and answer, from the JSON Schemas that both sides are held to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from portico.access.bundle import read_bundle
from portico.access.engine import Rule
from portico.access.tags import Tag

Row: TypeAlias = tuple[str, str, str]
"""A place in a shape, its type and its meaning."""

PAGE = Path("docs/reference/policy-input.md")

_INTRODUCTION = """\
# What policies are asked, and what they answer

Generated from `policies/schemas/` by `docs.policy_input`. Portico asks the rules of package `portico.decision`; each
question and each answer has exactly the shape below. An answer of another shape is no answer, and nothing is released.
`<key>` stands for any member of an object, `[]` for each item of a list.

## The principal

The same in every question that has one.
"""


def page(policies: Path) -> str:
    """The page as Markdown, for a policy folder."""
    schemas: Mapping[str, Any] = read_bundle(policies).schemas
    principal = schemas[f"{Rule.CEILING}.input"]["properties"]["principal"]
    sections = [_INTRODUCTION, _table(_rows(principal, "principal"), "Input")]
    for rule in Rule:
        question, answer = schemas[f"{rule}.input"], schemas[f"{rule}.output"]
        sections.append(f"## `{rule}`\n\n{question['description']}\n\n{_table(_question(question), 'Input')}")
        sections.append(f"{answer['description']}\n\n{_table(_rows(answer, ''), 'Answer')}")
    return "\n".join(sections)


def _table(rows: Iterable[Row], heading: str) -> str:
    lines = (f"| `{path}` | {kind} | {meaning} |" for path, kind, meaning in rows)
    return "\n".join((f"| {heading} | Type | Meaning |", "|---|---|---|", *lines, ""))


def _question(schema: Mapping[str, Any]) -> Iterator[Row]:
    """A question's rows; the principal's own are told once for all."""
    return (row for row in _rows(schema, "") if not row[0].startswith("principal."))


def _rows(schema: Mapping[str, Any], path: str) -> Iterator[Row]:
    """Each place of a shape with its type and meaning, depth first; of alternatives, one after another."""
    if path and "const" not in schema:
        yield path, _kind(schema), schema.get("description", "")
    for name, below in schema.get("properties", {}).items():
        yield from _rows(below, f"{path}.{name}" if path else name)
    keyed = schema.get("additionalProperties")
    for below in (*schema.get("patternProperties", {}).values(), *([keyed] if keyed else [])):
        yield from _rows(below, f"{path}.<key>" if path else "<key>")
    if schema.get("items", {}).get("type") == "object":
        yield from _rows(schema["items"], f"{path}[]")
    for alternative in ("then", "else"):
        if alternative in schema:
            yield from _alternative(schema, alternative, path)


def _alternative(schema: Mapping[str, Any], which: str, path: str) -> Iterator[Row]:
    """An alternative is introduced by the constant that tells it from the other one."""
    chosen = schema[which]
    for name, below in chosen.get("properties", {}).items():
        if "const" in below:
            meaning = chosen.get("description", "")
            yield (f"{path}.{name}" if path else name), f"`{str(below['const']).lower()}`", meaning
    yield from (row for row in _rows(chosen, path) if row[0] != path)


def _kind(schema: Mapping[str, Any]) -> str:
    if schema.get("enum") == list(Tag):
        return "tag"
    if "enum" in schema:
        return ", ".join(f"`{word}`" for word in schema["enum"])
    kind = schema.get("type", "object")
    if kind == "array":
        items = schema.get("items", {})
        return f"list of {_kind(items)}" if items else "empty list"
    if kind == "object" and schema.get("maxProperties") == 0:
        return "empty object"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)
