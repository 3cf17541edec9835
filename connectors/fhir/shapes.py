"""What is read of FHIR's JSON, as types: an answer is decoded into these, and all else in it is passed over.

Any JSON fits. Where FHIR has an element or a list of them and something else stands there, that stays the plain value
that it is, and whoever reads it takes it for none, or for malformed: `one` and `many` pick out what is as FHIR has it.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, Generic, TypeAlias, TypeVar

from msgspec import UNSET, MsgspecError, Struct, UnsetType, convert, field, json, structs

_T = TypeVar("_T")

Some: TypeAlias = _T | list[_T | list[Any] | str | int | float | bool | None] | str | int | float | bool | None
"""One element, a list of them, or something else."""


class Shape(Struct, gc=False, rename="camel"):
    """What is read of an element. Members are FHIR's, None where they are absent; plain ones are of any type."""


class Coding(Shape):
    """FHIR Coding."""

    system: Any = None
    code: Any = None
    display: Any = None


class CodeableConcept(Shape):
    """FHIR CodeableConcept."""

    coding: Some[Coding] = []
    text: Any = None


class Meta(Shape):
    """FHIR Meta."""

    security: Some[Coding] = None


class Identifier(Shape):
    """FHIR Identifier."""

    use: Any = None
    type: Some[CodeableConcept] = None
    system: Any = None
    value: Any = None


class Reference(Shape):
    """FHIR Reference."""

    reference: Any = None
    display: Any = None


class Period(Shape):
    """FHIR Period."""

    start: Any = None
    end: Any = None


class HumanName(Shape):
    """FHIR HumanName."""

    use: Any = None
    family: Any = None
    given: Any = None
    prefix: Any = None


class Address(Shape):
    """FHIR Address."""

    use: Any = None
    line: Any = None
    city: Any = None
    state: Any = None
    postal_code: Any = None
    country: Any = None


class ContactPoint(Shape):
    """FHIR ContactPoint."""

    system: Any = None
    value: Any = None
    use: Any = None
    rank: Any = None


class Resource(Shape):
    """What all resources have."""

    id: Any = None
    resource_type: Any = None
    meta: Some[Meta] = None


class Communication(Shape):
    """FHIR Patient.communication."""

    language: Some[CodeableConcept] = None
    preferred: Any = None


class PatientLink(Shape):
    """FHIR Patient.link."""

    other: Some[Reference] = None
    type: Any = None


class Patient(Resource):
    """FHIR Patient."""

    birth_date: Any = None
    gender: Any = None
    identifier: Some[Identifier] = None
    managing_organization: Some[Reference] = None
    name: Some[HumanName] = None
    telecom: Some[ContactPoint] = None
    address: Some[Address] = None
    communication: Some[Communication] = None
    deceased_boolean: Any = None
    deceased_date_time: Any = UNSET
    general_practitioner: Some[Reference] = None
    link: Some[PatientLink] = None


class Qualification(Shape):
    """FHIR Practitioner.qualification."""

    code: Some[CodeableConcept] = None


class Practitioner(Resource):
    """FHIR Practitioner."""

    active: Any = None
    identifier: Some[Identifier] = None
    name: Some[HumanName] = None
    qualification: Some[Qualification] = None


class Organization(Resource):
    """FHIR Organization."""

    name: Any = None
    telecom: Some[ContactPoint] = None
    address: Some[Address] = None


class Location(Resource):
    """FHIR Location."""

    identifier: Some[Identifier] = None
    name: Any = None
    telecom: Some[ContactPoint] = None
    address: Some[Address] = None


class EncounterParticipant(Shape):
    """FHIR Encounter.participant."""

    type: Some[CodeableConcept] = None
    individual: Some[Reference] = None


class EncounterLocation(Shape):
    """FHIR Encounter.location."""

    location: Some[Reference] = None


class Encounter(Resource):
    """FHIR Encounter."""

    class_: Some[Coding] = field(default=None, name="class")
    identifier: Some[Identifier] = None
    location: Some[EncounterLocation] = None
    participant: Some[EncounterParticipant] = None
    period: Some[Period] = None
    reason_code: Some[CodeableConcept] = None
    service_provider: Some[Reference] = None
    service_type: Some[CodeableConcept] = None
    status: Any = None
    subject: Some[Reference] = None
    type: Some[CodeableConcept] = None


class CoverageClass(Shape):
    """FHIR Coverage.class."""

    type: Some[CodeableConcept] = None
    value: Any = None
    name: Any = None


class Coverage(Resource):
    """FHIR Coverage."""

    beneficiary: Some[Reference] = None
    class_: Some[CoverageClass] = field(default=None, name="class")
    identifier: Some[Identifier] = None
    payor: Some[Reference] = None
    period: Some[Period] = None
    status: Any = None
    subscriber_id: Any = None


class CareTeamParticipant(Shape):
    """FHIR CareTeam.participant; `period` is unset where it has none at all."""

    role: Some[CodeableConcept] = None
    member: Some[Reference] = None
    period: Some[Period] | UnsetType = UNSET


class CareTeam(Resource):
    """FHIR CareTeam."""

    participant: Some[CareTeamParticipant] = None
    period: Some[Period] = None
    status: Any = None
    subject: Some[Reference] = None


class Link(Shape):
    """FHIR Bundle.link."""

    relation: Any = None
    url: Any = None


class Found(Shape):
    """FHIR Bundle.entry.search."""

    mode: Any = None


class Entry(Shape, Generic[_T]):
    """FHIR Bundle.entry, with a resource of one type."""

    resource: Some[_T] = None
    search: Some[Found] = None


class Bundle(Shape, Generic[_T]):
    """FHIR Bundle, with resources of one type."""

    resource_type: Any = None
    type: Any = None
    link: Some[Link] = None
    entry: Some[Entry[_T]] = None


SHAPES: Final[dict[str, Any]] = {
    shape.__name__: shape for shape in (Patient, Practitioner, Organization, Location, Encounter, Coverage, CareTeam)
}
"""The types of resources that are read as shapes. Those of any other are read whole."""


def _some(shape: Any) -> Any:
    return Some[shape]  # type: ignore[misc]  # a type that is made from a value


_DECODERS: Final = {type_: json.Decoder(_some(Bundle[shape])) for type_, shape in SHAPES.items()}  # type: ignore[valid-type]  # made from a value too
_DECODER: Final = json.Decoder(_some(Bundle[dict[str, Any]]))
_MEMBERS: Final = {
    each.encode_name: each.name for shape in (*SHAPES.values(), CareTeamParticipant) for each in structs.fields(shape)
}


class NotJson(Exception):
    """An answer is no JSON. Carries nothing of it."""


def decoded(body: bytes, type_: str) -> Any:
    """The Bundle of resources of a type that an answer is, or whatever else it is. Raises `NotJson`."""
    try:
        return _DECODERS.get(type_, _DECODER).decode(body.decode())  # what is passed over is to be UTF-8 too
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        raise NotJson from None


def fitted(value: Any, shape: Any) -> Any:
    """What has been decoded already, as one of a shape, a list of them, or whatever else it is."""
    return convert(value, _some(shape))


def one(value: Any, shape: type[_T]) -> _T:
    """One element; empty where there is none."""
    return value if value.__class__ is shape else shape()


def many(value: Any, shape: type[_T]) -> list[_T]:
    """The elements of a list, without what is none."""
    return [each for each in value if each.__class__ is shape] if value.__class__ is list else []


def member(element: str) -> Callable[[Any], Any]:
    """What gives the member of a shape that goes by this name in FHIR."""
    return attrgetter(_MEMBERS[element])
