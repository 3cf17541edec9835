"""A question, completed: the same selections, with what it takes to tell which record each object is of.

Lists are asked for whole, so that pages can be cut from what may be seen. Fragments are written out where they are
spread. The added fields have names of their own (`REF`, `ROWS`), so nothing of the question's own answer changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    visit,
)

from portico.records.references import RecordType

REF: Final = "ref__"
TYPE: Final = "type__"
ROWS: Final = "rows__"
WHOLE: Final = 100
"""Rows of a list that are asked for; no list of these worlds has so many."""

_RECORDS: Final = frozenset(type_.value for type_ in RecordType) | {"Node"}
_REFS: Final = {
    "CareTeamMember": f"{REF}: provenance {{ sourceId }}",
    "Access": f"{REF}: at",
    "Viewer": "",
    "Source": "",
}
"""What tells records without an id apart."""


class _Named(Visitor):
    """The variables that are named."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_variable(self, node: VariableNode, *_: Any) -> None:
        self.names.add(node.name.value)


@dataclass(slots=True)
class Question:
    """One operation as it was asked, and as its reference is asked it."""

    schema: GraphQLSchema
    document: DocumentNode
    variables: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, schema: GraphQLSchema, query: str, variables: Mapping[str, Any]) -> Question:
        """A question by its text."""
        return cls(schema, parse(query), variables)

    @property
    def operation(self) -> OperationDefinitionNode:
        """The only operation."""
        (found,) = (one for one in self.document.definitions if isinstance(one, OperationDefinitionNode))
        return found

    @property
    def fragments(self) -> Mapping[str, FragmentDefinitionNode]:
        """By name."""
        found = (one for one in self.document.definitions if isinstance(one, FragmentDefinitionNode))
        return {one.name.value: one for one in found}

    def completed(self) -> tuple[str, dict[str, Any]]:
        """The completed text and the variables that it still takes."""
        query = self.schema.query_type
        assert query is not None
        body = self._selections(self.operation.selection_set, query)
        declared = [
            print_ast(one) for one in self.operation.variable_definitions or () if one.variable.name.value in self.used
        ]
        given = {name: value for name, value in self.variables.items() if name in self.used}
        return f"query {f'({chr(44).join(declared)})' if declared else ''} {{ {body} }}", given

    def _selections(self, node: SelectionSetNode, type_: GraphQLNamedType) -> str:
        parts = [*self._parts(node, type_)]
        if type_.name in _RECORDS:
            parts += [f"{TYPE}: __typename", _REFS.get(type_.name, f"{REF}: id")]
        return " ".join(parts)

    def _parts(self, node: SelectionSetNode, type_: GraphQLNamedType) -> Iterator[str]:
        for one in node.selections:
            conditions = " ".join(self._printed(each) for each in one.directives or ())
            match one:
                case FieldNode():
                    yield self._field(one, type_, conditions)
                case InlineFragmentNode(type_condition=condition):
                    on = type_ if condition is None else self.schema.type_map[condition.name.value]
                    yield f"... on {on.name} {conditions} {{ {self._selections(one.selection_set, on)} }}"
                case FragmentSpreadNode():
                    fragment = self.fragments[one.name.value]
                    on = self.schema.type_map[fragment.type_condition.name.value]
                    yield f"... on {on.name} {conditions} {{ {self._selections(fragment.selection_set, on)} }}"

    def _field(self, node: FieldNode, type_: GraphQLNamedType, conditions: str) -> str:
        name = node.name.value
        key = f"{node.alias.value}: " if node.alias else ""
        if name.startswith("__"):
            return f"{key}{name} {conditions}"
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        below = get_named_type(type_.fields[name].type)
        listed = below.name.endswith("Connection")
        given = [
            f"{one.name.value}: {self._printed(one.value)}"
            for one in node.arguments or ()
            if not (listed and one.name.value in ("first", "after"))
        ]
        given += [f"first: {WHOLE}"] if listed else []
        arguments = f"({', '.join(given)})" if given else ""
        if node.selection_set is None:
            return f"{key}{name}{arguments} {conditions}"
        inner = self._selections(node.selection_set, below)
        if listed:
            record = below.name.removesuffix("Connection")
            inner += f" {ROWS}: edges {{ node {{ {TYPE}: __typename {_REFS.get(record, f'{REF}: id')} }} }}"
        return f"{key}{name}{arguments} {conditions} {{ {inner} }}"

    def _printed(self, node: Any) -> str:
        named = _Named()
        visit(node, named)
        self.used |= named.names
        return print_ast(node)
