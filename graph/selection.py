"""Which guarded coordinates an operation selects, filters or sorts by: what to ask the policies and the sources for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SchemaMetaFieldDef,
    SelectionNode,
    SelectionSetNode,
    TypeMetaFieldDef,
    get_named_type,
)
from graphql.execution import VariableValues, get_argument_values, get_directive_values

from graph.arguments import list_arguments
from graph.documents import Document
from graph.schema import ROOT_TYPES, GraphSchema
from portico.access.decisions import Ceiling
from portico.access.tags import Coordinate
from portico.records.errors import BadArgument
from portico.records.references import By, RecordType
from resolvers.criteria import revealed
from resolvers.edges import EDGES, UNIQUE_KEYS, Via
from resolvers.session import Wanted

CEILINGS_LIMIT = 50
"""Ceilings for which is remembered what a selection wants under them."""

_META = {"__schema": SchemaMetaFieldDef, "__type": TypeMetaFieldDef}
"""The fields of introspection: nothing of them is guarded, but their arguments are looked at like any."""

ALWAYS_THERE = frozenset({"id", "provenance"})
"""Attributes that come with every record, asked for or not."""


@dataclass(slots=True)
class Selection:
    """What an operation needs, by type name and attribute.

    `fields` is what it selects. `criteria` is what its filters and orderings behind edges judge, selected or not.
    """

    fields: dict[str, set[str]] = field(default_factory=dict)
    criteria: dict[str, set[str]] = field(default_factory=dict)
    _coordinates: list[tuple[str, Coordinate]] = field(default_factory=list)
    _wanted: dict[frozenset[str], dict[RecordType, Wanted]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many coordinates it needs, those that are selected and judged twice."""
        return sum(map(len, self.fields.values())) + sum(map(len, self.criteria.values()))

    def coordinates(self, schema: GraphSchema) -> list[tuple[str, Coordinate]]:
        """Every selected or judged coordinate, with its type's name."""
        if not self._coordinates:
            self._coordinates = [
                (type_name, coordinate)
                for type_name, coordinates in schema.tags.items()
                for attribute, coordinate in coordinates.items()
                if attribute in self.fields.get(type_name, ()) or attribute in self.criteria.get(type_name, ())
            ]
        return self._coordinates

    def wanted(self, schema: GraphSchema, ceiling: Ceiling) -> dict[RecordType, Wanted]:
        """What to fetch and release of each type: nothing that the ceiling denies is asked of a source."""
        wanted = self._wanted.get(ceiling.coordinates)
        if wanted is None:
            if len(self._wanted) >= CEILINGS_LIMIT:
                self._wanted.clear()
            wanted = self._wanted[ceiling.coordinates] = self._pruned(schema, ceiling)
        return wanted

    def _pruned(self, schema: GraphSchema, ceiling: Ceiling) -> dict[RecordType, Wanted]:
        needed: dict[RecordType, set[str]] = {}
        for type_name in self.fields.keys() | self.criteria.keys():
            type_ = RecordType(type_name)
            attributes = needed.setdefault(type_, set())
            for attribute in self.fields.get(type_name, set()) | self.criteria.get(type_name, set()):
                if not ceiling.covers(schema.tags[type_name][attribute]):
                    continue
                edge = EDGES.get((type_, attribute))
                if edge is None:
                    attributes.add(attribute)
                    continue
                if edge.link is not None:
                    attributes.add(edge.link)
                if edge.picks is not None:
                    needed.setdefault(edge.target, set()).add(edge.picks)
                if edge.via is Via.VISIT and By.VISIT in UNIQUE_KEYS.get(edge.target, ()):
                    needed.setdefault(edge.target, set()).add("visit")
        return {
            type_: Wanted(frozenset(self.fields.get(type_.value, ())), frozenset(attributes - ALWAYS_THERE))
            for type_, attributes in needed.items()
        }


class Selector:
    """Walks one operation; fragments count where they are spread."""

    def __init__(self, schema: GraphSchema, document: DocumentNode, variables: VariableValues) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments: Mapping[str, FragmentDefinitionNode] = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._selection = Selection()

    def walk(self, document: Document) -> Selection:
        """What the operation needs."""
        root = self._schema.core.get_root_type(document.operation.operation)
        if root is not None:
            self._set(document.operation.selection_set, root)
        return self._selection

    def _set(self, selections: SelectionSetNode | None, parent: GraphQLNamedType) -> None:
        for node in selections.selections if selections else ():
            if not included(node, self._variables):
                continue
            if isinstance(node, FieldNode):
                self._field(node, parent)
            elif isinstance(node, InlineFragmentNode):
                condition = node.type_condition
                self._fragment(node.selection_set, condition.name.value if condition else None, parent)
            elif isinstance(node, FragmentSpreadNode):
                fragment = self._fragments[node.name.value]
                self._fragment(fragment.selection_set, fragment.type_condition.name.value, parent)

    def _fragment(self, selections: SelectionSetNode, condition: str | None, parent: GraphQLNamedType) -> None:
        """What a fragment selects: an interface's, on an object, is of that object alone; another's concerns it not."""
        named = parent if condition is None else self._schema.core.type_map[condition]
        if not isinstance(parent, GraphQLObjectType):
            self._set(selections, named)
        elif named is parent or (
            isinstance(named, GraphQLInterfaceType) and self._schema.core.is_sub_type(named, parent)
        ):
            self._set(selections, parent)

    def _field(self, node: FieldNode, parent: GraphQLNamedType) -> None:
        name = node.name.value
        if name == "__typename" or not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
            return
        definition = _META.get(name) or parent.fields[name]
        values = self._values(node, definition)
        for type_name in self._concrete(parent):
            coordinate = self._schema.fields.get(type_name, {}).get(name)
            if coordinate is None or type_name in ROOT_TYPES:
                continue
            self._selection.fields.setdefault(type_name, set()).add(coordinate.attribute)
            edge = EDGES.get((RecordType(type_name), coordinate.attribute))
            if edge is not None and edge.many:
                self._judge(edge.target, values)
        self._set(node.selection_set, get_named_type(definition.type))

    def _values(self, node: FieldNode, definition: GraphQLField) -> Mapping[str, object]:
        """A field's arguments. What validation lets pass may still fail here: null for a variable of a default."""
        try:
            return get_argument_values(definition, node, self._variables)
        except GraphQLError:
            raise BadArgument(f"An argument of {node.name.value} does not have a value of its type.") from None

    def _judge(self, target: RecordType, values: Mapping[str, object]) -> None:
        try:
            arguments = list_arguments(values)
        except BadArgument:
            return  # Said at its path when the field is executed.
        judged = revealed(target, arguments.conditions, arguments.ordering)
        self._selection.criteria.setdefault(target.value, set()).update(judged)

    def _concrete(self, parent: GraphQLObjectType | GraphQLInterfaceType) -> Iterable[str]:
        if isinstance(parent, GraphQLObjectType):
            return (parent.name,)
        return [type_.name for type_ in self._schema.core.get_possible_types(parent)]


def included(node: SelectionNode, variables: VariableValues) -> bool:
    """Whether `@skip` and `@include` leave a node in. Raises `BadArgument` for a condition that is null."""
    try:
        skip = get_directive_values(GraphQLSkipDirective, node, variables)
        include = get_directive_values(GraphQLIncludeDirective, node, variables)
    except GraphQLError:
        raise BadArgument("A condition of @skip or @include is neither true nor false.") from None
    return not (skip and skip["if"] is True) and not (include and include["if"] is False)
