"""An unguarded answer, masked and pruned by the independent table: what should have been served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from graphql import (
    FieldNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_named_type,
)
from graphql.execution import VariableValues, get_argument_values, get_directive_values, get_variable_values

from portico.records.references import PORTICO, PatientId, RecordId, RecordType
from portico.records.types import Record
from resolvers.seal import Seal
from tests.spec.served_world import last_four, year_alone
from tests.worlds.completion import REF, ROWS, TYPE, WHOLE, Question
from tests.worlds.sight import Sight, attribute_of
from tests.worlds.table import TABLE, Effect, effect_of

CURSOR: Final = object()
"""Stands for a cursor: some text."""

_JUDGED_BY: Final = {
    "family": "name", "given": "name", "birthDate": "birthDate", "identifier": "identifiers", "mrn": "mrn",
    "npi": "npi",
    "createdFrom": "created", "createdBefore": "created", "status": "status", "patient": "patient",
    "practitioner": "practitioner", "provider": "provider", "location": "location", "reviewed": "reviewedAt",
    "startFrom": "start", "startBefore": "start",
}  # fmt: skip
"""The field that a condition reveals."""
_ORDERED_BY: Final = {"FAMILY": "name", "BIRTH_DATE": "birthDate", "START": "start", "CREATED": "created", "AT": "at"}
_NAMES: Final = ("patient", "practitioner", "provider", "location")
"""Conditions that are ids of other records."""

Nodes = Sequence[FieldNode]


@dataclass(frozen=True, slots=True)
class Moved:
    """Stands for a value in which every date was moved by the patient's own number of days."""

    patient: PatientId | None
    value: Any


