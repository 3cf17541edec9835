"""Who is who and who cares for whom, as the EHR tells it: material for the crosswalk and the relationships.

A relation opens a chart, so whatever can't be read here makes none: a care team that is not in force, a period that
is no period, a practitioner without an NPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from connectors.fhir import datatypes
from connectors.fhir.attributes import RESOURCES, Reading
from connectors.fhir.datatypes import Json, Malformed, elements
from connectors.fhir.mapping import SITE, VISIT
from connectors.fhir.resources import care_team, identity, labels_of
from portico.records import sensitivity, systems
from portico.records.people import Person, Relation, RelationKind, SensitiveVisit
from portico.records.references import RecordType
from portico.records.values import Period

PERSON_ELEMENTS: Final = ("birthDate", "deceased", "id", "identifier", "link", "meta", "name")
TEAM_ELEMENTS: Final = ("id", "participant", "period", "status", "subject")
RELATED_ELEMENTS: Final = ("generalPractitioner", "id", "managingOrganization")
VISIT_ELEMENTS: Final = ("id", "identifier", "meta", "subject", *RESOURCES[RecordType.ENCOUNTER].judged)

_DAY: Final = len("YYYY-MM-DD")
_UNREADABLE: Final = frozenset({"unreadable"})
"""A label for which no one is cleared."""


def person(resource: Json, reading: Reading) -> Person:
    """A Patient as links are made from it: only identifiers whose meaning is known, only a full birth date."""
    id_, _ = identity(RecordType.PATIENT, resource, reading)
    known = {*reading.mapping.own_systems} - {VISIT, SITE}
    identifiers = datatypes.identifiers(resource.get("identifier"), reading.mapping.canonical_systems)
    name = datatypes.human_name(resource.get("name"))
    return Person(
        source=reading.source,
        source_id=id_,
        identifiers=tuple(each for each in identifiers if each.system in known),
        family=name.family if name else None,
        given=" ".join(name.given) or None if name else None,
        birth_date=_birth_date(resource),
        labels=_labels(RecordType.PATIENT, resource, reading),
        deceased=resource.get("deceasedBoolean") is True or "deceasedDateTime" in resource,
        deceased_at=_deceased_at(resource),
        replaced_by=_replaced_by(resource, id_, reading),
    )


def sensitive_visit(resource: Json, reading: Reading) -> SensitiveVisit | None:
    """A labelled Encounter as other sources' records of the visit inherit it; None where nothing is to inherit."""
    _, patient = identity(RecordType.ENCOUNTER, resource, reading)
    labels = _labels(RecordType.ENCOUNTER, resource, reading) - {sensitivity.NORMAL}
    canonical = reading.mapping.canonical_systems
    visits = datatypes.identifier_values(resource.get("identifier"), canonical, VISIT)
    if not labels or not visits or patient is None:
        return None
    return SensitiveVisit(source=reading.source, source_id=patient, visit=visits[0], labels=labels)


def npi(resource: Json, reading: Reading) -> Mapping[str, str]:
    """A Practitioner's id with their NPI; nothing where they have none, or more than one."""
    id_, _ = identity(RecordType.PRACTITIONER, resource, reading)
    canonical = reading.mapping.canonical_systems
    match datatypes.identifier_values(resource.get("identifier"), canonical, systems.NPI):
        case [only]:
            return {id_: only}
        case _:
            return {}


class Relations:
    """Reads relations, with the NPIs of the practitioners that references lead to."""

    def __init__(self, npis: Mapping[str, str], reading: Reading) -> None:
        self._npis = npis
        self._reading = reading

    def of_care_team(self, resource: Json) -> list[Relation]:
        """The members of a care team in force, each for the time that they and the team have in common."""
        _, patient = identity(RecordType.CARE_TEAM_MEMBER, resource, self._reading)
        relations = []
        for _, member in care_team(resource, self._reading):
            party = self._party(member.get("member"))
            try:
                team = datatypes.period(resource.get("period")) or Period()
                own = datatypes.period(member.get("period")) or Period()
            except Malformed:
                continue
            if party is not None and patient is not None:
                start, end = _later(own.start, team.start), _earlier(own.end, team.end)
                relations.append(self._relation(patient, RelationKind.CARE_TEAM, party, start, end))
        return relations

    def of_patient(self, resource: Json) -> list[Relation]:
        """A Patient's general practitioners and managing organization."""
        id_, _ = identity(RecordType.PATIENT, resource, self._reading)
        parties = (self._party(each) for each in elements(resource.get("generalPractitioner")))
        relations = [self._relation(id_, RelationKind.CARE_TEAM, party) for party in parties if party is not None]
        managing = resource.get("managingOrganization")
        organization = datatypes.reference(managing, RecordType.ORGANIZATION.value, self._reading.base)
        if organization is not None:
            relations.append(self._relation(id_, RelationKind.ORGANIZATION, organization))
        return relations

    def _party(self, reference: object) -> str | None:
        id_ = datatypes.reference(reference, RecordType.PRACTITIONER.value, self._reading.base)
        return None if id_ is None else self._npis.get(id_)

    def _relation(
        self, patient: str, kind: RelationKind, party: str, start: datetime | None = None, end: datetime | None = None
    ) -> Relation:
        return Relation(source=self._reading.source, source_id=patient, kind=kind, party=party, start=start, end=end)


def _birth_date(resource: Json) -> str | None:
    try:
        born = datatypes.day(resource.get("birthDate"))
    except Malformed:
        return None
    return born if born is not None and len(born) == _DAY else None


def _labels(type_: RecordType, resource: Json, reading: Reading) -> frozenset[str]:
    """A resource's labels; one that can't be read closes what it is about, and costs nobody else's scan."""
    try:
        return labels_of(type_, resource, reading)
    except Malformed:
        return _UNREADABLE


def _deceased_at(resource: Json) -> datetime | None:
    """The first instant of when they may have died; None where it isn't said, or can't be read."""
    try:
        died = datatypes.period({"start": resource.get("deceasedDateTime")})
    except Malformed:
        return None
    return died.start if died else None


def _replaced_by(resource: Json, id_: str, reading: Reading) -> str | None:
    """The record that replaces this one. One that replaces it and can't be told is this one itself: never followed."""
    for each in elements(resource.get("link")):
        if each.get("type") == "replaced-by":
            return datatypes.reference(each.get("other"), RecordType.PATIENT.value, reading.base) or id_
    return None


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
