"""Random operations: shapes from `hypothesis-graphql`, dressed with real arguments, aliases, fragments and directives.

A shape is a valid selection of the schema without its arguments. Dressing gives every list and root its arguments as
variables, so that one document asks many questions; which values they get is another module's matter.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, TypeAlias

from graphql import (
    REMOVE,
    DocumentNode,
    FieldDefinitionNode,
    FieldNode,
    GraphQLArgument,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Visitor,
    build_ast_schema,
    get_named_type,
    is_required_argument,
    parse,
    print_schema,
    visit,
)
from hypothesis import strategies as st
from hypothesis_graphql import queries

from portico.records.references import RecordType
from tests.spec.served_world import SchemaText

MEASURED: Final = "latencyMilliseconds"
"""The one field that tells how long something took: no question asks for it."""

WEIGHTS: Final = {"patients": 6, "patient": 5, "appointments": 3, "claims": 3, "node": 3, "nodes": 3, "accesses": 2}
"""How often a root is asked for; those that aren't named here, once."""

PAGED: Final = ("patients", "appointments", "claims", "slots", "practitioners", "emergencyAccesses")
"""Roots whose lists are gone through page by page."""

_ALIASES_LIMIT: Final = 12
_BITS: Final = 2**12 - 1
_TEXT_NAMES: Final = frozenset({"Organization", "Location", "Source"})
"""Types whose `name` is a text: beside a person's, it needs another name."""


Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]

SHRINKS: Final = os.environ.get("CI") != "true"
"""Whether what is found is made as small as can be: that takes minutes, which whoever looks into it has."""
"""Hypothesis's, in a strategy or in a test."""


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable: the argument that it is for, of which field, and that argument's type."""

    name: str
    argument: str
    type: Any
    of: str = ""

    @property
    def declared(self) -> str:
        """As an operation declares it."""
        return f"${self.name}: {self.type}"


@dataclass(frozen=True, slots=True)
class Operation:
    """A document, and the variables that it takes."""

    query: str
    variables: Sequence[Variable]


@dataclass(slots=True)
class _Dress:
    """One document while it is being dressed."""

    draw: Draw
    text: SchemaText
    variables: list[Variable] = field(default_factory=list)
    fragments: dict[str, str] = field(default_factory=dict)
    aliases: int = 0

    def selections(self, node: SelectionSetNode, type_: GraphQLNamedType) -> str:
        """The selections of a shape, dressed; of a record everything else besides, now and then."""
        dressed: list[str] = []
        for one in node.selections:
            if isinstance(one, FieldNode):
                dressed.append(self.field(one, type_))
            elif isinstance(one, InlineFragmentNode) and one.type_condition is not None:
                on = one.type_condition.name.value
                dressed.append(f"... on {on} {{ {self.selections(one.selection_set, self._type(on))} }}")
        record = type_.name.removesuffix("Connection")
        if record in RecordType.__members__.values() and self.draw(st.booleans()):
            self.fragments[record] = whole(self.text, record)
            everything = f"...{record}Whole"
            dressed.append(everything if record == type_.name else f"edges {{ cursor node {{ {everything} }} }}")
        return " ".join(dressed)

    def field(self, node: FieldNode, type_: GraphQLNamedType, key: str = "") -> str:
        """A field, dressed; `key` is its name in the answer, where that is settled."""
        name = node.name.value if node.name.value != MEASURED else "name"
        if name.startswith("__"):
            return name
        assert isinstance(type_, GraphQLObjectType | GraphQLInterfaceType)
        definition, bits = type_.fields[name], self.draw(st.integers(0, _BITS))
        given = [(named, of) for named, of in definition.args.items() if _is_given(named, of, bits >> 6)]
        arguments = ", ".join(f"{argument}: ${self._variable(argument, of.type, name)}" for argument, of in given)
        key = key or (node.alias.value if node.alias else self._alias(bits)) or _other_key(type_.name, name)
        inner = self.selections(node.selection_set, get_named_type(definition.type)) if node.selection_set else ""
        dressed = f"{key}{': ' if key else ''}{name}{f'({arguments})' if given else ''}"
        skipped = " @skip(if: false)" if bits >> 3 & 7 == 7 else ""
        return self._wrapped(f"{dressed}{skipped}{f' {{ {inner} }}' if inner else ''}", type_.name, bits >> 3 & 7)

    def _wrapped(self, dressed: str, type_: str, choice: int) -> str:
        match choice:
            case 5:
                return f"... on {type_} {{ {dressed} }}"
            case 6:
                return f"... @include(if: ${self._variable('if', 'Boolean!')}) {{ {dressed} }}"
        return dressed

    def _alias(self, bits: int) -> str:
        if bits & 7 != 7 or self.aliases >= _ALIASES_LIMIT:
            return ""
        self.aliases += 1
        return f"a{self.aliases}"

    def _variable(self, argument: str, type_: Any, of: str = "") -> str:
        self.variables.append(Variable(f"v{len(self.variables)}", argument, type_, of))
        return self.variables[-1].name

    def _type(self, name: str) -> GraphQLNamedType:
        return self.text.schema.type_map[name]


