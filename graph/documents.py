"""From a request's text to an operation that may be executed: parsed, measured, validated, and remembered.

Documents are remembered by their text, as many as fit a bounded number of characters; how many records one could
hold depends on its variables and is counted each time.
"""

from __future__ import annotations

import hashlib
import re
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    ValueNode,
    VariableNode,
    Visitor,
    parse,
    validate,
    visit,
)
from graphql.execution import VariableValues, get_variable_values

from graph.cost import Budgets, Meter
from graph.errors import (
    OPERATION_FAILED,
    PARSE_FAILED,
    VALIDATION_FAILED,
    DocumentRefused,
    Rendered,
    render,
    rendered,
)
from portico.records.errors import MethodRefused
from portico.records.exchange import GraphQLRequest

ERRORS_LIMIT = 5
"""Errors that one refused document is told."""

SIZES_LIMIT = 100
"""Combinations of sizes that are remembered of one document."""

_SUGGESTION = " Did you mean "
_FOUND = ", found: "
"""What follows repeats a value."""
_LITERAL = re.compile(r"\b(BlockString|String|Int|Float) '.*'", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and the operation of it that was asked for. `digest` is the SHA-256 of its text."""

    node: DocumentNode
    operation: OperationDefinitionNode
    digest: str
    conditions: tuple[str, ...] = ()
    """The variables on which `@skip` and `@include` anywhere in it depend."""
    characters: int = 0
    """How long its text is."""

    @property
    def name(self) -> str | None:
        """The operation's name, if it has one."""
        return self.operation.name.value if self.operation.name else None


@dataclass(frozen=True, slots=True)
class _Judged:
    node: DocumentNode
    characters: int
    errors: tuple[Rendered, ...]
    conditions: tuple[str, ...]
    sizing: tuple[str, ...]
    """The variables on which the number of records depends."""
    affordable: set[Hashable] = field(default_factory=set)
    """What those variables may come to, as far as was counted: sizes by operation."""

    def sizes(self, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> Hashable:
        """All that the number of records of an operation depends on.

        Another operation's variable of the same name may be anything; what is no size is not kept.
        """
        name = operation.name.value if operation.name else None
        return (name, *(_size(variables.get(variable)) for variable in self.sizing))


class Documents:
    """Prepares documents against one schema. `capacity`: characters of the documents that it remembers."""

    def __init__(self, schema: GraphQLSchema, budgets: Budgets, *, capacity: int = 400_000) -> None:
        self._schema = schema
        self._budgets = budgets
        self._capacity = capacity
        self._remembered = 0
        self._known: OrderedDict[str, _Judged] = OrderedDict()

    def prepare(self, request: GraphQLRequest) -> tuple[Document, VariableValues]:
        """The document and its coerced variables. Raises `DocumentRefused` for one that can't be executed.

        Raises `MethodRefused` for a read-only request that asks for more than a query, valid or not.
        """
        document, judged = self._read(request)
        variables = self._variables(document.operation, request)
        self._count(judged, document.operation, variables.coerced)
        return document, variables

    def read(self, request: GraphQLRequest) -> Document:
        """The document without a look at any variable. Raises `DocumentRefused` for one that is not valid."""
        return self._read(request)[0]

    def _read(self, request: GraphQLRequest) -> tuple[Document, _Judged]:
        digest = hashlib.sha256(request.query.encode()).hexdigest()
        known = self._known.get(digest)
        node = known.node if known else self._parse(request.query)
        operation = _operation(node, request)
        judged = known or self._judge(node, len(request.query))
        self._remember(digest, judged)
        if judged.errors:
            raise DocumentRefused(judged.errors)
        return Document(node, operation, digest, judged.conditions, judged.characters), judged

    def _count(self, judged: _Judged, operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> None:
        """Refuse an operation whose lists could hold too many records; equal sizes are counted once."""
        sizes = judged.sizes(operation, variables)
        if sizes not in judged.affordable:
            Meter(judged.node, self._budgets, variables).check(operation)
            if len(judged.affordable) >= SIZES_LIMIT:
                judged.affordable.clear()
            judged.affordable.add(sizes)

    def _parse(self, text: str) -> DocumentNode:
        try:
            return parse(text, max_tokens=self._budgets.tokens, allow_empty_selection_sets=False)
        except GraphQLSyntaxError as error:
            raise DocumentRefused([_without_literals(error)]) from None
        except RecursionError:
            raise DocumentRefused([render(PARSE_FAILED, "The document is nested too deeply.")]) from None

    def _judge(self, node: DocumentNode, characters: int) -> _Judged:
        """Measure every operation before validation sees the document, then validate it once."""
        meter = Meter(node, self._budgets)
        for definition in node.definitions:
            if isinstance(definition, OperationDefinitionNode):
                meter.check(definition)
        errors = validate(
            self._schema, node, max_errors=ERRORS_LIMIT, hide_suggestions=True, allow_empty_selection_sets=False
        )
        return _Judged(
            node,
            characters,
            tuple(_without_value(error) for error in errors),
            _conditions(node),
            tuple(sorted(meter.sizing)),
        )

    def _remember(self, digest: str, judged: _Judged) -> None:
        if digest not in self._known:
            self._known[digest] = judged
            self._remembered += judged.characters
        self._known.move_to_end(digest)
        while self._remembered > self._capacity:
            _, forgotten = self._known.popitem(last=False)
            self._remembered -= forgotten.characters

    def _variables(self, operation: OperationDefinitionNode, request: GraphQLRequest) -> VariableValues:
        coerced = get_variable_values(
            self._schema,
            operation.variable_definitions or (),
            dict(request.variables),
            max_errors=ERRORS_LIMIT,
            hide_suggestions=True,
        )
        if isinstance(coerced, list):
            raise DocumentRefused([_of_variable(error) for error in coerced])
        return coerced


def _size(value: object) -> Hashable:
    if isinstance(value, list | tuple):
        return (len(value),)
    return value if isinstance(value, int) else None


def _conditions(node: DocumentNode) -> tuple[str, ...]:
    """The variables that directives of the document are given, sorted."""
    names: set[str] = set()

    class Conditions(Visitor):
        def enter_directive(self, directive: DirectiveNode, *_: object) -> None:
            values = (argument.value for argument in directive.arguments or ())
            names.update(value.name.value for value in values if isinstance(value, VariableNode))

    visit(node, Conditions())
    return tuple(sorted(names))


def _operation(node: DocumentNode, request: GraphQLRequest) -> OperationDefinitionNode:
    name = request.operation_name
    operations = [definition for definition in node.definitions if isinstance(definition, OperationDefinitionNode)]
    if name is None and len(operations) > 1:
        raise DocumentRefused([render(OPERATION_FAILED, "operationName is required: there are several operations.")])
    chosen = [one for one in operations if name is None or (one.name and one.name.value == name)]
    if not chosen:
        raise DocumentRefused([render(OPERATION_FAILED, "The document has no operation of this name.")])
    if request.read_only and any(one.operation is not OperationType.QUERY for one in chosen):
        raise MethodRefused
    if any(one.operation is OperationType.SUBSCRIPTION for one in chosen):
        raise DocumentRefused([render(OPERATION_FAILED, "Only queries and mutations can be executed here.")])
    return chosen[0]


def _without_literals(error: GraphQLSyntaxError) -> Rendered:
    """A syntax error, of which graphql-core's message would repeat a string or a number that it met."""
    return {**rendered(PARSE_FAILED, error), "message": _LITERAL.sub(r"\1", error.message)}


def _without_value(error: GraphQLError) -> Rendered:
    """A validation error; one about a value (a scalar's own has no node) would repeat it in graphql-core's words.

    Some rules of graphql-core suggest something even where it is told not to.
    """
    described = rendered(VALIDATION_FAILED, error)
    described["message"] = error.message.partition(_SUGGESTION)[0].partition(_FOUND)[0]
    if not error.nodes or isinstance(error.nodes[0], ValueNode):
        described["message"] = "A value is not of the type that is needed here."
    return described


def _of_variable(error: GraphQLError) -> Rendered:
    """A coercion error, of which graphql-core's message would repeat the value."""
    variable = error.message.split("'")[1] if "'" in error.message else "A variable"
    return render(VALIDATION_FAILED, f"{variable} does not have a value of its type.")
