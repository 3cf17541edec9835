"""How graphql-core gets each field's value: from what the guard released, and from nothing else.

Queries are executed by their plans (`graph.plan`), which read the same releases; this serves all that has no plan.

A value is a look into a released record. An edge is a seat in a batch. Neither sees a record of a source: an object
that is no release of its type ends the field that led to it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from operator import attrgetter
from typing import Any

from graphql import GraphQLField, GraphQLObjectType, GraphQLResolveInfo

from graph.commands import COMMANDS
from graph.context import Context
from graph.fields import Kind
from graph.roots import ROOTS
from graph.schema import ROOT_TYPES, GraphSchema, definition_of, interface_types, is_part, kind_of, object_types
from portico.access.guard import PARTS, Masked, Released, Withheld
from portico.access.rulings import SWITCHED_OFF
from portico.access.tags import Coordinate
from portico.records.errors import CommandRefused
from portico.records.references import RecordType
from resolvers.edges import EDGES

Reader = Callable[..., Any]

WAYS_IN: Mapping[str, Mapping[str, Reader]] = {"Query": ROOTS, "Mutation": COMMANDS}
"""The readers of the root types' fields."""


def bind(schema: GraphSchema) -> None:
    """Give every field of the schema its reader."""
    for type_ in object_types(schema.core):
        type_.is_type_of = None
        if is_part(type_):
            _bind_part(type_)
            continue
        if type_.name in ROOT_TYPES:
            for name, field in type_.fields.items():
                field.resolve = _way_in(type_.name, name)
        else:
            type_.is_type_of = _is_release(type_.name)
            for name, field in type_.fields.items():
                _bind_guarded(field, type_.name, schema.fields[type_.name][name])
    for interface in interface_types(schema.core):
        interface.resolve_type = _type_name


def _way_in(type_name: str, name: str) -> Reader:
    """A root's reader, as long as the root is not switched off."""
    read, coordinate = WAYS_IN[type_name][name], f"{type_name}.{name}"

    def enter(source: object, info: GraphQLResolveInfo[Context], **arguments: Any) -> Any:
        context = info.context
        if coordinate not in context.session.caller.switched_off:
            return read(source, info, **arguments)
        if type_name == "Mutation":
            context.refuse(name, info.path, CommandRefused(SWITCHED_OFF))
        else:
            context.withhold(info.path, Withheld(coordinate, SWITCHED_OFF, context.session.ceiling.decision_id))
        return None

    return enter


def _is_release(type_name: str) -> Callable[[object, GraphQLResolveInfo[Context]], bool]:
    """graphql-core asks this of every object before it reads a field of it."""

    def is_release(value: object, _: GraphQLResolveInfo[Context]) -> bool:
        return isinstance(value, Released) and value.type == type_name

    return is_release


def _bind_part(type_: GraphQLObjectType) -> None:
    kind = PARTS.get(type_.name)
    if kind is not None:
        type_.is_type_of = lambda value, _: value.__class__ is kind
    for field in type_.fields.values():
        field.resolve = _part_reader(attrgetter(definition_of(field).python_name))


def _part_reader(read: Callable[[Any], Any]) -> Reader:
    return lambda source, _: read(source)


def _bind_guarded(field: GraphQLField, type_name: str, coordinate: Coordinate) -> None:
    if coordinate.attribute == "id":
        field.resolve = _id_reader(coordinate.name)
    elif kind_of(field) is Kind.EDGE:
        field.resolve = _edge_reader(type_name, coordinate)
    else:
        field.resolve = _value_reader(coordinate)


def _id_reader(name: str) -> Reader:
    def read(source: Released, info: GraphQLResolveInfo[Context]) -> str:
        info.context.released.add(name)
        return info.context.session.global_id(source)

    return read


def _value_reader(coordinate: Coordinate) -> Reader:
    attribute, name = coordinate.attribute, coordinate.name

    def read(source: Released, info: GraphQLResolveInfo[Context]) -> Any:
        value = source.values[attribute]
        kind = value.__class__
        if kind is Withheld:
            info.context.withhold(info.path, value)
            return None
        if kind is Masked:
            info.context.mask(info.path, value)
            return value.value
        info.context.released.add(name)
        return value

    return read


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
