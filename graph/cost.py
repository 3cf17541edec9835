"""What a document could cost, in one linear pass before anything else looks at it.

Fragments are measured once and counted each time they are spread, so that a short document can't hide a large one.
Names need not exist for this: validation comes afterwards, on documents that are known to be small. How many records
the lists could hold depends on variables, so that is counted once those are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)

from graph.errors import COST_EXCEEDED, DocumentRefused, render
from resolvers.pages import DEFAULT_PAGE, PAGE_LIMIT

INT_DIGITS = 10
"""Digits of GraphQL's largest Int; a longer number is none, and is not worth making one of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How large a document may be; fragments count as often as they are spread."""

    tokens: int = 2_000
    depth: int = 15
    """Fields inside fields."""
    aliases: int = 20
    roots: int = 10
    """Fields of the query root."""
    commands: int = 1
    """Fields of the mutation root."""
    selections: int = 500
    """Fields and fragments selected."""
    nodes: int = 10_000
    """Records that the lists could hold at their asked-for sizes."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a selection comes to."""

    depth: int = 0
    aliases: int = 0
    selections: int = 0
    roots: int = 0
    nodes: int = 0
    """Records, besides those of the list that this is a selection of."""
    per_row: int = 0
    """Records for each row of the list that this is a selection of; 0 where no rows are selected."""

    @property
    def commands(self) -> int:
        """Commands, where this is what a mutation selects."""
        return self.roots

    def beside(self, other: Cost) -> Cost:
        """Both of two selections."""
        return Cost(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.selections + other.selections,
            self.roots + other.roots,
            self.nodes + other.nodes,
            self.per_row + other.per_row,
        )


class Meter:
    """Measures one document for one set of coerced variables; without them, everything but its records."""

    def __init__(self, document: DocumentNode, budgets: Budgets, variables: Mapping[str, Any] | None = None) -> None:
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._variables = variables
        self._budgets = budgets
        self.sizing: set[str] = set()
        """The variables on which the number of records depends, as far as was measured."""
        self._measured: dict[str, Cost] = {}
        self._open: set[str] = set()

    def check(self, operation: OperationDefinitionNode) -> None:
        """Refuse an operation over a budget, and any fragment, used or not, that is over one or contains itself."""
        anywhere = ("depth", "aliases", "selections")
        once_known = () if self._variables is None else ("nodes",)
        cost = self._of(operation.selection_set)
        self._refuse_over(cost, *anywhere, "roots", *once_known)
        if operation.operation is OperationType.MUTATION:
            self._refuse_over(cost, "commands")
        for name in self._fragments:
            self._refuse_over(self._fragment(name), *anywhere)

    def _refuse_over(self, cost: Cost, *measures: str) -> None:
        for what in measures:
            limit = getattr(self._budgets, what)
            if getattr(cost, what) > limit:
                message = f"The operation's {what} exceed the budget of {limit}."
                raise DocumentRefused([render(COST_EXCEEDED, message, budget=what, limit=limit)])

    def _of(self, selections: SelectionSetNode | None) -> Cost:
        total = Cost()
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                total = total.beside(self._field(node))
            elif isinstance(node, InlineFragmentNode):
                total = total.beside(_spread(self._of(node.selection_set)))
            elif isinstance(node, FragmentSpreadNode):
                total = total.beside(_spread(self._fragment(node.name.value)))
        return total

    def _field(self, node: FieldNode) -> Cost:
        inner = self._of(node.selection_set)
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        rows = node.name.value == "edges"
        nodes = inner.nodes + self._size(given) * inner.per_row
        if "ids" in given:
            nodes = self._count(given["ids"]) * (1 + nodes)
        return Cost(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            selections=inner.selections + 1,
            roots=1,
            nodes=0 if rows else nodes,
            per_row=1 + nodes if rows else 0,
        )

    def _fragment(self, name: str) -> Cost:
        measured = self._measured.get(name)
        if measured is not None:
            return measured
        if name in self._open:
            raise DocumentRefused([render(COST_EXCEEDED, "A fragment must not contain itself.", budget="depth")])
        definition = self._fragments.get(name)
        if definition is None:
            return Cost()
        self._open.add(name)
        measured = self._measured[name] = self._of(definition.selection_set)
        self._open.discard(name)
        return measured

    def _size(self, given: Mapping[str, ValueNode]) -> int:
        """How many rows a list could hold: `first` of them; a size out of range is refused later, by name."""
        first = given.get("first")
        size: object = None
        if isinstance(first, VariableNode):
            size = self._value(first)
        elif isinstance(first, IntValueNode):
            size = int(first.value) if len(first.value) <= INT_DIGITS else PAGE_LIMIT
        return min(max(size, 0), PAGE_LIMIT) if isinstance(size, int) else DEFAULT_PAGE

    def _count(self, ids: ValueNode) -> int:
        """How many records are asked for by id; a single id stands for a list of one."""
        values = self._value(ids) if isinstance(ids, VariableNode) else getattr(ids, "values", None)
        return len(values) if isinstance(values, list | tuple) else 1

    def _value(self, variable: VariableNode) -> object:
        self.sizing.add(variable.name.value)
        return (self._variables or {}).get(variable.name.value)


def _spread(cost: Cost) -> Cost:
    return replace(cost, selections=cost.selections + 1)
