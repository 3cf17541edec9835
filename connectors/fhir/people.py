"""Who is who and who cares for whom, as the EHR tells it: material for the crosswalk and the relationships.

A relation opens a chart, so whatever can't be read here makes none: a care team that is not in force, a period that
is no period, a practitioner without an NPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from msgspec import UNSET

from connectors.fhir import datatypes, shapes
from connectors.fhir.attributes import RESOURCES, Reading
from connectors.fhir.datatypes import Malformed
from connectors.fhir.mapping import SITE, VISIT
from connectors.fhir.resources import care_team, identifier, labeller
from connectors.fhir.shapes import many
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


def person(resource: shapes.Patient, reading: Reading) -> Person:
    """A Patient as links are made from it: only identifiers whose meaning is known, only a full birth date."""
    id_, _ = identifier(RecordType.PATIENT, reading)(resource)
    known = {*reading.mapping.own_systems} - {VISIT, SITE}
    identifiers = datatypes.identifiers(resource.identifier, reading.mapping.canonical_systems)
    name = datatypes.human_name(resource.name)
    return Person(
        source=reading.source,
        source_id=id_,
        identifiers=tuple(each for each in identifiers if each.system in known),
        family=name.family if name else None,
        given=" ".join(name.given) or None if name else None,
        birth_date=_birth_date(resource),
        labels=_labels(RecordType.PATIENT, resource, reading),
        deceased=resource.deceased_boolean is True or resource.deceased_date_time is not UNSET,
        deceased_at=_deceased_at(resource),
        replaced_by=_replaced_by(resource, id_, reading),
    )


def sensitive_visit(resource: shapes.Encounter, reading: Reading) -> SensitiveVisit | None:
    """A labelled Encounter as other sources' records of the visit inherit it; None where nothing is to inherit."""
    _, patient = identifier(RecordType.ENCOUNTER, reading)(resource)
    labels = _labels(RecordType.ENCOUNTER, resource, reading) - {sensitivity.NORMAL}
    canonical = reading.mapping.canonical_systems
    visit = datatypes.identifier_value(resource.identifier, canonical, VISIT)
    if not labels or visit is None or patient is None:
        return None
    return SensitiveVisit(source=reading.source, source_id=patient, visit=visit, labels=labels)


def npi(resource: shapes.Practitioner, reading: Reading) -> Mapping[str, str]:
    """A Practitioner's id with their NPI; nothing where they have none, or more than one."""
    id_, _ = identifier(RecordType.PRACTITIONER, reading)(resource)
    canonical = reading.mapping.canonical_systems
    match datatypes.identifier_values(resource.identifier, canonical, systems.NPI):
        case [only]:
            return {id_: only}
        case _:
            return {}


class Relations:
    """Reads relations, with the NPIs of the practitioners that references lead to."""

    def __init__(self, npis: Mapping[str, str], reading: Reading) -> None:
        self._npis = npis
        self._reading = reading

    def of_care_team(self, resource: shapes.CareTeam) -> list[Relation]:
        """The members of a care team in force, each for the time that they and the team have in common."""
        _, patient = identifier(RecordType.CARE_TEAM_MEMBER, self._reading)(resource)
        relations = []
        for _, member in care_team(resource, self._reading):
            party = self._party(member.member)
            try:
                team = datatypes.period(resource.period) or Period()
                own = datatypes.period(member.period) or Period()
            except Malformed:
                continue
            if party is not None and patient is not None:
                start, end = _later(own.start, team.start), _earlier(own.end, team.end)
                relations.append(self._relation(patient, RelationKind.CARE_TEAM, party, start, end))
        return relations

    def of_patient(self, resource: shapes.Patient) -> list[Relation]:
        """A Patient's general practitioners and managing organization."""
        id_, _ = identifier(RecordType.PATIENT, self._reading)(resource)
        parties = (self._party(each) for each in many(resource.general_practitioner, shapes.Reference))
        relations = [self._relation(id_, RelationKind.CARE_TEAM, party) for party in parties if party is not None]
        managing = resource.managing_organization
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


def _birth_date(resource: shapes.Patient) -> str | None:
    try:
        born = datatypes.day(resource.birth_date)
    except Malformed:
        return None
    return born if born is not None and len(born) == _DAY else None


def _labels(type_: RecordType, resource: shapes.Resource, reading: Reading) -> frozenset[str]:
    """A resource's labels; one that can't be read closes what it is about, and costs nobody else's scan."""
    try:
        return labeller(type_, reading.mapping)(resource)
    except Malformed:
        return _UNREADABLE


def _deceased_at(resource: shapes.Patient) -> datetime | None:
    """The first instant of when they may have died; None where it isn't said, or can't be read."""
    if resource.deceased_date_time is UNSET:
        return None
    try:
        died = datatypes.period(shapes.Period(start=resource.deceased_date_time))
    except Malformed:
        return None
    return died.start if died else None


def _replaced_by(resource: shapes.Patient, id_: str, reading: Reading) -> str | None:
    """The record that replaces this one. One that replaces it and can't be told is this one itself: never followed."""
    for each in many(resource.link, shapes.PatientLink):
        if each.type == "replaced-by":
            return datatypes.reference(each.other, RecordType.PATIENT.value, reading.base) or id_
    return None


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
