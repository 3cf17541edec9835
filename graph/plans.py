"""The plans of documents, remembered, and what one request's variables make of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLField,
    ListValueNode,
    ObjectValueNode,
    ValueNode,
    VariableNode,
)
from graphql.execution import VariableValues, get_argument_values

from graph.arguments import list_arguments
from graph.documents import Document
from graph.plan import Plan, Planner, Root, Step, Unplannable, Way
from graph.schema import GraphSchema
from graph.selection import Selection
from portico.records.errors import BadArgument, CallerError
from portico.records.references import RecordType
from resolvers.criteria import revealed
from resolvers.pages import ListArguments

CRITERIA_LIMIT = 100
"""Ways of filtering and ordering that are remembered of one plan."""

CHARACTERS = 8
"""Characters of a document that weigh as much as one field of a plan."""

_Judged: TypeAlias = frozenset[tuple[RecordType, frozenset[str]]]
"""Attributes by which records of a type are filtered and ordered."""

Arguments: TypeAlias = ListArguments | CallerError | None
"""A connection's arguments, or what is wrong with them; None for an edge to one record."""


@dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """A plan with one request's arguments, and what they select."""

    plan: Plan
    roots: Mapping[Root, Mapping[str, Any]]
    steps: Mapping[Step, Arguments]
    selection: Selection


@dataclass(frozen=True, slots=True, eq=False)
class _Fixed:
    """The arguments of a plan that no variable has a part in: they are the same for every request."""

    roots: Mapping[Root, Mapping[str, Any]]
    steps: Mapping[Step, Arguments]
    judged: _Judged
    open_roots: tuple[Root, ...]
    """The roots whose arguments depend on variables."""
    open_steps: tuple[Step, ...]
    """The steps whose arguments do."""


@dataclass(slots=True)
class _Remembered:
    plan: Plan
    weight: int
    fixed: _Fixed | None = None
    selections: dict[Hashable, Selection] = field(default_factory=dict)
    kept: bool = True
    """Whether it still weighs anything: a request may hold one that was forgotten meanwhile."""


class Plans:
    """Plans by their document's digest, operation and conditions.

    `capacity`: what they may weigh together. A field that is written weighs 1, and so do `CHARACTERS` of its document,
    which a plan keeps: both take about as much memory.
    """

    def __init__(self, schema: GraphSchema, *, capacity: int = 50_000) -> None:
        self._schema = schema
        self._capacity = capacity
        self._weight = 0
        self._known: OrderedDict[Hashable, _Remembered] = OrderedDict()

    def of(self, document: Document, variables: VariableValues) -> Bound | Way:
        """The operation as it is to be executed, or why it needs graphql-core.

        Raises `BadArgument` for arguments that validation could not judge: null for a variable of a default.
        """
        try:
            return self._bound(self._remembered(document, variables), variables)
        except Unplannable as error:
            return error.way

    def _remembered(self, document: Document, variables: VariableValues) -> _Remembered:
        conditions = tuple(_condition(variables.coerced.get(name)) for name in document.conditions)
        key = (document.digest, document.name, conditions)
        known = self._known.get(key)
        if known is None:
            plan = Planner(self._schema, document.node, variables).plan(document.operation)
            known = self._known[key] = _Remembered(plan, 1 + plan.size + document.characters // CHARACTERS)
            self._weight += known.weight
        self._known.move_to_end(key)
        while self._weight > self._capacity:
            _, forgotten = self._known.popitem(last=False)
            forgotten.kept = False
            self._weight -= forgotten.weight
        return known

    def _bound(self, remembered: _Remembered, variables: VariableValues) -> Bound:
        fixed = remembered.fixed
        if fixed is None:
            fixed = remembered.fixed = _fixed(remembered.plan, variables)
        roots, steps, judged = fixed.roots, fixed.steps, fixed.judged
        if fixed.open_roots:
            roots = {**roots, **_of_roots(fixed.open_roots, variables)}
        if fixed.open_steps:
            given = _of_steps(fixed.open_steps, variables)
            steps, judged = {**steps, **given}, judged | _judged(given)
        return Bound(remembered.plan, roots, steps, self._selection(remembered, judged))

    def _selection(self, remembered: _Remembered, judged: _Judged) -> Selection:
        """What the plan selects, and what its arguments judge; each way of judging weighs what it selects."""
        selection = remembered.selections.get(judged)
        if selection is None:
            selection = _selected(remembered.plan, judged)
            if len(remembered.selections) >= CRITERIA_LIMIT:
                self._weigh(remembered, -sum(one.size for one in remembered.selections.values()))
                remembered.selections.clear()
            self._weigh(remembered, selection.size)
            remembered.selections[judged] = selection
        return selection

    def _weigh(self, remembered: _Remembered, more: int) -> None:
        remembered.weight += more
        if remembered.kept:
            self._weight += more


def _condition(value: object) -> bool | None:
    """True, false or neither: what is neither must not find the plan of false."""
    return value if isinstance(value, bool) else None


def _fixed(plan: Plan, variables: VariableValues) -> _Fixed:
    roots = [root for root in plan.roots if isinstance(root, Root)]
    steps = [step for objects in plan.objects for step in objects.steps]
    told = _of_steps([step for step in steps if not _varies(step.node)], variables)
    return _Fixed(
        roots=_of_roots([root for root in roots if not _varies(root.node)], variables),
        steps=told,
        judged=_judged(told),
        open_roots=tuple(root for root in roots if _varies(root.node)),
        open_steps=tuple(step for step in steps if _varies(step.node)),
    )


def _of_roots(roots: Sequence[Root], variables: VariableValues) -> dict[Root, Mapping[str, Any]]:
    return {root: _values(root.definition, root.node, variables) for root in roots}


def _of_steps(steps: Sequence[Step], variables: VariableValues) -> dict[Step, Arguments]:
    return {step: _arguments(step, variables) for step in steps}


def _judged(steps: Mapping[Step, Arguments]) -> _Judged:
    return frozenset(
        (step.edge.target, revealed(step.edge.target, arguments.conditions, arguments.ordering))
        for step, arguments in steps.items()
        if isinstance(arguments, ListArguments)
    )


def _varies(node: FieldNode) -> bool:
    """Whether a variable has a part in the arguments of a field."""
    return any(_has_variable(argument.value) for argument in node.arguments or ())


def _has_variable(value: ValueNode) -> bool:
    match value:
        case VariableNode():
            return True
        case ListValueNode():
            return any(map(_has_variable, value.values))
        case ObjectValueNode():
            return any(_has_variable(member.value) for member in value.fields)
        case _:
            return False


def _values(definition: GraphQLField, node: FieldNode, variables: VariableValues) -> Mapping[str, Any]:
    try:
        return get_argument_values(definition, node, variables)
    except GraphQLError:
        raise BadArgument(f"An argument of {node.name.value} does not have a value of its type.") from None


def _arguments(step: Step, variables: VariableValues) -> Arguments:
    values = _values(step.definition, step.node, variables)
    if not step.edge.many:
        return None
    try:
        return list_arguments(values)
    except BadArgument as error:
        return BadArgument(error.message)  # without its frames, which know this request: a plan may keep it


def _selected(plan: Plan, judged: _Judged) -> Selection:
    criteria: dict[str, set[str]] = {}
    for target, attributes in judged:
        criteria.setdefault(target.value, set()).update(attributes)
    return Selection(dict(plan.fields), criteria)
