"""What decides about a record, worked out once for all records of a request that are alike to decisions."""

from __future__ import annotations

from typing import TypeAlias

from portico.access.decisions import NOBODY, DecisionClass, Facts
from portico.access.guard import Case
from portico.records import sensitivity
from portico.records.references import RecordType
from portico.records.types import Record
from resolvers.ports import Standing

_Alike: TypeAlias = tuple[RecordType, frozenset[str], Facts, frozenset[str] | None, bool]
"""Type, labels, what is known of the patient, the labels of the visit, and whether the patient is an adolescent."""


class Kinds:
    """One request's kinds of records."""

    def __init__(self) -> None:
        self._known: dict[_Alike, tuple[Facts, DecisionClass]] = {}

    def case(self, record: Record, standing: Standing | None) -> Case:
        """A record's case, where the caller stands so to its patient; None is known of nobody."""
        patient, facts, adolescent, visit = None, NOBODY, False, None
        if standing is not None:
            patient, facts, adolescent = standing.patient, standing.facts, standing.adolescent
            if standing.visits:
                visit = standing.visits.get(getattr(record, "visit", None) or "")
        alike = (record.type, record.labels, facts, visit, adolescent)
        kind = self._known.get(alike)
        if kind is None:
            labels = sensitivity.of(record, facts.labels, visit or frozenset(), adolescent=adolescent)
            labelled = facts.labelled(labels)
            kind = self._known[alike] = (labelled, labelled.about(record.type))
        return Case(record, patient, kind[0], kind[1])
