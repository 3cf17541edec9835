"""A plan as people read it: what is asked level by level, what of each type, and where something decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from graphql import (
    DirectiveNode,
    FieldNode,
    GraphQLIncludeDirective,
    VariableNode,
    Visitor,
    get_named_type,
    print_ast,
    visit,
)
from graphql.execution import VariableValues, get_variable_values

from graph.documents import Document
from graph.plan import Objects, Plan, Planner, Root, Seat, Shape, Step, Unplannable, Way, seats
from graph.schema import GraphSchema
from graph.selection import Selection
from portico.access.decisions import Ceiling
from portico.records.references import RecordType
from resolvers.edges import Edge, Via

_WHY: Mapping[Way, str] = {
    Way.INTROSPECTION: "it asks about the schema itself, with a field that begins with __",
    Way.MUTATION: "it is a mutation",
}
_LEADS: Mapping[Via, str] = {
    Via.PATIENT: "by the ids of its patient",
    Via.REFERENCE: "by its reference",
    Via.VISIT: "by its visit number",
    Via.TRAIL: "by its patient",
}
_KEYED = frozenset({"node", "nodes", "patient", "appointment", "claim", "practitioner"})
"""Ways in that take ids; the others are searches, or tell of Portico itself."""


def planned(schema: GraphSchema, document: Document) -> Plan | Way:
    """The plan of an operation with all that `@skip` and `@include` may leave in, or why it has none."""
    try:
        return Planner(schema, document.node, _conditions(schema, document)).plan(document.operation)
    except Unplannable as error:
        return error.way


def plan_text(
    schema: GraphSchema, document: Document, sources: Mapping[RecordType, str], ceiling: Ceiling | None = None
) -> Iterator[str]:
    """The lines that tell a plan; under a ceiling, with what it prunes."""
    plan = planned(schema, document)
    called = f"query {document.name}" if document.name else "the query"
    if isinstance(plan, Way):
        yield f"{document.name or 'the operation'}: no plan, because {_WHY[plan]}; graphql-core executes it"
        return
    selection = Selection(dict(plan.fields))
    yield f"{called}: planned, {plan.size} fields"
    yield ""
    yield f"before any source: the ceiling of {len(selection.coordinates(schema))} coordinates"
    for number, lines in enumerate(_levels(plan, sources), start=1):
        yield ""
        yield f"level {number}"
        yield from (f"  {line}" for line in lines)
    yield ""
    yield "asked for, besides ids"
    everything = Ceiling(frozenset(one.name for _, one in selection.coordinates(schema)), "", "")
    for type_, wanted in sorted(selection.wanted(schema, ceiling or everything).items()):
        yield f"  {type_}: {', '.join(sorted(wanted.attributes)) or 'nothing'}"
    if ceiling is not None:
        pruned = sorted(everything.coordinates - ceiling.coordinates)
        yield ""
        yield "pruned by the ceiling"
        yield from (f"  {name}" for name in pruned or ("nothing",))


def selected(schema: GraphSchema, document: Document) -> Selection | None:
    """What the operation's plan selects, to ask a ceiling for; None where it has none."""
    plan = planned(schema, document)
    return None if isinstance(plan, Way) else Selection(dict(plan.fields))


def _levels(plan: Plan, sources: Mapping[RecordType, str]) -> Iterator[list[str]]:
    """What is done on each level: the calls, the decision, what is written."""
    first = [root for root in plan.roots if isinstance(root, Root)]
    levels: dict[int, list[tuple[str, Shape]]] = {}
    levels[1] = [(_entrance(root, sources), root.shape) for root in first]
    for objects in plan.objects:
        for step in objects.steps:
            levels.setdefault(objects.depth + 1, []).append((_edge(step, objects, sources), step.shape))
    for _, taken in sorted(levels.items()):
        calls = list(dict.fromkeys(call for call, _ in taken))
        reached = list(dict.fromkeys(one for _, shape in taken for one in _reached(shape)))
        types = sorted({one.type_name for one in reached})
        written = [f"write {one.type_name}: {', '.join(fields)}" for one in reached if (fields := _written(one))]
        yield [*calls, *([f"decide {', '.join(types)}"] if types else []), *dict.fromkeys(written)]


def _entrance(root: Root, sources: Mapping[RecordType, str]) -> str:
    name = get_named_type(root.definition.type).name.removesuffix("Connection")
    if name not in RecordType.__members__.values():
        return f"{_call(root.node)}: by id, whatever system the id is of"
    how = "by id" if root.name in _KEYED else "searched for"
    return f"{_call(root.node)}: {name}, {how}, {_source(name, sources)}"


def _edge(step: Step, objects: Objects, sources: Mapping[RecordType, str]) -> str:
    edge: Edge = step.edge
    target = f"{edge.target}, {_LEADS[edge.via]}, {_source(edge.target, sources)}"
    return f"{objects.type_name}.{_call(step.node)}: {target}, once for all"


def _source(type_: str, sources: Mapping[RecordType, str]) -> str:
    return sources.get(RecordType(type_), "Portico itself")


def _call(node: FieldNode) -> str:
    """A field with its arguments as the document writes them."""
    given = ", ".join(f"{one.name.value}: {print_ast(one.value)}" for one in node.arguments or ())
    return f"{node.name.value}({given})" if given else node.name.value


def _reached(shape: Shape) -> Iterator[Objects]:
    for seat in seats(shape):
        yield from _concerned(seat)


def _concerned(seat: Seat) -> list[Objects]:
    """The types of a seat; of an interface's those of which more is written than of the others, if any."""
    objects = list(seat.objects.values())
    least = min((len(one.fields) for one in objects), default=0)
    return [one for one in objects if len(one.fields) > least] or objects


def _written(objects: Objects) -> list[str]:
    return [one.key for one in objects.fields if not isinstance(one, Step)]


def _conditions(schema: GraphSchema, document: Document) -> VariableValues:
    """Values for the variables of conditions, with which as much as possible stays in."""
    included: set[str] = set()

    class Includes(Visitor):
        def enter_directive(self, node: DirectiveNode, *_: object) -> None:
            if node.name.value == GraphQLIncludeDirective.name:
                values = (one.value for one in node.arguments or ())
                included.update(value.name.value for value in values if isinstance(value, VariableNode))

    visit(document.node, Includes())
    declared = [
        one for one in document.operation.variable_definitions or () if one.variable.name.value in document.conditions
    ]
    values = get_variable_values(
        schema.core, declared, {one.variable.name.value: one.variable.name.value in included for one in declared}
    )
    return values if isinstance(values, VariableValues) else VariableValues({}, {})
