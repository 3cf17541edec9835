"""The one way from a record to a value that may leave.

A source's record goes in together with how the caller stands to its patient; a `Released` comes out, or nothing at
all. A released record holds allowed values, masked values and withheld markers, and no way back to the record.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from msgspec import Struct, structs

from portico.access.decisions import DecisionClass, Decisions, Facts, Tally
from portico.access.masks import PERSONAL, Mask, MaskKey, Unmaskable, apply
from portico.access.principal import Caller
from portico.access.rulings import Decision, Effect, Ruling
from portico.access.step_up import StepUp
from portico.access.tags import Coordinate, TagTable
from portico.records.references import PatientId
from portico.records.types import Record
from portico.records.values import Value

STEP_UP_REQUIRED = "step_up_required"
"""The reason where the policies would release a value to the same caller after another authentication."""


class Case(Struct, frozen=True, eq=False, gc=False):
    """A record, whom it is about, and what a decision may know of both. No patient: about nobody, or nobody known.

    `class_` is what decides about it: made of the record's type and the facts, and of nothing else.
    """

    record: Record
    patient: PatientId | None
    facts: Facts
    class_: DecisionClass

    @classmethod
    def of(cls, record: Record, patient: PatientId | None, facts: Facts) -> Case:
        """The case of a record."""
        return cls(record, patient, facts, facts.about(record.type))


class Withheld(Struct, frozen=True):
    """Stands where a value is not released; `reason` is the policy's code.

    With a `challenge`, it would be released to the same caller after such an authentication.
    """

    coordinate: str
    reason: str
    decision_id: str
    challenge: StepUp | None = None


class Masked(Struct, frozen=True):
    """Stands where a value is released in part."""

    coordinate: str
    value: Any


class Released(Struct, frozen=True, eq=False, gc=False):
    """What a caller may have of one record, by attribute: plain values, `Masked` and `Withheld`.

    `denied` names the edges that the caller may not follow from here, `notices` holds the texts that must be said with
    it, by code, `partly` names the attributes that are masked or withheld: only those can be anything but plain values.
    Equal only to itself: the session that made it knows which record it stands for, and nobody else does.
    """

    type: str
    patient: PatientId | None
    values: Mapping[str, Any]
    denied: Mapping[str, Withheld]
    notices: Mapping[str, str] = {}
    partly: frozenset[str] = frozenset()


PARTS: Final[Mapping[str, type]] = {one.__name__: one for one in Value.__subclasses__() if one is not Record}
"""The classes of what released values are made of, by name: names, amounts, periods."""

PROJECTIONS_LIMIT = 10_000
"""How many decisions are kept spelt out before that begins anew."""


@dataclass(slots=True)
class _Projection:
    """One decision, spelt out for the attributes that are wanted. Never changed once it is made."""

    type: str
    decision: Decision
    plain: list[str] = field(default_factory=list)
    masked: list[tuple[Coordinate, Mask]] = field(default_factory=list)
    personal: bool = False
    """Whether one of the masks is another for each patient."""
    withheld: dict[str, Withheld] = field(default_factory=dict)
    denied: dict[str, Withheld] = field(default_factory=dict)
    partly: frozenset[str] = frozenset()
    release: Callable[[Record, PatientId | None], Released] = field(init=False)
    """What it leaves of a record, but for what is masked."""


class Guard:
    """Turns records into released records, one decision for each class of a batch. One for a process."""

    def __init__(
        self, decisions: Decisions, tags: TagTable, *, mask_secret: bytes, clock: Callable[[], float] = time.time
    ) -> None:
        """`clock` tells the seconds since the epoch at which an authentication is judged."""
        self._clock = clock
        self._decisions = decisions
        self._tags = tags
        self._mask_secret = mask_secret
        self._projections: dict[tuple[str, Decision, frozenset[str]], _Projection] = {}

    async def admits(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> frozenset[DecisionClass]:
        """The classes of which anything at all is visible; asked before a source is, so that no one fetches in vain."""
        decisions = await self._decisions.classes(caller, classes, tally)
        return frozenset(class_ for class_, decision in decisions.items() if self._shows(class_.type, decision))

    async def watched(
        self, caller: Caller, classes: Collection[DecisionClass], tally: Tally
    ) -> frozenset[DecisionClass]:
        """The classes of which nothing is visible, and of which it is to be noted who asks for them by name."""
        decisions = await self._decisions.classes(caller, classes, tally)
        return frozenset(class_ for class_, decision in decisions.items() if decision.watched)

    async def release(
        self, caller: Caller, cases: Sequence[Case], wanted: frozenset[str], tally: Tally
    ) -> list[Released | None]:
        """What may leave of each record, in order; None for one that may not be seen. One policy call at most.

        `wanted` names the selected attributes and edges. Raises `PolicyUnavailable`, and releases nothing then.
        """
        decisions = await self._decisions.classes(caller, {case.class_ for case in cases}, tally)
        projections = {
            class_: self._projection(caller, class_.type, decision, wanted) for class_, decision in decisions.items()
        }
        key = MaskKey(secret=self._mask_secret, tenant=caller.principal.tenant, patient=None)
        released: list[Released | None] = []
        for case in cases:
            projection = projections[case.class_]
            if projection is None:
                released.append(None)
            elif projection.masked:
                released.append(_masking(projection, case, key))
            else:
                released.append(projection.release(case.record, case.patient))
        return released

    async def in_full(
        self, caller: Caller, classes: Collection[DecisionClass], coordinates: Collection[Coordinate], tally: Tally
    ) -> frozenset[DecisionClass]:
        """The classes of which the values at all of these coordinates are the caller's to know unmasked.

        What a filter or an ordering reveals must be: elsewhere the row behaves as if the value were absent.
        """
        decisions = await self._decisions.classes(caller, classes, tally)
        return frozenset(
            class_
            for class_, decision in decisions.items()
            if all(decision.in_full(coordinate) for coordinate in coordinates)
        )

    def _shows(self, type_name: str, decision: Decision) -> bool:
        """Whether anything is told of such a record; of one whose id may not be told, nothing is."""
        id_ = self._tags[type_name].get("id")
        return decision.visible and (id_ is None or decision.in_full(id_))

    def _projection(
        self, caller: Caller, type_name: str, decision: Decision, wanted: frozenset[str]
    ) -> _Projection | None:
        """What a decision gives of the wanted attributes; None where nothing is told of such a record.

        A decision is made for one kind of caller alone, so what it comes to is remembered with it. Where it asks for a
        step-up, that depends on the clock, and is not.
        """
        if not self._shows(type_name, decision):
            return None
        if decision.step_up:
            return self._project(caller, type_name, decision, wanted)
        key = (type_name, decision, wanted)
        projection = self._projections.get(key)
        if projection is None:
            if len(self._projections) >= PROJECTIONS_LIMIT:
                self._projections.clear()
            projection = self._projections[key] = self._project(caller, type_name, decision, wanted)
        return projection

    def _project(self, caller: Caller, type_name: str, decision: Decision, wanted: frozenset[str]) -> _Projection:
        projection = _Projection(type_name, decision)
        coordinates = self._tags[type_name]
        for attribute in wanted:
            coordinate = coordinates.get(attribute)
            if coordinate is None:
                continue
            ruling = self._judged(caller, decision.ruling(coordinate))
            if ruling.effect is Effect.ALLOW:
                if not coordinate.edge:
                    projection.plain.append(attribute)
            elif ruling.effect is Effect.MASK and ruling.mask is not None and not coordinate.edge:
                projection.masked.append((coordinate, ruling.mask))
                projection.personal |= ruling.mask in PERSONAL
            else:
                kept = projection.denied if coordinate.edge else projection.withheld
                reason = ruling.reason or "not_permitted"
                kept[attribute] = Withheld(coordinate.name, reason, decision.decision_id, ruling.step_up)
        projection.partly = frozenset((*projection.withheld, *(of.attribute for of, _ in projection.masked)))
        projection.release = _releasing(projection)
        return projection

    def _judged(self, caller: Caller, ruling: Ruling) -> Ruling:
        """The ruling, or a denial where the caller's authentication is not what it asks for, now."""
        step_up = ruling.step_up
        if step_up is None:
            return ruling
        if step_up.is_met_by(caller.principal, self._clock()):
            return replace(ruling, step_up=None)
        return Ruling(Effect.DENY, reason=STEP_UP_REQUIRED, step_up=step_up)


