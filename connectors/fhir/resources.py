"""FHIR resources, read into canonical records by a plan made once for the attributes wanted.

An attribute that can't be read is None. A resource that is of another type, has no id, or doesn't say plainly about
whom it is and how sensitive, is `Malformed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from connectors.fhir import datatypes
from connectors.fhir.attributes import RESOURCES, Read, Reading
from connectors.fhir.datatypes import FHIR_ID, Json, Malformed, element, elements, text
from connectors.fhir.mapping import FhirMapping
from portico.records import sensitivity
from portico.records.references import RecordId, RecordType
from portico.records.types import RECORD_CLASSES, Record
from portico.records.values import Provenance


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


def records(type_: RecordType, resource: Json, attributes: frozenset[str], reading: Reading) -> tuple[Record, ...]:
    """The records that a resource holds: one, or one for each practitioner of a care team in force."""
    return reader(type_, attributes, reading)(resource)


def reader(
    type_: RecordType, attributes: frozenset[str], reading: Reading
) -> Callable[[Json], tuple[Record, ...]]:
    """`records` for as many resources of one answer as there are."""
    plan = [(name, each.reader(reading)) for name, each in RESOURCES[type_].attributes.items() if name in attributes]
    record_class, source, version = RECORD_CLASSES[type_], reading.source, reading.mapping.version
    identify = identifier(type_, reading)

    def record(resource: Json, id_: str, source_id: str, subject: str | None, labels: frozenset[str]) -> Record:
        try:
            values = {name: read(resource) for name, read in plan}
        except Malformed:
            values = {name: _spared(read, resource) for name, read in plan}
        return record_class(
            id=RecordId(type_, source, id_),
            provenance=Provenance(
                source=source, source_id=source_id, retrieved_at=reading.retrieved_at, mapping_version=version
            ),
            subject=subject,
            labels=labels,
            **values,
        )

    def read(resource: Json) -> tuple[Record, ...]:
        id_, subject = identify(resource)
        labels = labels_of(type_, resource, reading)
        if type_ is not RecordType.CARE_TEAM_MEMBER:
            return (record(resource, id_, id_, subject, labels),)
        return tuple(
            record(member, f"{id_}.{place}", id_, subject, labels) for place, member in care_team(resource, reading)
        )

    return read


def _spared(read: Read, resource: Json) -> Any:
    """The value of an attribute; None where it can't be read, which costs no other."""
    try:
        return read(resource)
    except Malformed:
        return None


def identity(type_: RecordType, resource: Json, reading: Reading) -> tuple[str, str | None]:
    """A resource's id, and the patient whom it is about (None for types that are about nobody)."""
    return identifier(type_, reading)(resource)


def identifier(type_: RecordType, reading: Reading) -> Callable[[Json], tuple[str, str | None]]:
    """`identity` for many resources."""
    served = RESOURCES[type_]
    refer = datatypes.reference_reader("Patient", reading.base)

    def identify(resource: Json) -> tuple[str, str | None]:
        id_ = resource.get("id")
        if resource.get("resourceType") != served.type:
            raise Malformed("a resource is of another type than asked for")
        if not isinstance(id_, str) or not FHIR_ID.fullmatch(id_):
            raise Malformed("a resource has no id")
        if type_ is RecordType.PATIENT:
            return id_, id_
        if served.subject is None:
            return id_, None
        subject = refer(resource.get(served.subject))
        if subject is None:
            raise Malformed("a resource doesn't say whom it is about")
        return id_, subject

    return identify


def care_team(resource: Json, reading: Reading) -> Iterator[tuple[int, Json]]:
    """The practitioners of a care team in force, each with their place in it and the team's period as a fallback."""
    if text(resource.get("status")) not in reading.mapping.care_teams_in_force:
        return
    for place, participant in enumerate(elements(resource.get("participant"))):
        if datatypes.reference(participant.get("member"), "Practitioner", reading.base) is not None:
            yield place, {"period": resource.get("period"), **participant}


def labels_of(type_: RecordType, resource: Json, reading: Reading) -> frozenset[str]:
    """The labels that the EHR set, united with those that the resource's codes call for.

    A security label that can't be read may hide anything, so it costs the resource; codes that can't be read
    restrict it.
    """
    found = _security(resource, reading.mapping)
    if type_ not in sensitivity.LABELLED:
        return found - {sensitivity.NORMAL}
    try:
        said = [each for name in RESOURCES[type_].judged for each in datatypes.codes(resource.get(name))]
    except Malformed:
        said, found = [], found | {sensitivity.RESTRICTED}
    return sensitivity.labels_of(said, set_by_source=found)


def _security(resource: Json, mapping: FhirMapping) -> frozenset[str]:
    security = element(resource.get("meta")).get("security")
    if security is None:
        return frozenset()
    if not isinstance(security, list):
        raise Malformed("security labels can't be read")
    return frozenset(label for each in security if (label := security_label(each, mapping)))


def security_label(coding: Any, mapping: FhirMapping) -> str:
    """The canonical label of a security Coding; one that is not mapped stays as `system|code`."""
    system, code = text(element(coding).get("system")), text(element(coding).get("code"))
    if code is None:
        raise Malformed("a security label can't be read")
    return mapping.labels.get((system or "", code), f"{system or ''}|{code}")
