"""From a request's text to an operation that may be executed: parsed, measured, validated, and remembered.

Documents are remembered by their text in a bounded cache; one that needs variables is measured again for each set.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    parse,
    validate,
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
from portico.records.exchange import GraphQLRequest

ERRORS_LIMIT = 5
"""Errors that one refused document is told."""


@dataclass(frozen=True, slots=True)
class Document:
    """A valid document and the operation of it that was asked for. `digest` is the SHA-256 of its text."""

    node: DocumentNode
    operation: OperationDefinitionNode
    digest: str

    @property
    def name(self) -> str | None:
        """The operation's name, if it has one."""
        return self.operation.name.value if self.operation.name else None


@dataclass(frozen=True, slots=True)
class _Parsed:
    node: DocumentNode
    digest: str
    errors: tuple[Rendered, ...]


class Documents:
    """Prepares documents against one schema."""

    def __init__(self, schema: GraphQLSchema, budgets: Budgets, *, capacity: int = 1_000) -> None:
        self._schema = schema
        self._budgets = budgets
        self._capacity = capacity
        self._known: OrderedDict[str, _Parsed] = OrderedDict()

    def prepare(self, request: GraphQLRequest) -> tuple[Document, VariableValues]:
        """The document and its coerced variables. Raises `DocumentRefused` for one that can't be executed."""
        digest = hashlib.sha256(request.query.encode()).hexdigest()
        parsed = self._known.get(digest)
        if parsed is None:
            parsed = self._parse(request, digest)
            self._known[digest] = parsed
            if len(self._known) > self._capacity:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(digest)
        if parsed.errors:
            raise DocumentRefused(parsed.errors)
        operation = _operation(parsed.node, request.operation_name)
        if operation.variable_definitions:
            self._measure(parsed.node, operation, request)
        return Document(parsed.node, operation, digest), self._variables(operation, request)

    def _parse(self, request: GraphQLRequest, digest: str) -> _Parsed:
        """Measure every operation before validation sees the document, then validate it once."""
        try:
            node = parse(request.query, max_tokens=self._budgets.tokens, allow_empty_selection_sets=False)
        except GraphQLSyntaxError as error:
            raise DocumentRefused([rendered(PARSE_FAILED, error)]) from None
        except RecursionError:
            raise DocumentRefused([render(PARSE_FAILED, "The document is nested too deeply.")]) from None
        for definition in node.definitions:
            if isinstance(definition, OperationDefinitionNode):
                self._measure(node, definition, request)
        errors = validate(
            self._schema, node, max_errors=ERRORS_LIMIT, hide_suggestions=True, allow_empty_selection_sets=False
        )
        return _Parsed(node, digest, tuple(rendered(VALIDATION_FAILED, error) for error in errors))

    def _measure(self, node: DocumentNode, operation: OperationDefinitionNode, request: GraphQLRequest) -> None:
        Meter(node, request.variables, self._budgets).check(operation)

    def _variables(self, operation: OperationDefinitionNode, request: GraphQLRequest) -> VariableValues:
        coerced = get_variable_values(
            self._schema,
            operation.variable_definitions or (),
            dict(request.variables),
            max_errors=ERRORS_LIMIT,
            hide_suggestions=True,
        )
        if isinstance(coerced, list):
            raise DocumentRefused([_without_values(error) for error in coerced])
        return coerced


def _operation(node: DocumentNode, name: str | None) -> OperationDefinitionNode:
    operations = [definition for definition in node.definitions if isinstance(definition, OperationDefinitionNode)]
    if name is None and len(operations) > 1:
        raise DocumentRefused([render(OPERATION_FAILED, "operationName is required: there are several operations.")])
    chosen = [one for one in operations if name is None or (one.name and one.name.value == name)]
    if not chosen:
        raise DocumentRefused([render(OPERATION_FAILED, "The document has no operation of this name.")])
    if chosen[0].operation is not OperationType.QUERY:
        raise DocumentRefused([render(OPERATION_FAILED, "Only queries can be executed here.")])
    return chosen[0]


def _without_values(error: GraphQLError) -> Rendered:
    """A coercion error, of which graphql-core's message would repeat the value."""
    variable = error.message.split("'")[1] if "'" in error.message else "A variable"
    return render(VALIDATION_FAILED, f"{variable} does not have a value of its type.")
