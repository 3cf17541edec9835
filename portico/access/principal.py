"""Who asks, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from portico.records.references import Tenant


class Purpose(StrEnum):
    """HL7 v3 PurposeOfUse."""

    TREATMENT = "TREAT"
    PAYMENT = "HPAYMT"
    OPERATIONS = "HOPERAT"
    PATIENT_REQUEST = "PATRQT"
    EMERGENCY = "ETREAT"
    RESEARCH = "HRESCH"
    PUBLIC_HEALTH = "PUBHLTH"
    MARKETING = "HMARKT"


class PrincipalKind(StrEnum):
    """A human being, or a program on its own account."""

    PERSON = "person"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks, as a verified token says. Everything a decision may know of them; nothing is looked up later."""

    subject: str
    kind: PrincipalKind
    tenant: Tenant
    roles: frozenset[str]
    purposes: frozenset[Purpose]
    client: str
    """The client application (`client_id` or `azp`)."""
    organization: str | None = None
    """The EHR's id of the organization that they work for."""
    npi: str | None = None
    """Their National Provider Identifier, if they are a clinician."""
    patients: frozenset[str] = frozenset()
    """The EHR's ids of the patient that they themselves are (SMART's `patient` claim)."""
    acr: str | None = None
    auth_time: int | None = None
    """When they last authenticated, in seconds since the epoch."""
    expires_at: int
    """When the token ends, in seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's principal with the one purpose that it was made for, its id and its deadline.

    `deadline` is a `time.monotonic()` reading in seconds.
    """

    principal: Principal
    purpose: Purpose
    request_id: str
    deadline: float
    switched_off: frozenset[str] = frozenset()
    """The schema coordinates that were off for the tenant when the request came. What is decided for the caller leaves
    them out."""
