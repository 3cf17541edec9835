"""Emergency access, as patients and reviewers see it."""

from __future__ import annotations

import datetime as dt

import strawberry

from graph.fields import record, value
from graph.node import Node
from graph.values import Accessor
from portico.access.tags import Tag
from portico.records.types import EmergencyVerdict


@record
class EmergencyAccess(Node):
    """That somebody broke the glass: declared an emergency to see a patient whom they otherwise couldn't."""

    at: dt.datetime | None = value(Tag.ACCESS, "When it began, in UTC.")
    ends_at: dt.datetime | None = value(Tag.ACCESS, "When it ends by itself, in UTC.")
    ended_at: dt.datetime | None = value(Tag.ACCESS, "When it was ended before that, if it was, in UTC.")
    who: Accessor | None = value(Tag.ACCESS, "Who declared it.")
    patient_id: strawberry.ID | None = value(Tag.ACCESS, "The patient's id.")
    reviewed_at: dt.datetime | None = value(Tag.ACCESS, "When somebody looked into it, if anybody has, in UTC.")
    reason: str | None = value(Tag.OPERATIONAL, "Why, in the words of whoever declared it. For those who review it.")
    reviewer: str | None = value(Tag.OPERATIONAL, "The subject of whoever looked into it.")
    verdict: EmergencyVerdict | None = value(Tag.OPERATIONAL, "What they made of it.")
    note: str | None = value(Tag.OPERATIONAL, "What they noted.")
