"""How each field gets its value: from what the guard released, and from nothing else.

A value is a look into a released record. An edge is a seat in a batch. Neither sees a record of a source: an object
that is no release of its type ends the field that led to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from operator import attrgetter
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo
from graphql.pyutils import Path

from graph.context import Context
from graph.fields import Kind
from graph.roots import ROOTS
from graph.schema import GraphSchema, definition_of, interface_types, is_part, kind_of, object_types
from portico.access.guard import Masked, Released, Withheld
from portico.access.tags import Coordinate
from portico.records.references import RecordType
from resolvers.edges import EDGES

Reader = Callable[..., Any]
Look = Callable[[Any, Any, Any], Any]
"""Reads a field of a source, given the execution's context and the path (a part's fields need neither)."""

LOOK = "portico-look"
"""Where a field keeps its look, among its extensions."""

PART = "portico-part"
"""Where a type says that it is a part, among its extensions."""


def bind(schema: GraphSchema) -> None:
    """Give every field of the schema its reader."""
    for type_ in object_types(schema.core):
        type_.is_type_of = None
        if is_part(type_):
            _bind_part(type_)
            continue
        if type_.name == "Query":
            for name, field in type_.fields.items():
                field.resolve = ROOTS[name]
        else:
            type_.is_type_of = _is_release(type_.name)
            for name, field in type_.fields.items():
                _bind_guarded(field, type_.name, schema.fields[type_.name][name])
    for interface in interface_types(schema.core):
        interface.resolve_type = _type_name


def _is_release(type_name: str) -> Callable[[object, GraphQLResolveInfo[Context]], bool]:
    """graphql-core asks this of every object before it reads a field of it."""

    def is_release(value: object, _: GraphQLResolveInfo[Context]) -> bool:
        return isinstance(value, Released) and value.type == type_name

    return is_release


def _bind_part(type_: GraphQLObjectType) -> None:
    type_.extensions[PART] = True
    for field in type_.fields.values():
        _bind_look(field, _part_look(attrgetter(definition_of(field).python_name)))


def _part_look(read: Callable[[Any], Any]) -> Look:
    return lambda source, _context, _path: read(source)


def _bind_look(field: GraphQLField, look: Look) -> None:
    """Bind a reader that needs no more than the context and the path, so that leaves can be read without ceremony."""
    field.extensions[LOOK] = look
    field.resolve = lambda source, info: look(source, info.context, info.path)


def _bind_guarded(field: GraphQLField, type_name: str, coordinate: Coordinate) -> None:
    if coordinate.attribute == "id":
        _bind_look(field, _id_look(coordinate.name))
    elif kind_of(field) is Kind.EDGE:
        field.resolve = _edge_reader(type_name, coordinate)
    else:
        _bind_look(field, _value_look(coordinate))


def _id_look(name: str) -> Look:
    def look(source: Released, context: Context, _: Path) -> str:
        context.released.add(name)
        return context.session.global_id(source)

    return look


def _value_look(coordinate: Coordinate) -> Look:
    attribute, name = coordinate.attribute, coordinate.name

    def look(source: Released, context: Context, path: Path) -> Any:
        value = source.values[attribute]
        kind = value.__class__
        if kind is Withheld:
            context.withhold(path, value)
            return None
        if kind is Masked:
            context.mask(path, value)
            return value.value
        context.released.add(name)
        return value

    return look


def _edge_reader(type_name: str, coordinate: Coordinate) -> Reader:
    edge, name = EDGES[(RecordType(type_name), coordinate.attribute)], coordinate.name

    def read(source: Released, info: GraphQLResolveInfo[Context], **arguments: Any) -> Awaitable[Any] | None:
        context = info.context
        denied = source.denied.get(edge.name)
        if denied is not None:
            context.withhold(info.path, denied)
            return None
        return context.follow(edge, name, source, arguments, info.path)

    return read


def _type_name(source: Released, *_: object) -> str:
    return source.type
