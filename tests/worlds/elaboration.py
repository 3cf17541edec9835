"""More ways of writing an operation down: what `documents` never writes, added to what it did.

Fields selected twice with other selections, named fragments spread at several places, `@skip` and `@include` with
variables on fields and on fragments, `__typename` and interfaces anywhere, null and other literals as arguments.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from random import Random
from typing import Any, Final

from graphql import (
    ArgumentNode,
    BooleanValueNode,
    DirectiveNode,
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    NamedTypeNode,
    NameNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    is_non_null_type,
    parse,
    parse_type,
    print_ast,
    visit,
)

from tests.changed import replace
from tests.worlds.documents import Operation, Variable

CONDITIONS: Final = (
    Variable("yes0", "if", "Boolean!"),
    Variable("yes1", "if", "Boolean!"),
    Variable("either", "reviewed", "Boolean!"),
)
"""What directives are given: two that are mostly true, one that is either."""


def elaborated(schema: GraphQLSchema, operation: Operation, chance: Random) -> Operation:
    """The operation, written down in another way; what is selected twice may come to be refused for it."""
    document = parse(operation.query)
    types = TypeInfo(schema)
    changed = visit(document, TypeInfoVisitor(types, _Elaboration(types, chance)))
    fragments = [] if not isinstance(changed, DocumentNode) else changed.definitions
    used = _used(fragments)
    lenient = {one.name for one in operation.variables if str(one.type) == "Int!" and chance.random() < 0.3}
    written = DocumentNode(definitions=tuple(_declaring(one, used, lenient) for one in fragments))
    variables = [
        replace(one, type="Int") if one.name in lenient else one
        for one in (*operation.variables, *CONDITIONS)
        if one.name in used
    ]
    return Operation(print_ast(written), tuple(variables))


class _Elaboration(Visitor):
    """Rewrites selections from below, so that a fragment holds none that is made later, and so never itself."""

    def __init__(self, types: TypeInfo, chance: Random) -> None:
        super().__init__()
        self._types = types
        self._chance = chance
        self._fragments: list[FragmentDefinitionNode] = []

    def leave_document(self, node: DocumentNode, *_: Any) -> DocumentNode:
        """Add the fragments that were made."""
        return DocumentNode(definitions=(*node.definitions, *self._fragments))

    def leave_argument(self, node: ArgumentNode, *_: Any) -> ArgumentNode | None:
        """Null for a variable, now and then, where null may stand."""
        argument = self._types.get_argument()
        if argument is None or is_non_null_type(argument.type) or self._chance.random() > 0.08:
            return None
        return ArgumentNode(name=node.name, value=NullValueNode())

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode | None:
        """Elaborate what is selected of one object."""
        type_ = self._types.get_parent_type()
        if not isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            return None
        selections = [one for selection in node.selections for one in self._selected(selection)]
        if type_.name != "Query":
            selections = self._spread(selections, type_)
            if self._chance.random() < 0.1:
                selections.append(FieldNode(name=_name("__typename"), alias=_name("kindOf")))
        return SelectionSetNode(selections=tuple(selections))

    def _selected(self, node: SelectionNode) -> Iterable[SelectionNode]:
        if isinstance(node, FieldNode) and node.selection_set is not None and self._chance.random() < 0.15:
            yield self._conditional(self._part_of(node))
            yield self._part_of(node) if self._chance.random() < 0.5 else node
            return
        yield self._conditional(node)

    def _part_of(self, node: FieldNode) -> FieldNode:
        """The same field with some of its selections."""
        assert node.selection_set is not None
        every = node.selection_set.selections
        some = self._chance.sample(range(len(every)), self._chance.randint(1, len(every)))
        return _like(node, SelectionSetNode(selections=tuple(every[number] for number in sorted(some))))

    def _conditional(self, node: SelectionNode) -> SelectionNode:
        if self._chance.random() > 0.06 or node.directives:
            return node
        variable = self._chance.choice(CONDITIONS)
        skips = variable.argument != "if" and self._chance.random() < 0.5
        directive = _directive("skip" if skips else "include", VariableNode(name=_name(variable.name)))
        if self._chance.random() < 0.1:
            directive = _directive("skip", BooleanValueNode(value=self._chance.random() < 0.5))
        copied = {key: getattr(node, key) for key in node.keys if key != "loc"}
        return type(node)(**{**copied, "directives": (directive,)})

    def _spread(
        self, selections: list[SelectionNode], type_: GraphQLObjectType | GraphQLInterfaceType
    ) -> list[SelectionNode]:
        """Move selections to a fragment, or spread one that there is already, or look at the object as an interface."""
        fitting = [one for one in self._fragments if one.type_condition.name.value == type_.name]
        if fitting and self._chance.random() < 0.3:
            return [*selections, FragmentSpreadNode(name=self._chance.choice(fitting).name)]
        if self._chance.random() < 0.12:
            fragment = FragmentDefinitionNode(
                name=_name(f"Part{len(self._fragments)}"),
                type_condition=NamedTypeNode(name=_name(type_.name)),
                selection_set=SelectionSetNode(selections=tuple(selections)),
            )
            self._fragments.append(fragment)
            spread: SelectionNode = FragmentSpreadNode(name=fragment.name)
            return [self._conditional(spread), spread] if self._chance.random() < 0.5 else [spread]
        if self._is_node(type_) and self._chance.random() < 0.15:
            inner = [FieldNode(name=_name("id")), FieldNode(name=_name("__typename")), *self._back(selections, type_)]
            condition = NamedTypeNode(name=_name("Node"))
            inline = InlineFragmentNode(
                type_condition=condition, selection_set=SelectionSetNode(selections=tuple(inner))
            )
            return [self._conditional(inline), *selections]
        return selections

    def _back(
        self, selections: Sequence[SelectionNode], type_: GraphQLObjectType | GraphQLInterfaceType
    ) -> list[SelectionNode]:
        """Inside of an interface, the type again; or another, which the object then isn't."""
        if isinstance(type_, GraphQLInterfaceType) or self._chance.random() < 0.5:
            other = "Practitioner" if type_.name != "Practitioner" else "Slot"
            alien = SelectionSetNode(selections=(FieldNode(name=_name("id"), alias=_name("alien")),))
            return [InlineFragmentNode(type_condition=NamedTypeNode(name=_name(other)), selection_set=alien)]
        again = SelectionSetNode(selections=tuple(selections))
        return [InlineFragmentNode(type_condition=NamedTypeNode(name=_name(type_.name)), selection_set=again)]

    def _is_node(self, type_: GraphQLObjectType | GraphQLInterfaceType) -> bool:
        return type_.name == "Node" or any(one.name == "Node" for one in type_.interfaces)