def _releasing(projection: _Projection) -> Callable[[Record, PatientId | None], Released]:
    """What gives what a projection leaves of a record, but for what is masked: compiled, for it is done with each.

    The text is made of the schema's own names.
    """
    said = {name: f"withheld[{name!r}]" for name in projection.withheld}
    said.update((name, f"record.{name}") for name in projection.plain)
    values = ", ".join(f"{name!r}: {value}" for name, value in said.items())
    names = {
        "Released": Released,
        "type": projection.type,
        "withheld": projection.withheld,
        "denied": projection.denied,
        "notices": projection.decision.notices,
        "partly": projection.partly,
    }
    text = f"lambda record, patient: Released(type, patient, {{{values}}}, denied, notices, partly)"
    release: Callable[[Record, PatientId | None], Released] = eval(text, names)  # noqa: S307  see above
    return release


def _masking(projection: _Projection, case: Case, key: MaskKey) -> Released:
    """What a projection leaves of a record of which something is masked; `key` is nobody's."""
    released = projection.release(case.record, case.patient)
    values = dict(released.values)
    if projection.personal:
        key = replace(key, patient=case.patient)
    for coordinate, mask in projection.masked:
        value = getattr(case.record, coordinate.attribute)
        values[coordinate.attribute] = _masked(coordinate, mask, value, key, projection.decision.decision_id)
    return structs.replace(released, values=values)


def _masked(coordinate: Coordinate, mask: Mask, value: Any, key: MaskKey, decision_id: str) -> Masked | Withheld | None:
    """The masked value; a mask that can't be applied to it withholds it."""
    try:
        masked = apply(mask, value, key=key)
    except Unmaskable:
        return Withheld(coordinate.name, "mask_not_applicable", decision_id)
    return None if masked is None else Masked(coordinate.name, masked)
