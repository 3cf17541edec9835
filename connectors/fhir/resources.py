"""FHIR resources, read into canonical records by a reader that is made once for all of an answer.

An attribute that can't be read is None. A resource that is of another type, has no id, or doesn't say plainly about
whom it is and how sensitive, is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Final

from msgspec import UNSET, structs

from connectors.fhir import datatypes, shapes
from connectors.fhir.attributes import RESOURCES, Read, Reading
from connectors.fhir.datatypes import FHIR_ID, Malformed, text
from connectors.fhir.mapping import FhirMapping
from connectors.fhir.shapes import many, member, one
from connectors.making import Make, Origin, maker
from portico.records import sensitivity
from portico.records.references import RecordType
from portico.records.types import Record

_NONE: Final = frozenset[str]()
_NORMAL: Final = frozenset({sensitivity.NORMAL})


@lru_cache(maxsize=1_024)
def wanted_elements(type_: RecordType, attributes: frozenset[str]) -> tuple[str, ...]:
    """The top-level elements to ask for, so that these attributes, the subject and the labels can be read."""
    resource = RESOURCES[type_]
    names = {"id", "meta", *resource.always, *resource.judged}
    if resource.subject is not None:
        names.add(resource.subject)
    if type_ is RecordType.CARE_TEAM_MEMBER:
        return tuple(sorted(names | ({"period"} & attributes)))
    return tuple(
        sorted(names.union(*(each.elements for name, each in resource.attributes.items() if name in attributes)))
    )


def reader(type_: RecordType, attributes: frozenset[str], reading: Reading) -> Callable[[Any], tuple[Record, ...]]:
    """Reads the records that a resource holds: one, or one for each practitioner of a care team in force."""
    make, label = _maker(type_, attributes, reading), labeller(type_, reading.mapping)
    identify = identifier(type_, reading)

    def read(resource: Any) -> tuple[Record, ...]:
        id_, subject = identify(resource)
        return (make(resource, id_, id_, subject, label(resource)),)

    def read_members(resource: shapes.CareTeam) -> tuple[Record, ...]:
        id_, subject = identify(resource)
        labels = label(resource)
        members = care_team(resource, reading)
        return tuple(make(member, f"{id_}.{place}", id_, subject, labels) for place, member in members)

    return read_members if type_ is RecordType.CARE_TEAM_MEMBER else read


def _maker(type_: RecordType, attributes: frozenset[str], reading: Reading) -> Make:
    """Makes records of what their attributes are read from; one that can't be read costs no other."""
    served = RESOURCES[type_].attributes
    reads = {name: each.reader(reading) for name, each in served.items() if name in attributes}
    origin = Origin(source=reading.source, retrieved_at=reading.retrieved_at, mapping_version=reading.mapping.version)
    make = maker(type_, reads, origin)

    def make_anyway(*given: Any) -> Record:
        try:
            return make(*given)
        except Malformed:
            return maker(type_, {name: partial(_spared, read) for name, read in reads.items()}, origin)(*given)

    return make_anyway


def identifier(type_: RecordType, reading: Reading) -> Callable[[Any], tuple[str, str | None]]:
    """Reads a resource's id, and the patient whom it is about (None for types that are about nobody)."""
    served = RESOURCES[type_]
    about = None if served.subject is None else member(served.subject)
    refer = datatypes.reference_reader("Patient", reading.base)

    def identify(resource: Any) -> tuple[str, str | None]:
        id_ = resource.id
        if resource.resource_type != served.type:
            raise Malformed("a resource is of another type than asked for")
        if not isinstance(id_, str) or not FHIR_ID.fullmatch(id_):
            raise Malformed("a resource has no id")
        if about is None:
            return id_, id_ if type_ is RecordType.PATIENT else None
        subject = refer(about(resource))
        if subject is None:
            raise Malformed("a resource doesn't say whom it is about")
        return id_, subject

    return identify


def care_team(resource: shapes.CareTeam, reading: Reading) -> Iterator[tuple[int, shapes.CareTeamParticipant]]:
    """The practitioners of a care team in force, each with their place in it and the team's period as a fallback."""
    if text(resource.status) not in reading.mapping.care_teams_in_force:
        return
    for place, each in enumerate(many(resource.participant, shapes.CareTeamParticipant)):
        if datatypes.reference(each.member, "Practitioner", reading.base) is not None:
            yield place, structs.replace(each, period=resource.period) if each.period is UNSET else each


def labeller(type_: RecordType, mapping: FhirMapping) -> Callable[[Any], frozenset[str]]:
    """Reads the labels that the EHR set, united with those that the resource's codes call for.

    A security label that can't be read may hide anything, so it costs the resource; codes that can't be read
    restrict it.
    """
    if type_ not in sensitivity.LABELLED:
        return lambda resource: _security(resource.meta, mapping) - _NORMAL or _NONE
    judged = [member(name) for name in RESOURCES[type_].judged]

    def label(resource: Any) -> frozenset[str]:
        set_by_source = _security(resource.meta, mapping)
        try:
            said = [coding for concepts in judged for coding in datatypes.codings(concepts(resource))]
        except Malformed:
            said, set_by_source = [], set_by_source | {sensitivity.RESTRICTED}
        codes = [(text(coding.system), text(coding.code)) for coding in said]
        return sensitivity.labels_of(codes, set_by_source=set_by_source)

    return label


def _security(meta: Any, mapping: FhirMapping) -> frozenset[str]:
    security = one(meta, shapes.Meta).security
    if security is None:
        return _NONE
    if not isinstance(security, list):
        raise Malformed("security labels can't be read")
    return frozenset([_security_label(each, mapping) for each in security])


def _security_label(value: Any, mapping: FhirMapping) -> str:
    """The canonical label of a security Coding; one that is not mapped stays as `system|code`."""
    coding = one(value, shapes.Coding)
    system, code = text(coding.system), text(coding.code)
    if code is None:
        raise Malformed("a security label can't be read")
    return mapping.labels.get((system or "", code), f"{system or ''}|{code}")


def _spared(read: Read, resource: Any) -> Any:
    """The value of an attribute; None where it can't be read, which costs no other."""
    try:
        return read(resource)
    except Malformed:
        return None