def _name(value: str) -> NameNode:
    return NameNode(value=value)


def _directive(name: str, condition: Any) -> DirectiveNode:
    return DirectiveNode(name=_name(name), arguments=(ArgumentNode(name=_name("if"), value=condition),))


def _like(node: FieldNode, selections: SelectionSetNode) -> FieldNode:
    return FieldNode(
        alias=node.alias,
        name=node.name,
        arguments=node.arguments,
        directives=node.directives,
        selection_set=selections,
    )


def _used(nodes: Iterable[Any]) -> set[str]:
    """The variables that occur in selections."""
    names: set[str] = set()

    class Uses(Visitor):
        def enter_variable_definition(self, *_: Any) -> bool:
            return False

        def enter_variable(self, node: VariableNode, *_: Any) -> None:
            names.add(node.name.value)

    for node in nodes:
        visit(node, Uses())
    return names


def _declaring(node: Any, used: set[str], lenient: set[str]) -> Any:
    """The operation with declarations of what it uses, and of nothing else; `lenient` ones have a default."""
    if not isinstance(node, OperationDefinitionNode):
        return node
    declared = [
        _with_default(one) if one.variable.name.value in lenient else one
        for one in node.variable_definitions or ()
        if one.variable.name.value in used
    ]
    declared += [
        VariableDefinitionNode(variable=VariableNode(name=_name(one.name)), type=parse_type(one.type))
        for one in CONDITIONS
        if one.name in used
    ]
    return OperationDefinitionNode(
        operation=node.operation,
        name=node.name,
        variable_definitions=tuple(declared),
        directives=node.directives,
        selection_set=node.selection_set,
    )


def _with_default(node: VariableDefinitionNode) -> VariableDefinitionNode:
    return VariableDefinitionNode(variable=node.variable, type=parse_type("Int"), default_value=IntValueNode(value="2"))
