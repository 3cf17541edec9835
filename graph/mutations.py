"""The mutation root: what can be done. One command an operation, each decided by the policies and recorded."""

from __future__ import annotations

import datetime as dt

import strawberry

from graph.consent import Consent
from graph.emergency import EmergencyAccess
from graph.fields import root
from graph.values import PartialDate
from portico.access.tags import Tag
from portico.records.consent import ConsentKind
from portico.records.types import EmergencyVerdict

DEFAULT_MINUTES = 60


@strawberry.input(description="An emergency: for whom, why, and for how long.")
class BreakTheGlassInput:
    """`patient`, or `mrn` and `birthDate` together."""

    reason: str = strawberry.field(description="Why, in a sentence. Reviewers read it; the patient does not.")
    patient: strawberry.ID | None = strawberry.field(default=None, description="The patient, if you have their id.")
    mrn: str | None = strawberry.field(default=None, description="Otherwise their medical record number,")
    birth_date: PartialDate | None = strawberry.field(default=None, description="and their birth date, YYYY-MM-DD.")
    minutes: int = strawberry.field(default=DEFAULT_MINUTES, description="For how long, at most 60.")


@strawberry.input(description="An emergency access that is to end now.")
class EndBreakTheGlassInput:
    """Which."""

    access: strawberry.ID = strawberry.field(description="The emergency access.")


@strawberry.input(description="What a reviewer makes of an emergency access.")
class ReviewEmergencyAccessInput:
    """Which, and what to make of it."""

    access: strawberry.ID = strawberry.field(description="The emergency access.")
    verdict: EmergencyVerdict = strawberry.field(description="What you make of it.")
    note: str | None = strawberry.field(default=None, description="What you have found, for other reviewers.")


@strawberry.input(description="What a patient wants. An empty list stands for everything of its kind.")
class RecordConsentInput:
    """One provision."""

    patient: strawberry.ID = strawberry.field(description="The patient.")
    kind: ConsentKind = strawberry.field(description="What it does.")
    purposes: list[str] = strawberry.field(default_factory=list, description="Purposes of use (HL7 v3 PurposeOfUse).")
    roles: list[str] = strawberry.field(default_factory=list, description="Roles of those whom it concerns.")
    tags: list[Tag] = strawberry.field(default_factory=list, description="Data classes that it is about.")
    sensitivities: list[str] = strawberry.field(
        default_factory=list, description="It is about records with one of these sensitivity labels."
    )
    practitioners: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Practitioners whom it concerns, and nobody else."
    )
    organizations: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Organizations whom it concerns, and nobody else."
    )
    start: dt.datetime | None = strawberry.field(default=None, description="Since when; null: always.")
    end: dt.datetime | None = strawberry.field(default=None, description="Until when; null: for good.")


@strawberry.input(description="A consent that is to end now.")
class RevokeConsentInput:
    """Which."""

    consent: strawberry.ID = strawberry.field(description="The consent; one that was recorded here.")


@strawberry.type(description="What can be done: one command an operation. Each is recorded, also where it is refused.")
class Mutation:
    """The mutation root. Each command answers with what it made or changed, as far as you may see it."""

    @root(Tag.PUBLIC)
    def break_the_glass(self, input: BreakTheGlassInput) -> EmergencyAccess | None:  # noqa: A002  Relay's word
        """See a patient in an emergency, for purpose ETREAT, after a recent and strong authentication.

        It raises an alert, the patient sees it, and somebody looks into it.
        """

    @root(Tag.PUBLIC)
    def end_break_the_glass(self, input: EndBreakTheGlassInput) -> EmergencyAccess | None:  # noqa: A002  Relay's word
        """End an emergency access before its time. It counts at once."""

    @root(Tag.PUBLIC)
    def review_emergency_access(
        self,
        input: ReviewEmergencyAccessInput,  # noqa: A002  Relay's word
    ) -> EmergencyAccess | None:
        """Say what to make of an emergency access, once; of another's, never of one's own."""

    @root(Tag.PUBLIC)
    def record_consent(self, input: RecordConsentInput) -> Consent | None:  # noqa: A002  Relay's word
        """Say who may see what of yours. It counts for every answer that begins after this one."""

    @root(Tag.PUBLIC)
    def revoke_consent(self, input: RevokeConsentInput) -> Consent | None:  # noqa: A002  Relay's word
        """Take back a consent that was recorded here. It counts for every answer that begins after this one."""
