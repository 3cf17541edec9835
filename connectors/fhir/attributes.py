"""Every attribute of every record that the EHR serves: which FHIR elements it is built from, and how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeAlias

from connectors.fhir import datatypes, shapes
from connectors.fhir.datatypes import text
from connectors.fhir.mapping import SITE, VISIT, FhirMapping
from connectors.fhir.shapes import CodeableConcept, many, member, one
from portico.records import systems
from portico.records.references import By, RecordType, Reference, SourceName
from portico.records.types import EncounterStatus
from portico.records.values import Coding


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What it takes to read one answer of one source. `base` is the server's base URL with a slash at its end."""

    source: SourceName
    mapping: FhirMapping
    base: str
    retrieved_at: datetime


Read: TypeAlias = Callable[[Any], Any]
"""Reads one attribute of a resource's shape; raises `Malformed` where that can't be read."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """Where an attribute of a record comes from: top-level elements to ask for, and what makes the reader of them."""

    elements: tuple[str, ...]
    reader: Callable[[Reading], Read]


@dataclass(frozen=True, slots=True)
class Resource:
    """How one canonical type is served: the FHIR type, the element that names the patient, and the attributes."""

    type: str
    subject: str | None
    attributes: dict[str, Attribute]
    always: tuple[str, ...] = ()
    judged: tuple[str, ...] = ()
    """The concepts whose codes say how sensitive a resource is; asked for whatever is wanted."""


def _identifier(system: str) -> Attribute:
    def reader(reading: Reading) -> Read:
        canonical = reading.mapping.canonical_systems
        return lambda resource: datatypes.identifier_value(resource.identifier, canonical, system)

    return Attribute(("identifier",), reader)


def _one(name: str, read: Callable[[Any], Any]) -> Attribute:
    """An attribute that is one element, whatever the mapping."""
    element = member(name)
    return Attribute((name,), lambda _: lambda resource: read(element(resource)))


def _word(name: str, words: Callable[[FhirMapping], Mapping[str, Any]], unknown: Any = None) -> Attribute:
    """An attribute that is one code, as the mapping translates it."""
    element = member(name)

    def reader(reading: Reading) -> Read:
        known = words(reading.mapping)
        return lambda resource: known.get(str(element(resource)), unknown)

    return Attribute((name,), reader)


def _reference(name: str, target: RecordType, pick: Callable[[Any], Iterable[Any]]) -> Attribute:
    """The first reference in an element that leads to a resource of this server."""
    element = member(name)

    def reader(reading: Reading) -> Read:
        refer = datatypes.reference_reader(target.value, reading.base)

        def read(resource: Any) -> Reference | None:
            for candidate in pick(element(resource)):
                found = refer(candidate)
                if found is not None:
                    return Reference(target, By.ID, found)
            return None

        return read

    return Attribute((name,), reader)


def _itself(value: Any) -> Iterable[Any]:
    return (value,)


def _each(value: Any) -> Iterable[Any]:
    return many(value, shapes.Reference)


def _individuals(value: Any) -> Iterable[Any]:
    """The individuals of Encounter.participant, who performed first."""
    participants = many(value, shapes.EncounterParticipant)
    performers = [each for each in participants if _performs(each)]
    return (each.individual for each in (*performers, *participants))


def _performs(participant: shapes.EncounterParticipant) -> bool:
    kinds = many(participant.type, CodeableConcept)
    return any(coding.code in ("PPRF", "ATND") for kind in kinds for coding in _codings(kind))


def _codings(concept: Any) -> list[shapes.Coding]:
    return many(one(concept, CodeableConcept).coding, shapes.Coding)


def _places(value: Any) -> Iterable[Any]:
    return (each.location for each in many(value, shapes.EncounterLocation))


def _specialty(value: Any) -> Coding | None:
    return next(iter(datatypes.concepts([each.code for each in many(value, shapes.Qualification)])), None)


def _language(value: Any) -> str | None:
    """The code of the preferred language, else of the first."""
    first = None
    for spoken in many(value, shapes.Communication):
        for coding in _codings(spoken.language):
            code = text(coding.code)
            if code is not None and spoken.preferred is True:
                return code
            first = first or code
    return first


def _deceased(resource: shapes.Patient) -> bool | None:
    if text(resource.deceased_date_time):
        return True
    told = resource.deceased_boolean
    return told if isinstance(told, bool) else None


def _plan(value: Any) -> str | None:
    """The name of a Coverage's plan, else its number."""
    for each in many(value, shapes.CoverageClass):
        if any(kind.code == "plan" for kind in _codings(each.type)):
            return text(each.name) or text(each.value)
    return None


