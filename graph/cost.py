"""What a document could cost, in one linear pass before anything else looks at it.

Fragments are measured once and counted each time they are spread, so that a short document can't hide a large one.
Names need not exist for this: validation comes afterwards, on documents that are known to be small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    ListValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
)

from graph.errors import COST_EXCEEDED, DocumentRefused, render
from resolvers.pages import DEFAULT_PAGE, PAGE_LIMIT


@dataclass(frozen=True, slots=True, kw_only=True)
class Budgets:
    """How large a document may be; fragments count as often as they are spread."""

    tokens: int = 2_000
    depth: int = 15
    """Fields inside fields."""
    aliases: int = 20
    roots: int = 10
    """Fields of the query root."""
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

    def beside(self, other: Cost) -> Cost:
        """Both of two selections."""
        return Cost(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.selections + other.selections,
            self.roots + other.roots,
            self.nodes + other.nodes,
        )


class Meter:
    """Measures one document for one set of variables."""

    def __init__(self, document: DocumentNode, variables: Mapping[str, Any], budgets: Budgets) -> None:
        self._fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self._variables = variables
        self._budgets = budgets
        self._measured: dict[str, Cost] = {}
        self._open: set[str] = set()

    def check(self, operation: OperationDefinitionNode) -> None:
        """Refuse an operation over a budget, or with a fragment that contains itself."""
        cost = self._of(operation.selection_set)
        for name in self._fragments:
            self._fragment(name)
        for what, limit in (
            ("depth", self._budgets.depth),
            ("aliases", self._budgets.aliases),
            ("roots", self._budgets.roots),
            ("selections", self._budgets.selections),
            ("nodes", self._budgets.nodes),
        ):
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
        rows = self._rows(node)
        return Cost(
            depth=inner.depth + 1,
            aliases=inner.aliases + (node.alias is not None),
            selections=inner.selections + 1,
            roots=1,
            nodes=rows * (1 + inner.nodes) if rows is not None else inner.nodes,
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

    def _rows(self, node: FieldNode) -> int | None:
        """How many records a field could hold; None for one that is no list of records."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        if "ids" in given:
            value = self._literal(given["ids"])
            return len(value) if isinstance(value, list) else 1
        value = self._literal(given["first"]) if "first" in given else None
        if isinstance(value, int):
            # An out-of-range size is refused later, by name; here it must only not lower the count.
            return min(max(value, 0), PAGE_LIMIT)
        pages = node.selection_set is not None and any(
            isinstance(child, FieldNode) and child.name.value == "edges" for child in node.selection_set.selections
        )
        return DEFAULT_PAGE if pages or "first" in given else None

    def _literal(self, value: Any) -> Any:
        match value:
            case VariableNode():
                return self._variables.get(value.name.value)
            case IntValueNode():
                return int(value.value) if len(value.value) < 10 else PAGE_LIMIT  # noqa: PLR2004  beyond any int32
            case ListValueNode():
                return list(value.values)
        return None


def _spread(cost: Cost) -> Cost:
    return Cost(cost.depth, cost.aliases, cost.selections + 1, cost.roots, cost.nodes)
