"""Who looked at a patient, as the audit trail has it."""

from __future__ import annotations

import datetime as dt

from graph.fields import record, value
from graph.values import Accessor
from portico.access.tags import Tag


@record
class Access:
    """That somebody was told something about a patient: one answer of this graph, as it was recorded."""

    at: dt.datetime | None = value(Tag.ACCESS, "When it was recorded, in UTC.")
    purpose: str | None = value(Tag.ACCESS, "Why: the purpose of use (HL7 v3 PurposeOfUse).")
    who: Accessor | None = value(Tag.ACCESS, "Who it was.")
    client: str | None = value(Tag.ACCESS, "The client application that asked.")
    released: list[str] | None = value(
        Tag.ACCESS, "The schema coordinates of which the answer held something, about this patient or others in it."
    )
    sources: list[str] | None = value(Tag.ACCESS, "The source systems that were asked.")
    disclosure: bool | None = value(Tag.ACCESS, "Whether an accounting of disclosures lists it (45 CFR 164.528).")
