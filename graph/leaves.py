"""graphql-core's executor with a short way for leaves, which are most of any answer.

For a leaf, graphql-core builds an info object, looks for arguments and awaitables, and walks through every kind of
type. A leaf whose reader only looks needs none of that. Everything else takes graphql-core's own way.
"""

from __future__ import annotations

from typing import Any

from graphql import GraphQLObjectType, is_leaf_type, is_non_null_type
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from graph.reading import LOOK


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
        look = None if field is None else field.extensions.get(LOOK)
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
