"""The enumerations: their words, and what each word means. A word without a meaning fails when this is imported."""

from __future__ import annotations

from enum import Enum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from portico.access.tags import Tag
from portico.records.consent import ConsentKind
from portico.records.types import (
    AppointmentStatus,
    ClaimStatus,
    ClaimType,
    CoverageStatus,
    EmergencyVerdict,
    EncounterStatus,
    Gender,
    SlotStatus,
    SourceStatus,
)


class PatientOrder(Enum):
    """Field of the search vocabulary, and whether descending."""

    FAMILY_ASC = ("family", False)
    FAMILY_DESC = ("family", True)
    BIRTH_DATE_ASC = ("birth_date", False)
    BIRTH_DATE_DESC = ("birth_date", True)


class PractitionerOrder(Enum):
    """Field of the search vocabulary, and whether descending."""

    FAMILY_ASC = ("family", False)
    FAMILY_DESC = ("family", True)


class StartOrder(Enum):
    """Field of the search vocabulary, and whether descending."""

    START_ASC = ("start", False)
    START_DESC = ("start", True)


class ClaimOrder(Enum):
    """Field of the search vocabulary, and whether descending."""

    CREATED_ASC = ("created", False)
    CREATED_DESC = ("created", True)


class EmergencyOrder(Enum):
    """Field of the search vocabulary, and whether descending."""

    AT_ASC = ("at", False)
    AT_DESC = ("at", True)


def _enumerate(cls: type[Enum], description: str, **meanings: str) -> None:
    strawberry.enum(cls, description=description)
    definition: StrawberryEnumDefinition = vars(cls)["__strawberry_definition__"]
    for value in definition.values:
        value.description = meanings.pop(value.name)
    if meanings:
        raise TypeError(f"{cls.__name__} has no {', '.join(meanings)}")


_FAMILY = {"FAMILY_ASC": "By family name, from A to Z.", "FAMILY_DESC": "By family name, from Z to A."}

_enumerate(
    PatientOrder,
    "How patients are ordered.",
    **_FAMILY,
    BIRTH_DATE_ASC="By birth date, the oldest first.",
    BIRTH_DATE_DESC="By birth date, the youngest first.",
)
_enumerate(PractitionerOrder, "How practitioners are ordered.", **_FAMILY)
_enumerate(
    StartOrder,
    "How things with a start are ordered.",
    START_ASC="By start, the earliest first.",
    START_DESC="By start, the latest first.",
)
_enumerate(
    ClaimOrder,
    "How claims are ordered.",
    CREATED_ASC="By the day they were made, the earliest first.",
    CREATED_DESC="By the day they were made, the latest first.",
)
_enumerate(
    EmergencyOrder,
    "How emergency accesses are ordered.",
    AT_ASC="By when they began, the earliest first.",
    AT_DESC="By when they began, the latest first.",
)
_enumerate(
    EmergencyVerdict,
    "What a reviewer makes of an emergency access.",
    JUSTIFIED="There was an emergency, and the access kept to it.",
    UNJUSTIFIED="There was none, or the access went beyond it.",
    INCONCLUSIVE="It can't be told.",
)
_enumerate(
    ConsentKind,
    "What a provision of a consent does. A denial outweighs any permit.",
    PERMIT="It permits what it names; this counts where a permit is needed.",
    DENY="It forbids what it names.",
    OPT_IN="It makes a permit needed for what it names.",
)
_enumerate(
    Gender,
    "FHIR AdministrativeGender.",
    MALE="Male.",
    FEMALE="Female.",
    OTHER="Neither of the two.",
    UNKNOWN="Not known, or not told.",
)
_enumerate(
    AppointmentStatus,
    "FHIR AppointmentStatus.",
    PROPOSED="Suggested; nobody has agreed to it.",
    PENDING="Some have agreed to it, others have yet to.",
    BOOKED="All have agreed to it.",
    ARRIVED="The patient is there.",
    FULFILLED="It took place.",
    CANCELLED="It was called off before it began.",
    NOSHOW="The patient did not come.",
    ENTERED_IN_ERROR="It should never have been recorded.",
    CHECKED_IN="The patient is there, and all formalities are done.",
    WAITLIST="The patient waits for a time to become free.",
)
_enumerate(
    EncounterStatus,
    "FHIR EncounterStatus.",
    PLANNED="It has not begun.",
    ARRIVED="The patient is there and waits.",
    TRIAGED="The patient was assessed and waits.",
    IN_PROGRESS="It takes place now.",
    ONLEAVE="The patient has left for a while and will be back.",
    FINISHED="It has ended.",
    CANCELLED="It ended before it began.",
    ENTERED_IN_ERROR="It should never have been recorded.",
    UNKNOWN="The source does not know.",
)
_enumerate(
    SlotStatus,
    "FHIR SlotStatus.",
    BUSY="It is booked.",
    FREE="It can be booked.",
    BUSY_UNAVAILABLE="It can't be booked, by the clinic's choice.",
    BUSY_TENTATIVE="It is kept for somebody who has yet to agree.",
    ENTERED_IN_ERROR="It should never have been recorded.",
)
_enumerate(
    CoverageStatus,
    "FHIR FinancialResourceStatusCodes.",
    ACTIVE="It is in force, within its period.",
    CANCELLED="It was ended.",
    DRAFT="It is not in force yet.",
    ENTERED_IN_ERROR="It should never have been recorded.",
)
_enumerate(
    ClaimStatus,
    "Where a claim stands with its payer, after the categories of X12 277.",
    DRAFT="It was not sent yet.",
    SUBMITTED="It was sent; the payer has not answered.",
    ACCEPTED="The payer will decide on it.",
    PENDED="The payer waits for something.",
    PAID="The payer has paid what it will.",
    DENIED="The payer will not pay.",
    CANCELLED="The clinic has taken it back.",
)
_enumerate(
    ClaimType,
    "FHIR ClaimTypeCodes.",
    INSTITUTIONAL="What a hospital or another facility bills (X12 837I).",
    PROFESSIONAL="What a practitioner bills (X12 837P).",
    PHARMACY="Medicines.",
    ORAL="What a dentist bills (X12 837D).",
    VISION="Glasses and what belongs to them.",
)
_enumerate(
    SourceStatus,
    "Whether a source system answers.",
    UP="It answered.",
    DOWN="It can't be reached, or answers with errors.",
    SLOW="It did not answer in time.",
    OFF="It was not asked: an operator has switched it off.",
)
_enumerate(
    Tag,
    "What kind of data a schema coordinate holds. Policies decide tags.",
    PUBLIC="What anyone may know who may know that the record exists.",
    SCHEDULING="When, where and with whom a patient is seen.",
    DEMOGRAPHIC="Name, birth date and what else describes a person.",
    CONTACT="How to reach a person.",
    IDENTIFIER="Numbers that name a person.",
    COVERAGE="Who insures a person, and under which number.",
    FINANCIAL="What was billed, paid and is owed.",
    CLINICAL="Why a person is treated, and how.",
    COMMUNICATION="What a person has said or was told, consents among it.",
    OPERATIONAL="How the systems behind the graph are doing, and which of them a value came from.",
    ACCESS="Who was told something about a person, when, and why.",
)
