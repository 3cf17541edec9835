"""What occurs in a document, by name: so that a comparison of random documents can be seen to have met everything."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DirectiveNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLSchema,
    InlineFragmentNode,
    ListValueNode,
    NullValueNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_interface_type,
    parse,
    visit,
)

ALL: Final = (
    "alias", "variable", "fragment spread", "fragment spread twice", "inline fragment", "inline fragment of no type",
    "interface", "interface inside of an object", "skip", "include", "skip on a field", "include on a field",
    "skip on a fragment", "include on a fragment", "condition by a variable", "node", "nodes", "list", "filter",
    "orderBy", "after", "default argument", "null argument", "field twice", "field twice with other selections",
    "__typename", "__typename of an interface", "__typename of a connection", "default of a variable", "two roots",
)  # fmt: skip


def features(schema: GraphQLSchema, query: str) -> frozenset[str]:
    """The names, out of `ALL`, of what occurs."""
    types = TypeInfo(schema)
    features_ = _Features(types)
    visit(parse(query), TypeInfoVisitor(types, features_))
    found = features_.found | {"fragment spread twice" for count in features_.spreads.values() if count > 1}
    return frozenset(found | {"two roots" for _ in "." if len(features_.roots) > 1})


class _Features(Visitor):
    def __init__(self, types: TypeInfo) -> None:
        super().__init__()
        self._types = types
        self.found: set[str] = set()
        self.spreads: Counter[str] = Counter()
        self.roots: set[str] = set()

    def enter_variable_definition(self, node: VariableDefinitionNode, *_: Any) -> bool:
        if node.default_value is not None:
            self.found.add("default of a variable")
        return False

    def enter_variable(self, *_: Any) -> None:
        self.found.add("variable")

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        if node.name.value in ("filter", "orderBy", "after"):
            self.found.add(node.name.value)
        if isinstance(node.value, NullValueNode):
            self.found.add("null argument")
        if isinstance(node.value, ListValueNode):
            self.found.add("list")

    def enter_directive(self, node: DirectiveNode, _key: Any, _parent: Any, _path: Any, ancestors: Any) -> None:
        name, holder = node.name.value, ancestors[-2] if isinstance(ancestors[-1], tuple | list) else ancestors[-1]
        self.found |= {name, f"{name} on a {'field' if isinstance(holder, FieldNode) else 'fragment'}"}
        if any(isinstance(one.value, VariableNode) for one in node.arguments or ()):
            self.found.add("condition by a variable")

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        self.found.add("fragment spread")
        self.spreads[node.name.value] += 1

    def enter_inline_fragment(self, node: InlineFragmentNode, *_: Any) -> None:
        self.found.add("inline fragment" if node.type_condition else "inline fragment of no type")
        if node.type_condition and node.type_condition.name.value == "Node":
            self.found.add("interface inside of an object")

    def enter_selection_set(self, node: SelectionSetNode, *_: Any) -> None:
        parent = self._types.get_parent_type()
        if is_interface_type(parent):
            self.found.add("interface")
        fields = [one for one in node.selections if isinstance(one, FieldNode)]
        keys: dict[str, FieldNode] = {}
        for one in fields:
            key = (one.alias or one.name).value
            if key in keys:
                self.found.add("field twice")
                if one.selection_set and one.selection_set != keys[key].selection_set:
                    self.found.add("field twice with other selections")
            keys[key] = one

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        name, parent, definition = node.name.value, self._types.get_parent_type(), self._types.get_field_def()
        if node.alias:
            self.found.add("alias")
        if name == "__typename":
            self.found.add("__typename")
            if isinstance(parent, GraphQLInterfaceType):
                self.found.add("__typename of an interface")
            elif parent is not None and parent.name.endswith("Connection"):
                self.found.add("__typename of a connection")
        if parent is not None and parent.name == "Query":
            self.roots.add((node.alias or node.name).value)
        if name in ("node", "nodes") and parent is not None and parent.name == "Query":
            self.found.add(name)
        if definition is None:
            return
        if get_named_type(definition.type).name.endswith("Connection"):
            self.found.add("list")
        given = {one.name.value for one in node.arguments or ()}
        if definition.args.keys() - given:
            self.found.add("default argument")
