"""What an operation does, worked out once: which records are reached from which, and what is written of each.

A plan is a tree of objects: the fields of one type at one place of the answer. What is read from a record is compiled
into columns; what leads on is a step, which is taken once for all records of its place. Plans hold no request's
data and serve every request with the same document; only the conditions of `@skip` and `@include` make another plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution import VariableValues

from graph.fields import Kind
from graph.projection import Column, Columns, PartField, Projection, compile_field
from graph.rows import Row, row_class
from graph.schema import GraphSchema, is_part, kind_of
from graph.selection import included
from portico.records.references import RecordType
from resolvers.edges import EDGES, Edge


class Way(StrEnum):
    """How an operation is executed: by its plan, or by graphql-core, and then why."""

    PLANNED = "PLANNED"
    INTROSPECTION = "INTROSPECTION"
    MUTATION = "MUTATION"
    REFERENCE = "REFERENCE"
    """Because nothing is executed by plans here."""


class Unplannable(Exception):
    """The operation needs graphql-core."""

    def __init__(self, way: Way) -> None:
        super().__init__(way)
        self.way = way


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """`__typename`."""

    key: str
    value: str


@dataclass(frozen=True, slots=True, eq=False)
class Id:
    """A record's opaque id."""

    key: str
    coordinate: str


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """A value of a record."""

    key: str
    attribute: str
    coordinate: str
    column: Column


@dataclass(frozen=True, slots=True, eq=False)
class Seat:
    """Where a record is put: its objects by type, so that an interface's record finds its own."""

    objects: Mapping[str, Objects]
    required: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """The `edges` of a connection: what is written of each row, and where its node is put."""

    fields: Sequence[tuple[str, Projection | Seat]]
    make: type[Row]


@dataclass(frozen=True, slots=True, eq=False)
class Pages:
    """A connection: its rows, and what else is written of it."""

    fields: Sequence[tuple[str, Projection | Rows]]
    make: type[Row]


@dataclass(frozen=True, slots=True, eq=False)
class Several:
    """A list of records, null where there is none."""

    seat: Seat


Shape: TypeAlias = Seat | Pages | Several


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """An edge, taken once for all records of its place."""

    key: str
    coordinate: str
    edge: Edge
    node: FieldNode
    definition: GraphQLField
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """The fields of one type at one place of the answer, in the order in which they are answered."""

    type_name: str
    depth: int
    fields: Sequence[Name | Id | Value | Step]
    columns: Columns

    @property
    def steps(self) -> Iterator[Step]:
        """What leads on."""
        return (one for one in self.fields if isinstance(one, Step))


@dataclass(frozen=True, slots=True, eq=False)
class Root:
    """A field of the query root."""

    key: str
    name: str
    node: FieldNode
    definition: GraphQLField
    shape: Shape


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """A whole operation."""

    roots: Sequence[Name | Root]
    objects: Sequence[Objects]
    """Every object of the tree, those above before those below."""
    fields: Mapping[str, set[str]]
    """The selected attributes by type."""
    size: int
    """Fields that are written, those of parts among them; an interface's count once for each of its types."""


def seats(shape: Shape) -> Iterator[Seat]:
    """Every seat of a shape."""
    match shape:
        case Seat():
            yield shape
        case Several():
            yield shape.seat
        case Pages():
            for _, rows in shape.fields:
                if isinstance(rows, Rows):
                    yield from (seat for _, seat in rows.fields if isinstance(seat, Seat))


