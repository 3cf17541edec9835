"""Who is who and who cares for whom, as the EHR tells it: material for the crosswalk and the relationships.

A relation opens a chart, so whatever can't be read here makes none: a care team that is not in force, a period that
is no period, a practitioner without an NPI.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from connectors.fhir import datatypes
from connectors.fhir.attributes import Reading
from connectors.fhir.datatypes import Json, Malformed, elements
from connectors.fhir.mapping import SITE, VISIT
from connectors.fhir.resources import care_team, identity
from portico.records import systems
from portico.records.people import Person, Relation, RelationKind
from portico.records.references import RecordType
from portico.records.values import Period

PERSON_ELEMENTS: Final = ("birthDate", "id", "identifier", "name")
TEAM_ELEMENTS: Final = ("id", "participant", "period", "status", "subject")
RELATED_ELEMENTS: Final = ("generalPractitioner", "id", "managingOrganization")

_DAY: Final = len("YYYY-MM-DD")


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
    )


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


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max((each for each in (one, other) if each is not None), default=None)


def _earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    return min((each for each in (one, other) if each is not None), default=None)
