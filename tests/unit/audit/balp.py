"""IHE Basic Audit Log Patterns, profile PatientQuery, as a table: written from the profile, not from our code.

Each row: a path, how often it must be there, and what it must equal. `agent[TYPE CODE]` and `entity[TYPE CODE]` choose
by the slice's own discriminator.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from typing import Any

DCM = "http://dicom.nema.org/resources/ontology/DCM"
OBJECT_ROLES = "http://terminology.hl7.org/CodeSystem/object-role"
ENTITY_TYPES = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
BALP_TYPES = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientQuery"

ONE, SOME, NONE, MAYBE = (1, 1), (1, 99), (0, 0), (0, 1)
TABLE: list[tuple[str, tuple[int, int], object]] = [
    ("resourceType", ONE, "AuditEvent"),
    ("meta.profile", ONE, PROFILE),
    ("type.system", ONE, "http://terminology.hl7.org/CodeSystem/audit-event-type"),
    ("type.code", ONE, "rest"),
    ("subtype.system", SOME, "http://hl7.org/fhir/restful-interaction"),
    ("subtype.code", SOME, re.compile("search|search-type|search-system")),
    ("action", ONE, "E"),
    ("recorded", ONE, re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")),
    ("outcome", ONE, "0"),
    ("source.observer", ONE, None),
    ("agent", (2, 99), None),
    ("agent[110153]", ONE, None),
    ("agent[110153].type.coding.system", ONE, DCM),
    ("agent[110153].who", ONE, None),
    ("agent[110153].network", ONE, None),
    ("agent[110153].media", NONE, None),
    ("agent[110153].requestor", ONE, None),
    ("agent[110152]", ONE, None),
    ("agent[110152].type.coding.system", ONE, DCM),
    ("agent[110152].who", ONE, None),
    ("agent[110152].network", ONE, None),
    ("agent[110152].media", NONE, None),
    ("agent[110152].requestor", ONE, None),
    ("agent[IRCP]", MAYBE, None),
    ("agent[IRCP].type.coding.system", MAYBE, "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"),
    ("agent[IRCP].who", MAYBE, None),
    ("agent[IRCP].requestor", MAYBE, True),
    ("agent[IRCP].media", NONE, None),
    ("agent[IRCP].network", NONE, None),
    ("entity[2]", ONE, None),
    ("entity[2].type.system", ONE, ENTITY_TYPES),
    ("entity[2].role.system", ONE, OBJECT_ROLES),
    ("entity[2].role.code", ONE, "24"),
    ("entity[2].what", NONE, None),
    ("entity[2].lifecycle", NONE, None),
    ("entity[2].detail", NONE, None),
    ("entity[2].name", NONE, None),
    ("entity[2].query", ONE, None),
    ("entity[XrequestId]", MAYBE, None),
    ("entity[XrequestId].type.system", MAYBE, BALP_TYPES),
    ("entity[XrequestId].what.identifier.value", MAYBE, None),
    ("entity[1]", ONE, None),
    ("entity[1].type.system", ONE, ENTITY_TYPES),
    ("entity[1].role.system", ONE, OBJECT_ROLES),
    ("entity[1].role.code", ONE, "1"),
    ("entity[1].what.type", ONE, "Patient"),
    ("entity[1].what.identifier", ONE, None),
]


def departures(event: Any) -> list[str]:
    """Where an event is not what the profile asks for."""
    return [*_of_table(event), *_of_fhir(event)]


def _of_table(event: Any) -> Iterator[str]:
    for path, (least, most), expected in TABLE:
        found = list(_at(event, path.split(".")))
        if not least <= len(found) <= most:
            yield f"{path}: {len(found)} times"
        for value in found:
            if isinstance(expected, re.Pattern) and not expected.fullmatch(value):
                yield f"{path}: {value}"
            if isinstance(expected, str | bool) and value != expected:
                yield f"{path}: {value}"


def _of_fhir(event: Any) -> Iterator[str]:
    """What R4 asks of any audit event besides."""
    for number, entity in enumerate(event["entity"]):
        if "name" in entity and "query" in entity:
            yield f"entity {number}: both a name and a query (sev-1)"
        if "query" in entity:
            base64.b64decode(entity["query"], validate=True)
    if sum(agent["requestor"] for agent in event["agent"]) != 1:
        yield "agent: not exactly one requestor"
    for path, value in _leaves(event, ""):
        if value in ("", [], {}, None):
            yield f"{path}: empty"
    if not re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", event["id"]):
        yield "id"


def _at(value: Any, steps: list[str]) -> Iterator[Any]:
    if not steps:
        yield from value if isinstance(value, list) else [value]
        return
    name, _, chosen = steps[0].partition("[")
    below = value.get(name) if isinstance(value, dict) else None
    for one in below if isinstance(below, list) else [] if below is None else [below]:
        if not chosen or chosen.rstrip("]") in _codes(one["type"]):
            yield from _at(one, steps[1:])


def _codes(concept: Any) -> list[str]:
    return [coding["code"] for coding in concept.get("coding", [concept])]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _leaves(one, f"{path}.{name}")
    if isinstance(value, list):
        for number, one in enumerate(value):
            yield from _leaves(one, f"{path}[{number}]")
