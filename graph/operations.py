"""The caller themselves, and the sources' own state."""

from __future__ import annotations

from graph.fields import record, value
from portico.access.tags import Tag
from portico.records.types import SourceStatus


@record
class Viewer:
    """You, as your token says."""

    subject_name: str | None = value(Tag.PUBLIC, "The subject of the token.", name="subject")
    kind: str | None = value(Tag.PUBLIC, "person or service.")
    roles: list[str] | None = value(Tag.PUBLIC, "The roles that the token gives.")
    purpose: str | None = value(Tag.PUBLIC, "The purpose of use of this request (HL7 v3 PurposeOfUse).")
    tenant: str | None = value(Tag.PUBLIC, "The clinic group that the token is for.")


@record
class Source:
    """A source system of your tenant."""

    name: str | None = value(Tag.OPERATIONAL, "What the tenant calls it.")
    status: SourceStatus | None = value(Tag.OPERATIONAL, "Whether it answered just now.")
    latency_milliseconds: int | None = value(Tag.OPERATIONAL, "How long its cheapest answer took.")
    serves: list[str] | None = value(Tag.OPERATIONAL, "The types that come from it.")
