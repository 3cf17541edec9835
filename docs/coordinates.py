"""The reference page of the graph: every type and field, its data class, and what it means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    is_specified_scalar_type,
)

from docs.markdown import code, page, table
from graph.schema import ROOT_TYPES, GraphSchema, is_part, object_types
from portico.main import graph_schema
from resolvers.pages import DEFAULT_PAGE, PAGE_LIMIT

Named = TypeVar("Named", GraphQLEnumType, GraphQLInputObjectType, GraphQLScalarType)

_CONNECTION_SUFFIXES: Final = ("Connection", "Edge")
_INPUT_SUFFIX: Final = "Input"
_OF_EVERY_LIST: Final = frozenset({"first", "after"})


def schema_page() -> str:
    """Every type."""
    schema = graph_schema()
    types = sorted(object_types(schema.core), key=lambda type_: type_.name)
    records = [type_ for type_ in types if not is_part(type_) and type_.name not in ROOT_TYPES]
    parts = [type_ for type_ in types if is_part(type_) and not type_.name.endswith(_CONNECTION_SUFFIXES)]
    query, mutation = schema.core.query_type, schema.core.mutation_type
    inputs = _named(schema, GraphQLInputObjectType)
    return page(
        "The graph",
        f"""Generated from the schema; `schema.graphql` is its exact text. Every field of a record has a tag, the class
of its data. [Policies decide tags](who-sees-what.md). Everything that may be withheld is nullable. Lists are Relay
connections: `first` is 0 to {PAGE_LIMIT} and {DEFAULT_PAGE} by default, `after` takes the `endCursor` of the page
before.""",
        "## Ways in",
        table(("Field", "Leads to", "Meaning"), _roots(query)) if query else "",
        "## Commands",
        "One an operation. Each is decided by the policies, recorded, and answered with what it made or changed.",
        table(("Field", "Answers with", "Meaning"), _roots(mutation)) if mutation else "",
        *(_input(type_, "Input") for type_ in inputs if type_.name.endswith(_INPUT_SUFFIX)),
        "## Records",
        *(_record(schema, type_) for type_ in records),
        "## Values of several parts",
        "They are as guarded as the field that holds them.",
        *(_fields(type_) for type_ in parts),
        "## Filters",
        "A condition counts only for rows of which you may know in full what it is about.",
        *(_input(type_, "Condition") for type_ in inputs if not type_.name.endswith(_INPUT_SUFFIX)),
        "## Words",
        *(_enumeration(type_) for type_ in _named(schema, GraphQLEnumType)),
        "## Scalars of our own",
        table(("Scalar", "Meaning"), _scalars(schema)),
    )


def _roots(query: GraphQLObjectType) -> Iterator[tuple[str, str, str]]:
    for name, field in query.fields.items():
        arguments = ", ".join(f"{key}: {one.type}" for key, one in field.args.items() if key not in _OF_EVERY_LIST)
        yield code(f"{name}({arguments})" if arguments else name), code(str(field.type)), field.description or ""


def _record(schema: GraphSchema, type_: GraphQLObjectType) -> str:
    rows = [
        (code(name), code(str(field.type)), schema.fields[type_.name][name].tag.value, field.description or "")
        for name, field in type_.fields.items()
    ]
    return f"### {type_.name}\n\n{type_.description}\n\n{table(('Field', 'Type', 'Tag', 'Meaning'), rows)}"


def _fields(type_: GraphQLObjectType) -> str:
    rows = [(code(name), code(str(field.type)), field.description or "") for name, field in type_.fields.items()]
    return f"### {type_.name}\n\n{type_.description}\n\n{table(('Field', 'Type', 'Meaning'), rows)}"


def _input(type_: GraphQLInputObjectType, column: str) -> str:
    rows = [(code(name), code(str(field.type)), field.description or "") for name, field in type_.fields.items()]
    return f"### {type_.name}\n\n{type_.description}\n\n{table((column, 'Type', 'Meaning'), rows)}"


def _enumeration(type_: GraphQLEnumType) -> str:
    rows = [(code(name), value.description or "") for name, value in type_.values.items()]
    return f"### {type_.name}\n\n{type_.description}\n\n{table(('Word', 'Meaning'), rows)}"


def _scalars(schema: GraphSchema) -> Iterator[tuple[str, str]]:
    for type_ in _named(schema, GraphQLScalarType):
        if not is_specified_scalar_type(type_):
            yield code(type_.name), type_.description or ""


def _named(schema: GraphSchema, kind: type[Named]) -> list[Named]:
    """The schema's own types of a kind, by name."""
    types = [type_ for name, type_ in schema.core.type_map.items() if isinstance(type_, kind) and name[:2] != "__"]
    return sorted(types, key=lambda type_: type_.name)
