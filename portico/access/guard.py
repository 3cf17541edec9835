"""The one way from a record to a value that may leave.

A source's record goes in together with how the caller stands to its patient; a `Released` comes out, or nothing at
all. A released record holds allowed values, masked values and withheld markers, and no way back to the record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portico.access.decisions import Decision, DecisionClass, Decisions, Effect, Tally
from portico.access.masks import Mask, MaskKey, Unmaskable, apply
from portico.access.principal import Caller
from portico.access.tags import Coordinate, TagTable
from portico.records.references import PatientId
from portico.records.types import Record


@dataclass(frozen=True, slots=True)
class Case:
    """A record, whom it is about, and how the caller stands to them. No patient: about nobody, or nobody known."""

    record: Record
    patient: PatientId | None
    relationships: frozenset[str]


@dataclass(frozen=True, slots=True)
class Withheld:
    """Stands where a value is not released; `reason` is the policy's code."""

    coordinate: str
    reason: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class Masked:
    """Stands where a value is released in part."""

    coordinate: str
    value: Any


@dataclass(frozen=True, slots=True, eq=False)
class Released:
    """What a caller may have of one record, by attribute: plain values, `Masked` and `Withheld`.

    `denied` names the edges that the caller may not follow from here. Equal only to itself: the session that made it
    knows which record it stands for, and nobody else does.
    """

    type: str
    patient: PatientId | None
    values: Mapping[str, Any]
    denied: Mapping[str, Withheld]


@dataclass(slots=True)
class _Projection:
    """One decision, spelt out for the attributes that are wanted."""

    decision_id: str
    plain: list[str] = field(default_factory=list)
    masked: list[tuple[Coordinate, Mask]] = field(default_factory=list)
    withheld: dict[str, Withheld] = field(default_factory=dict)
    denied: dict[str, Withheld] = field(default_factory=dict)


class Guard:
    """Turns records into released records, one decision for each class of a batch. One for a process."""

    def __init__(self, decisions: Decisions, tags: TagTable, *, mask_secret: bytes) -> None:
        self._decisions = decisions
        self._tags = tags
        self._mask_secret = mask_secret

    async def admits(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> frozenset[DecisionClass]:
        """The classes of which anything at all is visible; asked before a source is, so that no one fetches in vain."""
        decisions = await self._decisions.classes(caller, classes, tally)
        return frozenset(class_ for class_, decision in decisions.items() if self._shows(class_, decision))

    async def release(
        self, caller: Caller, cases: Sequence[Case], wanted: frozenset[str], tally: Tally
    ) -> list[Released | None]:
        """What may leave of each record, in order; None for one that may not be seen. One policy call at most.

        `wanted` names the selected attributes and edges. Raises `PolicyUnavailable`, and releases nothing then.
        """
        classes = [DecisionClass(case.record.type.value, case.relationships, case.record.labels) for case in cases]
        decisions = await self._decisions.classes(caller, set(classes), tally)
        projections: dict[DecisionClass, _Projection] = {}
        released: list[Released | None] = []
        for case, class_ in zip(cases, classes, strict=True):
            decision = decisions[class_]
            if not self._shows(class_, decision):
                released.append(None)
                continue
            projection = projections.get(class_)
            if projection is None:
                projection = projections[class_] = self._project(class_.type, decision, wanted)
            released.append(self._apply(caller, case, projection))
        return released

    async def in_full(
        self, caller: Caller, cases: Sequence[Case], coordinates: Collection[Coordinate], tally: Tally
    ) -> list[bool]:
        """Whether each record's values at all of these coordinates are the caller's to know unmasked.

        What a filter or an ordering reveals must be: elsewhere the row behaves as if the value were absent.
        """
        classes = [DecisionClass(case.record.type.value, case.relationships, case.record.labels) for case in cases]
        decisions = await self._decisions.classes(caller, set(classes), tally)
        full = {
            class_: all(decision.in_full(coordinate) for coordinate in coordinates)
            for class_, decision in decisions.items()
        }
        return [full[class_] for class_ in classes]

    def _shows(self, class_: DecisionClass, decision: Decision) -> bool:
        """Whether anything is told of such a record; of one whose id may not be told, nothing is."""
        id_ = self._tags[class_.type].get("id")
        return decision.visible and (id_ is None or decision.in_full(id_))

    def _project(self, type_name: str, decision: Decision, wanted: frozenset[str]) -> _Projection:
        projection = _Projection(decision.decision_id)
        coordinates = self._tags[type_name]
        for attribute in wanted:
            coordinate = coordinates.get(attribute)
            if coordinate is None:
                continue
            ruling = decision.ruling(coordinate)
            withheld = Withheld(coordinate.name, ruling.reason or "not_permitted", decision.decision_id)
            if coordinate.edge:
                if ruling.effect is not Effect.ALLOW:
                    projection.denied[attribute] = withheld
            elif ruling.effect is Effect.ALLOW:
                projection.plain.append(attribute)
            elif ruling.effect is Effect.MASK and ruling.mask is not None:
                projection.masked.append((coordinate, ruling.mask))
            else:
                projection.withheld[attribute] = withheld
        return projection

    def _apply(self, caller: Caller, case: Case, projection: _Projection) -> Released:
        record = case.record
        values: dict[str, Any] = {attribute: getattr(record, attribute) for attribute in projection.plain}
        values.update(projection.withheld)
        if projection.masked:
            key = MaskKey(secret=self._mask_secret, tenant=caller.principal.tenant, patient=case.patient)
            for coordinate, mask in projection.masked:
                values[coordinate.attribute] = _masked(
                    coordinate, mask, getattr(record, coordinate.attribute), key, projection.decision_id
                )
        return Released(record.type.value, case.patient, values, projection.denied)


def _masked(coordinate: Coordinate, mask: Mask, value: Any, key: MaskKey, decision_id: str) -> Masked | Withheld | None:
    """The masked value; a mask that can't be applied to it withholds it."""
    try:
        masked = apply(mask, value, key=key)
    except Unmaskable:
        return Withheld(coordinate.name, "mask_not_applicable", decision_id)
    return None if masked is None else Masked(coordinate.name, masked)