@dataclass(slots=True)
class Masking:
    """One question's answer."""

    sight: Sight
    seal: Seal
    question: Question
    variables: VariableValues

    @classmethod
    def of(cls, sight: Sight, seal: Seal, question: Question) -> Masking:
        """Of a question that the schema takes."""
        definitions = question.operation.variable_definitions or ()
        variables = get_variable_values(question.schema, definitions, dict(question.variables))
        assert isinstance(variables, VariableValues)
        return cls(sight, seal, question, variables)

    def served(self, raw: Mapping[str, Any]) -> dict[str, Any]:
        """What should be served of an unguarded answer to the completed question."""
        query = self.question.schema.query_type
        assert query is not None
        return {
            key: self._root(nodes, query, raw[key])
            for key, nodes in self._collected([self.question.operation.selection_set], query).items()
        }

    def _root(self, nodes: Nodes, query: GraphQLObjectType, raw: Any) -> Any:
        name = nodes[0].name.value
        if name == "__typename":
            return raw
        definition = query.fields[name]
        below = get_named_type(definition.type)
        if below.name.endswith("Connection"):
            arguments = get_argument_values(definition, nodes[0], self.variables)
            parent = self._patient_named(arguments["patient"]) if name == "accesses" else None
            return self._connection(nodes, below, raw, arguments, parent, root=True)
        if isinstance(raw, list):
            rows = [self._object(nodes, below, one, None) for one in raw]
            return [row for row in rows if row is not None] if below.name == "Source" else rows
        return self._object(nodes, below, raw, None)

    def _patient_named(self, name: str) -> PatientId | None:
        parts = self.seal.open(("id", self.sight.who.tenant), name)
        return PatientId(parts[2]) if parts and parts[0] == RecordType.PATIENT else None

    # -- records -------------------------------------------------------------------------------------------------

    def _object(
        self,
        nodes: Nodes,
        type_: GraphQLNamedType,  # noqa: ARG002  like its siblings
        raw: Any,
        parent: PatientId | None,
    ) -> Any:
        """An object as far as it is released; None where it may not be seen."""
        if raw is None:
            return None
        runtime = self.question.schema.type_map[raw[TYPE]]
        assert isinstance(runtime, GraphQLObjectType)
        record = self._record(raw, parent)
        effects = self.sight.of_nobody(runtime.name) if record is None else self.sight.effects(record)
        if effects is None:
            return None
        return {
            key: raw[key]
            if below[0].name.value == "__typename"
            else self._field(below, runtime, raw[key], record, effects[below[0].name.value])
            for key, below in self._collected([one.selection_set for one in nodes], runtime).items()
        }

    def _record(self, raw: Mapping[str, Any], parent: PatientId | None) -> Record | None:
        """The record behind an object; None of what is no record of a source's or of the store's."""
        type_ = RecordType(raw[TYPE])
        ref: Any = raw.get(REF)
        match type_:
            case RecordType.VIEWER | RecordType.SOURCE:
                return None
            case RecordType.ACCESS:
                return next(
                    one
                    for one in self.sight.by_patient[parent]
                    if getattr(one, "at", None) == datetime.fromisoformat(ref)
                )
            case RecordType.CARE_TEAM_MEMBER:
                return next(
                    one for id_, one in self.sight.records.items() if (id_.type, id_.value) == (type_, ref["sourceId"])
                )
        parts = self.seal.open(("id", self.sight.who.tenant), ref)
        assert parts is not None
        if type_ is RecordType.PATIENT:
            mine = self.sight.by_patient[PatientId(parts[2])]
            return next(one for one in mine if one.type is type_)
        return self.sight.records[RecordId(type_, parts[1], parts[2])]  # type: ignore[arg-type]  # a source's name

    def _field(  # noqa: PLR0911  one for each kind of field
        self, nodes: Nodes, type_: GraphQLObjectType, raw: Any, record: Record | None, effect: Effect
    ) -> Any:
        if not effect.released:
            return None
        definition = type_.fields[nodes[0].name.value]
        below = get_named_type(definition.type)
        patient = None if record is None else self.sight.clinic.patient(record)
        if below.name.endswith("Connection"):
            arguments = get_argument_values(definition, nodes[0], self.variables)
            return self._connection(nodes, below, raw, arguments, patient, root=False)
        if below.name in RecordType.__members__.values():
            return self._object(nodes, below, raw, patient)
        match effect.mask:
            case "last4" if raw is not None:
                return last_four(raw)
            case "year" if raw is not None:
                return year_alone(raw)
            case "shift" if raw is not None:
                return Moved(patient, raw)
        return raw

    # -- lists ---------------------------------------------------------------------------------------------------

    def _connection(
        self,
        nodes: Nodes,
        type_: GraphQLNamedType,
        raw: Any,
        arguments: Mapping[str, Any],
        parent: PatientId | None,
        *,
        root: bool,
    ) -> Any:
        first = arguments["first"]
        if raw is None or not 0 <= first <= WHOLE or arguments["after"] is not None:
            return None
        assert isinstance(type_, GraphQLObjectType)
        assert len(raw[ROWS]) < WHOLE
        target = type_.name.removesuffix("Connection")
        rows = self._ordered(self._found(raw, arguments, target, parent), arguments, target, root=root)
        counted = first > 0 or not (root or target == "Access")
        return {
            key: self._part(below, type_, raw[key], rows[:first], parent, more=counted and len(rows) > first)
            for key, below in self._collected([one.selection_set for one in nodes], type_).items()
        }

    def _part(
        self,
        nodes: Nodes,
        type_: GraphQLObjectType,
        raw: Any,
        page: Sequence[int],
        parent: PatientId | None,
        *,
        more: bool,
    ) -> Any:
        """The rows of a connection, or its page's place."""
        name = nodes[0].name.value
        if name == "__typename":
            return raw
        below = get_named_type(type_.fields[name].type)
        assert isinstance(below, GraphQLObjectType)
        collected = self._collected([one.selection_set for one in nodes], below)
        if name == "edges":
            return [
                {key: self._cell(of, below, raw[row][key], parent) for key, of in collected.items()} for row in page
            ]
        end = CURSOR if page else None
        info = {"hasNextPage": more, "hasPreviousPage": False, "startCursor": end, "endCursor": end}
        return {key: info.get(of[0].name.value, below.name) for key, of in collected.items()}

    def _cell(self, nodes: Nodes, type_: GraphQLObjectType, raw: Any, parent: PatientId | None) -> Any:
        match nodes[0].name.value:
            case "node":
                return self._object(nodes, get_named_type(type_.fields["node"].type), raw, parent)
            case "cursor":
                return CURSOR
        return raw

    def _found(
        self, raw: Any, arguments: Mapping[str, Any], target: str, parent: PatientId | None
    ) -> list[tuple[int, Record]]:
        """The rows that may be seen, and of which what the conditions reveal may be known."""
        conditions = {name: value for name, value in (arguments.get("filter") or {}).items() if value is not None}
        periods = ["at" for name in ("from", "until") if arguments.get(name) is not None]
        judged = [*(_field(_JUDGED_BY[name], target) for name in conditions), *periods]
        if not all(self._is_seen(conditions[name]) for name in _NAMES if name in conditions):
            return []
        found = [(row, self._record(one["node"], parent)) for row, one in enumerate(raw[ROWS])]
        return [
            (row, record)
            for row, record in found
            if record is not None
            and (effects := self.sight.effects(record)) is not None
            and all(effects[name].searchable for name in judged)
        ]

    def _is_seen(self, name: str) -> bool:
        """Whether an id names something that may be seen."""
        parts = self.seal.open(("id", self.sight.who.tenant), name)
        if parts is None:
            return False
        if parts[1] == PORTICO:
            return bool(self.sight.seen(PatientId(parts[2])))
        record = self.sight.records.get(RecordId(*parts))  # type: ignore[arg-type]  # a type's and a source's name
        return record is not None and self.sight.effects(record) is not None

    def _ordered(
        self, found: Sequence[tuple[int, Record]], arguments: Mapping[str, Any], target: str, *, root: bool
    ) -> list[int]:
        """The rows in the order in which they may be shown."""
        order = arguments.get("orderBy")
        if order is None:
            return [row for row, _ in found]
        name = _field(_ORDERED_BY[order.rpartition("_")[0]], target)
        usable = [(row, one) for row, one in found if (self.sight.effects(one) or {})[name].searchable]
        if root:
            shown = usable if self._may_order(target, name) else sorted(found, key=lambda row: row[1].id.value)
            return [row for row, _ in shown]
        placed = [(row, one) for row, one in usable if getattr(one, attribute_of(target, name)) is not None]
        absent = sorted((row for row in found if row not in placed), key=lambda row: row[1].id.value)
        return [row for row, _ in (*placed, *absent)]

    def _may_order(self, target: str, name: str) -> bool:
        """Whether every line that shows such records lets them be searched by a field."""
        who = self.sight.who
        lines = [line for line in TABLE[who.persona.role, who.purpose] if target in line.full]
        near = {line.of for line in lines}
        return all(effect_of(tuple(line for line in lines if line.of == of), target, name).searchable for of in near)

    # -- selections ----------------------------------------------------------------------------------------------

    def _collected(
        self, sets: Sequence[SelectionSetNode | None], type_: GraphQLObjectType
    ) -> dict[str, list[FieldNode]]:
        """The selected fields by their name in the answer."""
        collected: dict[str, list[FieldNode]] = {}
        for selections in sets:
            for node in self._fields(selections, type_):
                collected.setdefault(node.alias.value if node.alias else node.name.value, []).append(node)
        return collected

    def _fields(self, selections: SelectionSetNode | None, type_: GraphQLObjectType) -> Iterator[FieldNode]:
        for node in selections.selections if selections else ():
            if not self._is_included(node):
                continue
            match node:
                case FieldNode():
                    yield node
                case InlineFragmentNode(type_condition=condition):
                    if condition is None or self._concerns(condition.name.value, type_):
                        yield from self._fields(node.selection_set, type_)
                case FragmentSpreadNode():
                    fragment = self.question.fragments[node.name.value]
                    if self._concerns(fragment.type_condition.name.value, type_):
                        yield from self._fields(fragment.selection_set, type_)

    def _concerns(self, condition: str, type_: GraphQLObjectType) -> bool:
        named = self.question.schema.type_map[condition]
        return named is type_ or (
            isinstance(named, GraphQLInterfaceType) and self.question.schema.is_sub_type(named, type_)
        )

    def _is_included(self, node: SelectionNode) -> bool:
        skip = get_directive_values(GraphQLSkipDirective, node, self.variables)
        include = get_directive_values(GraphQLIncludeDirective, node, self.variables)
        return not (skip and skip["if"]) and not (include and not include["if"])


def _field(name: str, target: str) -> str:
    """The field that something is about, by the type's own name for it."""
    return "period" if name == "start" and target == "Encounter" else name
