"""The one schema, built from the types, and the table of its guarded coordinates.

Strawberry declares; graphql-core executes. How a guarded field gets its value is not left to either's default but
bound here, field by field, to what the guard released (`graph.reading`): there is no other way to a value.
"""

from __future__ import annotations

from dataclasses import dataclass

import strawberry
from graphql import (
    DirectiveDefinitionNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    TypeDefinitionNode,
    get_named_type,
    parse,
)
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from graph.fields import Guarded, Kind, Part
from graph.mutations import Mutation
from graph.query import Query
from graph.values import SCALARS
from portico.access.tags import Coordinate, Tag, TagTable


class UntaggedCoordinate(TypeError):
    """A type or field of the schema says nothing about the data that it holds."""


class UnguardedWay(TypeError):
    """A field leads to values past the coordinates that guard them."""


@dataclass(frozen=True, slots=True)
class GraphSchema:
    """The executable schema, its text, and its guarded coordinates.

    `tags` is the guard's table by type and attribute; `fields` the same coordinates by type and GraphQL field name.
    """

    core: GraphQLSchema
    sdl: str
    tags: TagTable
    fields: TagTable


ROOT_TYPES = frozenset({"Query", "Mutation"})
"""The types whose fields lead in; every other guarded type is one of records."""


def build(query: type = Query, mutation: type | None = Mutation) -> GraphSchema:
    """The schema below a query root and a mutation root.

    Raises `UntaggedCoordinate` if anything in it has no tag, `UnguardedWay` if a field leads around them.
    """
    declared = strawberry.Schema(query=query, mutation=mutation, config=StrawberryConfig(scalar_map=SCALARS))
    # Strawberry's only handle to the graphql-core schema that it made.
    core = declared._schema  # noqa: SLF001
    fields = {
        type_.name: {name: _coordinate(type_, name, field) for name, field in type_.fields.items()}
        for type_ in object_types(core)
        if not is_part(type_)
    }
    tags = {
        type_name: {coordinate.attribute: coordinate for coordinate in coordinates.values()}
        for type_name, coordinates in fields.items()
    }
    return GraphSchema(core, _sorted(declared.as_str()), tags, fields)


def object_types(core: GraphQLSchema) -> list[GraphQLObjectType]:
    """The schema's own object types."""
    return [
        type_
        for name, type_ in core.type_map.items()
        if isinstance(type_, GraphQLObjectType) and not name.startswith("__")
    ]


def interface_types(core: GraphQLSchema) -> list[GraphQLInterfaceType]:
    """The schema's interfaces."""
    return [type_ for type_ in core.type_map.values() if isinstance(type_, GraphQLInterfaceType)]


def is_part(type_: GraphQLObjectType) -> bool:
    """Whether a type's values live only inside a guarded coordinate."""
    definition = type_.extensions["strawberry-definition"]
    return any(isinstance(directive, Part) for directive in definition.directives or ())


def kind_of(field: GraphQLField) -> Kind | None:
    """How a field gets its value; None for a field of a part."""
    return definition_of(field).metadata.get("kind")


def definition_of(field: GraphQLField) -> StrawberryField:
    """The declaration behind a field."""
    definition: StrawberryField = field.extensions["strawberry-definition"]
    return definition


def _sorted(sdl: str) -> str:
    """The same schema with its directives first and its types by name, whatever order they were found in."""
    definitions: list[tuple[bool, str, str]] = []
    for node in parse(sdl).definitions:
        if isinstance(node, DirectiveDefinitionNode | TypeDefinitionNode) and node.loc:
            is_type = isinstance(node, TypeDefinitionNode)
            definitions.append((is_type, node.name.value, sdl[node.loc.start : node.loc.end]))
    return "\n\n".join(text for _, _, text in sorted(definitions)) + "\n"


def _coordinate(type_: GraphQLObjectType, name: str, field: GraphQLField) -> Coordinate:
    definition = definition_of(field)
    tag = next((directive.tag for directive in definition.directives if isinstance(directive, Guarded)), None)
    if tag is None or kind_of(field) is None:
        raise UntaggedCoordinate(f"{type_.name}.{name} has no tag; declare it with graph.fields.value or edge")
    leads_on = kind_of(field) is not Kind.VALUE
    if leads_on and not _leads_to_records(field):
        raise UnguardedWay(f"{type_.name}.{name} must lead to records; declare a value with graph.fields.value")
    return Coordinate(f"{type_.name}.{name}", definition.python_name, Tag(tag), leads_on)


def _leads_to_records(field: GraphQLField) -> bool:
    """Whether what a field leads to is guarded there: a record, an interface of records, or a connection of them."""
    type_ = get_named_type(field.type)
    if isinstance(type_, GraphQLObjectType):
        return not is_part(type_) or "edges" in type_.fields
    return isinstance(type_, GraphQLInterfaceType)
