"""Audit rows as FHIR R4 AuditEvents after the IHE profile Basic Audit Log Patterns (BALP) 1.1.

An answer of the graph is a query, so a row becomes a PatientQuery event for each patient whom it tells about: never
does one event name two patients. What Portico doesn't record, network addresses, is given as unknown. Sensitivity
labels and what was withheld stay behind.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final
from urllib.parse import urlencode

from fhirclient.models.auditevent import AuditEvent

from portico.access.principal import Purpose
from portico.audit.disclosures import told
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import AuditRow
from portico.records.references import PatientId

Json = dict[str, Any]

PROFILE: Final = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.PatientQuery"

_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-event-type"
_INTERACTIONS: Final = "http://hl7.org/fhir/restful-interaction"
_DICOM: Final = "http://dicom.nema.org/resources/ontology/DCM"
_PARTICIPATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
_REASONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
_ENTITY_TYPES: Final = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLES: Final = "http://terminology.hl7.org/CodeSystem/object-role"
_BALP_ENTITY_TYPES: Final = "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType"
_SOURCE_TYPES: Final = "http://terminology.hl7.org/CodeSystem/security-source-type"
_UUIDS: Final = "urn:ietf:rfc:3986"
_UNKNOWN: Final[Mapping[str, Any]] = {
    "extension": [
        {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"},
    ]
}

_OUTCOMES: Final = {
    Outcome.RELEASED: ("0", "Everything that was asked for and exists."),
    Outcome.PARTIAL: ("0", "Something was masked, withheld, or not to be had from its source."),
    Outcome.REFUSED: ("8", "Nothing was released."),
}
"""FHIR's code and a sentence. Answers in part are successes; the profile is about those alone."""


def audit_event(row: AuditRow, patient: PatientId) -> Json:
    """One event, validated. Raises fhirclient's `FHIRValidationError` where it would be none, which is a bug."""
    entry = row.entry
    outcome, description = _OUTCOMES[entry.outcome]
    event: Json = {
        "resourceType": "AuditEvent",
        "id": f"{entry.tenant}-{row.number}-{patient[:8]}"[:64],
        "type": _coding(_TYPES, "rest", "Restful Operation"),
        "subtype": [_coding(_INTERACTIONS, "search-system", "search-system")],
        "action": "E",
        "recorded": row.recorded_at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "outcome": outcome,
        "outcomeDesc": description,
        "purposeOfEvent": [_purpose(entry)],
        "agent": [_client(entry), _server(), *_user(entry)],
        "source": {
            "site": entry.tenant,
            "observer": {"display": "Portico"},
            "type": [_coding(_SOURCE_TYPES, "4", "Application Server")],
        },
        "entity": [_patient(patient), _query(entry), _transaction(entry), *_told(entry)],
    }
    if outcome == "0":
        event["meta"] = {"profile": [PROFILE]}
    validated: Json = AuditEvent(event).as_json()  # type: ignore[no-untyped-call]  # fhirclient has no types
    return validated


def _coding(system: str, code: str, display: str) -> Json:
    return {"system": system, "code": code, "display": display}


def _concept(system: str, code: str, display: str) -> Json:
    return {"coding": [_coding(system, code, display)]}


def _purpose(entry: AuditEntry) -> Json:
    """The purpose as HL7's code; in words where it is none that we know."""
    if entry.purpose not in Purpose.__members__.values():
        return {"text": entry.purpose}
    return {"coding": [{"system": _REASONS, "code": entry.purpose}]}


def _client(entry: AuditEntry) -> Json:
    """The application that asked: BALP has the query flow from it, so it is the source."""
    agent: Json = {
        "type": _concept(_DICOM, "110153", "Source Role ID"),
        "who": {"identifier": {"value": entry.client}},
        "requestor": entry.kind == "service",
        "network": dict(_UNKNOWN),
    }
    return agent | _rights(entry) if entry.kind == "service" else agent


def _server() -> Json:
    return {
        "type": _concept(_DICOM, "110152", "Destination Role ID"),
        "who": {"display": "Portico"},
        "requestor": False,
        "network": dict(_UNKNOWN),
    }


def _user(entry: AuditEntry) -> list[Json]:
    """The person who asked, if one did."""
    if entry.kind == "service":
        return []
    agent = {
        "type": _concept(_PARTICIPATIONS, "IRCP", "information recipient"),
        "who": {"identifier": {"value": entry.subject}},
        "requestor": True,
    }
    return [agent | _rights(entry)]


def _rights(entry: AuditEntry) -> Json:
    """In which roles and why, and the token's subject."""
    rights: Json = {"altId": entry.subject, "purposeOfUse": [_purpose(entry)]}
    roles = [{"text": role} for role in sorted(entry.roles)]
    return rights | {"role": roles} if roles else rights


def _patient(patient: PatientId) -> Json:
    return {
        "type": _coding(_ENTITY_TYPES, "1", "Person"),
        "role": _coding(_ROLES, "1", "Patient"),
        "what": {"type": "Patient", "identifier": {"system": _UUIDS, "value": f"urn:uuid:{patient}"}},
    }


def _query(entry: AuditEntry) -> Json:
    """What was asked: the document by its digest, since Portico keeps no documents."""
    asked = {"sha256": entry.operation} | ({"operationName": entry.operation_name} if entry.operation_name else {})
    return {
        "type": _coding(_ENTITY_TYPES, "2", "System Object"),
        "role": _coding(_ROLES, "24", "Query"),
        "query": base64.b64encode(urlencode(asked).encode()).decode(),
    }


def _transaction(entry: AuditEntry) -> Json:
    return {
        "type": {"system": _BALP_ENTITY_TYPES, "code": "XrequestId"},
        "what": {"identifier": {"value": entry.request_id}},
    }


def _told(entry: AuditEntry) -> list[Json]:
    """Which fields were released, and from which sources; never a value."""
    details = [{"type": "released", "valueString": name} for name in told(entry)]
    details += [{"type": "source", "valueString": name} for name in sorted(entry.sources)]
    if not details:
        return []
    return [
        {
            "type": _coding(_ENTITY_TYPES, "4", "Other"),
            "role": _coding(_ROLES, "4", "Domain Resource"),
            "name": "released",
            "detail": details,
        }
    ]
