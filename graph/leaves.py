"""graphql-core's executor with a short way for leaves and for parts made of leaves, which are most of any answer.

For each field, graphql-core builds an info object, looks for arguments and awaitables, and walks through every kind of
type. A leaf whose reader only looks needs none of that, and a part (a name, an amount of money) none of it for any of
its leaves. Everything else takes graphql-core's own way, and so does whatever fails here: what is wrong with a value
is for graphql-core to say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLField,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from graph.reading import LOOK, PART
from graph.reading import Look as Looking

Projection = Callable[[Any], Any]


class LeafExecutor(Executor[Any]):
    """Gives `graphql.execute` the same answers in less time."""

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        """A leaf that is only looked at, at once; any other field as graphql-core does it."""
        field = parent_type.fields.get(field_details_list[0].node.name.value)
        look: Looking | None = None if field is None else field.extensions.get(LOOK)
        if field is None or look is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        required = is_non_null_type(field.type)
        type_ = field.type.of_type if required else field.type
        if not is_leaf_type(type_):
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        try:
            value = look(source, self.context_value, path)
            return None if value is None and not required else self.complete_leaf_value(type_, value)
        except Exception as error:  # noqa: BLE001  whatever it is, it is this field's, as graphql-core has it
            self.handle_field_error(error, field.type, field_details_list, path)
            return None

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        """A part of which only leaves are selected, at once; any other object as graphql-core does it."""
        if return_type.extensions.get(PART):
            try:
                projections = self._projections(return_type, field_details_list)
                if projections is not None:
                    return {name: project(result) for name, project in projections}
            except (AttributeError, TypeError, ValueError, ArithmeticError, GraphQLError):
                pass  # graphql-core finds it again, and says at which field
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def _projections(
        self, part: GraphQLObjectType, field_details_list: FieldDetailsList
    ) -> list[tuple[str, Projection]] | None:
        """For each selected leaf of a part its response name and how it is read; None if not all of them are leaves.

        Collected selections live as long as the execution, so their identity names them.
        """
        collected = self.collect_subfields(part, field_details_list).grouped_field_set
        known: dict[int, list[tuple[str, Projection]] | None] = self.context_value.projections
        if id(collected) not in known:
            fields = [(name, part.fields.get(details[0].node.name.value)) for name, details in collected.items()]
            read = [(name, None if field is None else _projection(field)) for name, field in fields]
            leaves = [(name, project) for name, project in read if project is not None]
            known[id(collected)] = leaves if len(leaves) == len(read) else None
        return known[id(collected)]


def _projection(field: GraphQLField) -> Projection | None:
    """How a field of a part is read and written: a leaf or a list of leaves, or None for anything else."""
    look: Looking = field.extensions[LOOK]
    required = is_non_null_type(field.type)
    nullable = field.type.of_type if is_non_null_type(field.type) else field.type
    if is_leaf_type(nullable):
        return _leaf(look, nullable, required=required)
    if is_list_type(nullable) and is_non_null_type(nullable.of_type) and is_leaf_type(nullable.of_type.of_type):
        return _leaves(look, nullable.of_type.of_type, required=required)
    return None


def _leaf(look: Looking, leaf: GraphQLLeafType, *, required: bool) -> Projection:
    complete = Executor.complete_leaf_value

    def project(source: Any) -> Any:
        value = look(source, None, None)
        return None if value is None and not required else complete(leaf, value)

    return project


def _leaves(look: Looking, leaf: GraphQLLeafType, *, required: bool) -> Projection:
    complete = Executor.complete_leaf_value

    def project(source: Any) -> Any:
        values = look(source, None, None)
        return None if values is None and not required else [complete(leaf, value) for value in values]

    return project