def _member(reading: Reading) -> Read:
    number = _identifier(systems.MEMBER).reader(reading)
    return lambda resource: text(resource.subscriber_id) or number(resource)


def _payer(value: Any) -> str | None:
    return next((name for each in many(value, shapes.Reference) if (name := text(each.display))), None)


def _identifiers(reading: Reading) -> Read:
    canonical = reading.mapping.canonical_systems
    return lambda resource: datatypes.identifiers(resource.identifier, canonical) or None


_NAME: Final = _one("name", datatypes.human_name)
_TITLE: Final = _one("name", text)
_PHONE: Final = _one("telecom", lambda value: datatypes.contact(value, "phone"))
_ADDRESS: Final = _one("address", datatypes.address)
_PERIOD: Final = _one("period", datatypes.period)

RESOURCES: Final[dict[RecordType, Resource]] = {
    RecordType.PATIENT: Resource(
        "Patient",
        None,
        {
            "name": _NAME,
            "birth_date": _one("birthDate", datatypes.day),
            "gender": _word("gender", lambda mapping: mapping.genders),
            "language": _one("communication", _language),
            "deceased": Attribute(("deceased",), lambda _: _deceased),
            "mrn": _identifier(systems.MRN),
            "ssn": _identifier(systems.SSN),
            "identifiers": Attribute(("identifier",), _identifiers),
            "phone": _PHONE,
            "email": _one("telecom", lambda value: datatypes.contact(value, "email")),
            "address": _ADDRESS,
            "general_practitioner": _reference("generalPractitioner", RecordType.PRACTITIONER, _each),
            "managing_organization": _reference("managingOrganization", RecordType.ORGANIZATION, _itself),
        },
    ),
    RecordType.PRACTITIONER: Resource(
        "Practitioner",
        None,
        {
            "name": _NAME,
            "npi": _identifier(systems.NPI),
            "specialty": _one("qualification", _specialty),
            "active": _one("active", lambda value: value if isinstance(value, bool) else None),
        },
    ),
    RecordType.ORGANIZATION: Resource("Organization", None, {"name": _TITLE, "phone": _PHONE, "address": _ADDRESS}),
    RecordType.LOCATION: Resource(
        "Location", None, {"name": _TITLE, "site": _identifier(SITE), "phone": _PHONE, "address": _ADDRESS}
    ),
    RecordType.ENCOUNTER: Resource(
        "Encounter",
        "subject",
        {
            "status": _word("status", lambda mapping: mapping.encounter_statuses, EncounterStatus.UNKNOWN),
            "encounter_class": _one("class", datatypes.coding),
            "service_type": _one("serviceType", datatypes.concept),
            "period": _PERIOD,
            "reasons": _one("reasonCode", lambda value: datatypes.concepts(value) or None),
            "visit": _identifier(VISIT),
            "practitioner": _reference("participant", RecordType.PRACTITIONER, _individuals),
            "location": _reference("location", RecordType.LOCATION, _places),
            "organization": _reference("serviceProvider", RecordType.ORGANIZATION, _itself),
        },
        judged=("type", "serviceType", "reasonCode"),
    ),
    RecordType.COVERAGE: Resource(
        "Coverage",
        "beneficiary",
        {
            "status": _word("status", lambda mapping: mapping.coverage_statuses),
            "payer": _one("payor", _payer),
            "member_id": Attribute(("subscriberId", "identifier"), _member),
            "plan": _one("class", _plan),
            "period": _PERIOD,
        },
    ),
    RecordType.CARE_TEAM_MEMBER: Resource(
        "CareTeam",
        "subject",
        {
            "role": _one("role", lambda value: next(iter(datatypes.concepts(value)), None)),
            "period": _PERIOD,
            "practitioner": _reference("member", RecordType.PRACTITIONER, _itself),
        },
        always=("status", "participant"),
    ),
}
"""Every type that the connector serves. A care team's attributes are read from one participant of it."""