def _other_key(type_: str, name: str) -> str:
    """Another name for a field that is of another type elsewhere."""
    return "title" if name == "name" and type_ in _TEXT_NAMES else ""


def _is_given(name: str, argument: GraphQLArgument, bits: int) -> bool:
    """Whether an argument is given; left out, it has its default. Sizes mostly are, so that answers stay small."""
    if is_required_argument(argument):
        return True
    if name == "first":
        return bits & 7 != 0
    if name == "filter":
        return bits >> 1 & 3 == 3
    return bool(bits >> (3 if name == "after" else 4) & 1)


@cache
def whole(text: SchemaText, type_: str) -> str:
    """A fragment with every value of a record, but what is measured. What differs by type has a name for each."""
    named = {"status": f"{type_}Status: status"}
    named |= {"name": "title: name"} if type_ in _TEXT_NAMES else {}
    parts = [f"{named.get(name, name)} {text._below(type_, name)}" for name in text.values(type_) if name != MEASURED]
    id_ = ["id"] if "id" in text.fields(type_) else []
    return f"fragment {type_}Whole on {type_} {{ {' '.join(['__typename', *id_, *parts])} }}"


@cache
def shapes(text: SchemaText) -> dict[str, st.SearchStrategy[DocumentNode]]:
    """Valid selections without arguments, by the root that they start at."""
    schema = _without_arguments(text.schema)
    assert schema.query_type is not None
    return {root: queries(schema, fields=[root], print_ast=_as_it_is) for root in schema.query_type.fields}


def _as_it_is(document: DocumentNode) -> DocumentNode:
    return document


class _Bare(Visitor):
    """Takes the arguments off all fields."""

    def enter_input_value_definition(self, _: Any, __: Any, ___: Any, ____: Any, ancestors: Any) -> Any:
        return REMOVE if ancestors and isinstance(ancestors[-1], FieldDefinitionNode) else None


def _without_arguments(schema: GraphQLSchema) -> GraphQLSchema:
    return build_ast_schema(visit(parse(print_schema(schema)), _Bare()), assume_valid=True)


@st.composite
def operations(draw: st.DrawFn, text: SchemaText) -> Operation:
    """An operation with one root, or two."""
    dress, query = _Dress(draw, text), text.schema.query_type
    assert query is not None
    roots = st.sampled_from([root for root in query.fields for _ in range(WEIGHTS.get(root, 1))])
    selections: list[str] = []
    for number, root in enumerate(draw(st.lists(roots, min_size=1, max_size=2))):
        (definition,) = draw(shapes(text)[root]).definitions
        assert isinstance(definition, OperationDefinitionNode)
        (entrance,) = definition.selection_set.selections
        assert isinstance(entrance, FieldNode)
        selections.append(dress.field(entrance, query, f"r{number}"))
    declared = f"({', '.join(one.declared for one in dress.variables)})" if dress.variables else ""
    body = f"query {declared} {{ {' '.join(selections)} }}"
    return Operation(" ".join((body, *dress.fragments.values())), tuple(dress.variables))


def page_through(text: SchemaText, root: str) -> Operation:
    """The operation that reads a root list page by page, everything of every row."""
    query = text.schema.query_type
    assert query is not None
    arguments = query.fields[root].args
    variables = [Variable(f"v{number}", name, of.type, root) for number, (name, of) in enumerate(arguments.items())]
    type_ = get_named_type(query.fields[root].type).name.removesuffix("Connection")
    given = ", ".join(f"{one.argument}: ${one.name}" for one in variables)
    declared = ", ".join(one.declared for one in variables)
    rows = f"edges {{ cursor node {{ ...{type_}Whole }} }}"
    info = "pageInfo { hasNextPage hasPreviousPage startCursor endCursor }"
    body = f"query ({declared}) {{ {root}({given}) {{ {rows} {info} }} }}"
    return Operation(f"{body} {whole(text, type_)}", tuple(variables))
