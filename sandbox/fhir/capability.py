"""What this server says of itself: a FHIR CapabilityStatement, drawn from the table of search parameters."""

from __future__ import annotations

from datetime import date

from fhirclient.models.capabilitystatement import CapabilityStatement

from sandbox.fhir.datatypes import Json
from sandbox.fhir.parameters import PARAMETERS


def statement(*, base: str, token_url: str) -> Json:
    """The CapabilityStatement of one tenant's base, valid by `fhirclient`."""
    endpoints = [{"url": "token", "valueUri": token_url}]
    service = {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "OAuth"}
    security = {
        "service": [{"coding": [service]}],
        "extension": [
            {"url": "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris", "extension": endpoints}
        ],
    }
    draft = {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": date(2024, 1, 1).isoformat(),
        "kind": "instance",
        "implementation": {"description": "A simulated EHR with synthetic people", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["json"],
        "rest": [{"mode": "server", "security": security, "resource": [_resource(type_) for type_ in PARAMETERS]}],
    }
    valid: Json = CapabilityStatement(draft).as_json()  # type: ignore[no-untyped-call]  # fhirclient is not annotated
    return valid


def _resource(type_: str) -> Json:
    return {
        "type": type_,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": [{"name": name, "type": parameter.kind.value} for name, parameter in PARAMETERS[type_].items()],
    }
