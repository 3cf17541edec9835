"""FHIR R4 data types as JSON, and the code systems by which this EHR names things."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from sandbox.population.model import Address, Code

Json = dict[str, Any]
"""A FHIR element or resource in its JSON form."""

MRN: Final = "https://ehr.example/id/mrn"
SSN: Final = "urn:oid:2.16.840.1.113883.4.1"
DRIVERS_LICENSE: Final = "https://ehr.example/id/drivers-license"
MEMBER: Final = "https://ehr.example/id/member"
VISIT: Final = "https://ehr.example/id/visit"
SITE: Final = "https://ehr.example/id/site"
PAYER: Final = "https://ehr.example/id/payer"
NPI: Final = "http://hl7.org/fhir/sid/us-npi"

_TERMINOLOGY: Final = "http://terminology.hl7.org/CodeSystem"
IDENTIFIER_TYPE: Final = f"{_TERMINOLOGY}/v2-0203"
COVERAGE_CLASS: Final = f"{_TERMINOLOGY}/coverage-class"
PARTICIPATION: Final = f"{_TERMINOLOGY}/v3-ParticipationType"
CONFIDENTIALITY: Final = f"{_TERMINOLOGY}/v3-Confidentiality"
SENSITIVITY: Final = f"{_TERMINOLOGY}/v3-ActCode"
OWN_LABEL: Final = "https://ehr.example/label"
CONSENT_SCOPE: Final = f"{_TERMINOLOGY}/consentscope"
DISCLOSURE: Final = f"{_TERMINOLOGY}/v3-ActCode"
PURPOSE: Final = f"{_TERMINOLOGY}/v3-ActReason"

_LABELS: Final = {
    "R": (CONFIDENTIALITY, "R"),
    "V": (CONFIDENTIALITY, "V"),
    "PSY": (SENSITIVITY, "PSY"),
    "HIV": (SENSITIVITY, "HIV"),
    "SUD": (SENSITIVITY, "SUD"),
    "EMP": (SENSITIVITY, "EMP"),
    "RPRO": (OWN_LABEL, "REPRODUCTIVE"),
    "VIP": (OWN_LABEL, "VIP"),
    "minor-confidential": (OWN_LABEL, "MINOR"),
}


def trimmed(element: Json) -> Json:
    """The element without what is absent: FHIR knows neither null nor empty strings nor empty lists."""
    return {name: value for name, value in element.items() if value not in (None, "", [], {})}


def identifier(system: str, value: str | None, type_: str | None = None) -> Json | None:
    """FHIR Identifier; `type_` is a code of HL7 table 0203."""
    if not value:
        return None
    kind = {"coding": [{"system": IDENTIFIER_TYPE, "code": type_}]} if type_ else None
    return trimmed({"type": kind, "system": system, "value": value})


def present(*elements: Json | None) -> list[Json]:
    """Those of the elements that there are."""
    return [element for element in elements if element]


def name(family: str, given: str, prefix: str | None) -> Json:
    """FHIR HumanName, the official one."""
    return trimmed(
        {
            "use": "official",
            "family": family,
            "given": [given] if given else None,
            "prefix": [prefix] if prefix else None,
        }
    )


def telecom(*, phone: str | None = None, email: str | None = None, use: str) -> list[Json]:
    """FHIR ContactPoints."""
    return present(
        {"system": "phone", "value": phone, "use": use} if phone else None,
        {"system": "email", "value": email} if email else None,
    )


def address(value: Address, use: str) -> Json:
    """FHIR Address."""
    return trimmed(
        {
            "use": use,
            "line": [value.line] if value.line else None,
            "city": value.city,
            "state": value.state,
            "postalCode": value.postal_code,
            "country": value.country,
        }
    )


def coding(code: Code) -> Json:
    """FHIR Coding."""
    return trimmed({"system": code.system, "code": code.code, "display": code.display})


def concept(code: Code) -> Json:
    """FHIR CodeableConcept."""
    return trimmed({"coding": [coding(code)], "text": code.display})


def instant(value: datetime) -> str:
    """FHIR dateTime in UTC, to the microsecond where there is one."""
    return value.isoformat().replace("+00:00", "Z")


def period(start: datetime | None, end: datetime | None) -> Json:
    """FHIR Period."""
    return trimmed({"start": instant(start) if start else None, "end": instant(end) if end else None})


def reference(type_: str, id_: str, display: str | None = None) -> Json:
    """FHIR Reference to a resource of this server."""
    return trimmed({"reference": f"{type_}/{id_}", "display": display})


def security(label: str) -> Json:
    """A label as a Coding; what this EHR has no standard code for, it codes in its own system."""
    system, code = _LABELS.get(label, (OWN_LABEL, label))
    return {"system": system, "code": code}


def meta(labels: tuple[str, ...] = ()) -> Json:
    """FHIR Meta with security labels."""
    return trimmed({"versionId": "1", "security": [security(label) for label in labels]})
