"""What patients have said about who may see what of theirs."""

from __future__ import annotations

import datetime as dt

from graph.fields import record, value
from graph.node import Node
from graph.values import Period, Provenance
from portico.access.tags import Tag
from portico.records.consent import ConsentKind


@record
class Consent(Node):
    """One provision (FHIR Consent): of a source, or recorded here. An empty list stands for everything of its kind."""

    kind: ConsentKind | None = value(Tag.COMMUNICATION, "What it does.")
    purposes: list[str] | None = value(Tag.COMMUNICATION, "For which purposes of use (HL7 v3 PurposeOfUse).")
    roles: list[str] | None = value(Tag.COMMUNICATION, "For whom, by role.")
    tags: list[str] | None = value(Tag.COMMUNICATION, "Which data classes, as the schema's directives name them.")
    sensitivities: list[str] | None = value(Tag.COMMUNICATION, "It is about records with one of these labels.")
    parties: list[str] | None = value(Tag.COMMUNICATION, "For whom, by name: npi, organization or subject.")
    period: Period | None = value(Tag.COMMUNICATION, "Since when and until when.")
    recorded_at: dt.datetime | None = value(Tag.COMMUNICATION, "When it was recorded, or first seen at its source.")
    revoked_at: dt.datetime | None = value(Tag.COMMUNICATION, "When it was taken back, if it was.")
    provenance: Provenance | None = value(Tag.COMMUNICATION, "Where it comes from; portico: it was recorded here.")