class Planner:
    """Plans the operations of one document, for one answer to its conditions."""

    def __init__(self, schema: GraphSchema, document: DocumentNode, variables: VariableValues) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments: Mapping[str, FragmentDefinitionNode] = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._objects: list[Objects] = []
        self._fields: dict[str, set[str]] = {}
        self._size = 0

    def plan(self, operation: OperationDefinitionNode) -> Plan:
        """The operation's plan. Raises `Unplannable`."""
        query = self._schema.core.query_type
        if operation.operation is not OperationType.QUERY or query is None:
            raise Unplannable(Way.MUTATION)
        roots: list[Name | Root] = []
        for key, nodes in self._collected([operation.selection_set], query).items():
            name = nodes[0].name.value
            if name == "__typename":
                roots.append(Name(key, query.name))
                continue
            if name.startswith("__"):
                raise Unplannable(Way.INTROSPECTION)
            definition = query.fields[name]
            roots.append(Root(key, name, nodes[0], definition, self._shape(definition.type, nodes, depth=1)))
        return Plan(roots, sorted(self._objects, key=lambda objects: objects.depth), self._fields, self._size)

    def _shape(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode], depth: int) -> Shape:
        """What a field that leads to records gives."""
        nullable = type_.of_type if isinstance(type_, GraphQLNonNull) else type_
        if isinstance(nullable, GraphQLList):
            return Several(self._seat(nullable.of_type, nodes, depth))
        named = get_named_type(nullable)
        if isinstance(named, GraphQLObjectType) and is_part(named):
            return self._pages(named, nodes, depth)
        return self._seat(nullable, nodes, depth)

    def _seat(self, type_: GraphQLOutputType, nodes: Sequence[FieldNode], depth: int) -> Seat:
        named = get_named_type(type_)
        concrete = self._schema.core.get_possible_types(named) if isinstance(named, GraphQLInterfaceType) else [named]
        sets = _sets(nodes)
        return Seat(
            {one.name: self._record(one, sets, depth) for one in concrete if isinstance(one, GraphQLObjectType)},
            required=isinstance(type_, GraphQLNonNull),
        )

    def _record(self, type_: GraphQLObjectType, sets: Sequence[SelectionSetNode | None], depth: int) -> Objects:
        columns = Columns()
        fields = [self._field(type_, key, nodes, depth, columns) for key, nodes in self._collected(sets, type_).items()]
        objects = Objects(type_.name, depth, fields, columns)
        self._objects.append(objects)
        return objects

    def _field(
        self, type_: GraphQLObjectType, key: str, nodes: Sequence[FieldNode], depth: int, columns: Columns
    ) -> Name | Id | Value | Step:
        name = nodes[0].name.value
        if name == "__typename":
            columns.add_word(key, type_.name)
            return Name(key, type_.name)
        definition, coordinate = type_.fields[name], self._schema.fields[type_.name][name]
        self._fields.setdefault(type_.name, set()).add(coordinate.attribute)
        if coordinate.attribute == "id":
            columns.add_word(key, None)
            return Id(key, coordinate.name)
        if kind_of(definition) is Kind.EDGE:
            columns.add_word(key, None)
            edge = EDGES[(RecordType(type_.name), coordinate.attribute)]
            shape = self._shape(definition.type, nodes, depth + 1)
            return Step(key, coordinate.name, edge, nodes[0], definition, shape)
        column = columns.add_value(key, coordinate.attribute, definition.type, self._parts(definition, nodes))
        return Value(key, coordinate.attribute, coordinate.name, column)

    def _parts(self, definition: GraphQLField, nodes: Sequence[FieldNode]) -> list[PartField]:
        type_ = get_named_type(definition.type)
        if not isinstance(type_, GraphQLObjectType):
            return []
        return [self._part(type_, key, below) for key, below in self._collected(_sets(nodes), type_).items()]

    def _part(self, type_: GraphQLObjectType, key: str, nodes: Sequence[FieldNode]) -> PartField:
        name = nodes[0].name.value
        if name == "__typename":
            return PartField(key, type_.name, None, ())
        return PartField(key, type_.name, type_.fields[name], self._parts(type_.fields[name], nodes))

    def _pages(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], depth: int) -> Pages:
        fields: list[tuple[str, Projection | Rows]] = []
        for key, below in self._collected(_sets(nodes), type_).items():
            name = below[0].name.value
            row = get_named_type(type_.fields[name].type) if name == "edges" else None
            if isinstance(row, GraphQLObjectType):
                fields.append((key, self._rows(row, below, depth)))
            else:
                fields.append((key, compile_field(self._part(type_, key, below))))
        return Pages(fields, row_class(tuple(key for key, _ in fields)))

    def _rows(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], depth: int) -> Rows:
        fields: list[tuple[str, Projection | Seat]] = []
        for key, below in self._collected(_sets(nodes), type_).items():
            if below[0].name.value == "node":
                fields.append((key, self._seat(type_.fields["node"].type, below, depth)))
            else:
                fields.append((key, compile_field(self._part(type_, key, below))))
        return Rows(fields, row_class(tuple(key for key, _ in fields)))

    def _collected(
        self, sets: Sequence[SelectionSetNode | None], type_: GraphQLObjectType
    ) -> dict[str, list[FieldNode]]:
        """The selected fields by response key, in order; what is spread counts where it is spread, once."""
        collected: dict[str, list[FieldNode]] = {}
        spread: set[str] = set()
        for selections in sets:
            self._collect(selections, type_, collected, spread)
        self._size += len(collected)
        return collected

    def _collect(
        self,
        selections: SelectionSetNode | None,
        type_: GraphQLObjectType,
        collected: dict[str, list[FieldNode]],
        spread: set[str],
    ) -> None:
        for node in selections.selections if selections else ():
            if not included(node, self._variables):
                continue
            match node:
                case FieldNode():
                    key = node.alias.value if node.alias else node.name.value
                    collected.setdefault(key, []).append(node)
                case InlineFragmentNode(type_condition=condition):
                    if condition is None or self._concerns(condition.name.value, type_):
                        self._collect(node.selection_set, type_, collected, spread)
                case FragmentSpreadNode() if node.name.value not in spread:
                    spread.add(node.name.value)
                    fragment = self._fragments[node.name.value]
                    if self._concerns(fragment.type_condition.name.value, type_):
                        self._collect(fragment.selection_set, type_, collected, spread)

    def _concerns(self, condition: str, type_: GraphQLObjectType) -> bool:
        named = self._schema.core.type_map[condition]
        if isinstance(named, GraphQLInterfaceType):
            return self._schema.core.is_sub_type(named, type_)
        return named is type_


def _sets(nodes: Sequence[FieldNode]) -> list[SelectionSetNode | None]:
    return [node.selection_set for node in nodes]
