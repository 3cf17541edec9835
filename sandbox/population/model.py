"""The truth: people, visits and claims of one clinic group, before any source system distorts them.

Keys (`person.key`) are the truth's own and appear in no source. Every source gives its own ids. What a source knows
differently (a misspelt name, a missing identifier) is an `Alias`. Instants are aware and in UTC, dates YYYY-MM-DD,
amounts whole cents of US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """A code of a code system."""

    system: str
    code: str
    display: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A postal address in the United States."""

    line: str
    city: str
    state: str
    postal_code: str
    country: str = "US"


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """A clinic of the group. The EHR knows it as `ehr_id`."""

    key: str
    ehr_id: str
    name: str
    phone: str
    address: Address


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """A site where visits happen: `site` is the group's code for it, known to EHR and scheduling."""

    key: str
    ehr_id: str
    site: str
    name: str
    phone: str
    address: Address
    organization: str
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Practitioner:
    """A clinician. All sources know the NPI; the EHR and the scheduling vendor have ids of their own besides."""

    key: str
    ehr_id: str
    provider_id: str
    npi: str
    family: str
    given: str
    prefix: str
    specialty: Code
    organization: str
    active: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Alias:
    """How the scheduling vendor or the billing system knows a person: its own id and its own idea of who it is."""

    id: str
    family: str
    given: str
    birth_date: str | None
    mrn: str | None
    member_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CareTeamEntry:
    """A practitioner's part in a person's care."""

    practitioner: str
    role: Code
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """A person's insurance, as the EHR has it."""

    key: str
    ehr_id: str
    payer: str
    payer_code: str
    member_id: str
    plan: str
    status: str
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient. `ehr_id` None: the EHR does not know this person; an alias None: that source does not."""

    key: str
    ehr_id: str | None
    scheduling: Alias | None
    billing: Alias | None
    family: str
    given: str
    prefix: str | None
    birth_date: str
    gender: str
    language: str
    deceased: bool
    mrn: str
    ssn: str
    drivers_license: str | None
    phone: str
    email: str
    address: Address
    organization: str
    general_practitioner: str
    care_team: tuple[CareTeamEntry, ...]
    coverages: tuple[Coverage, ...]
    labels: tuple[str, ...] = ()
    deceased_at: datetime | None = None
    replaced_by: str | None = None
    """The person into whose record the EHR has merged this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLine:
    """A billed service."""

    service: Code
    units: int
    billed_cents: int
    allowed_cents: int | None
    paid_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim of the billing system. `status` is canonical (portico's ClaimStatus words); billing has its own codes."""

    number: str
    claim_type: str
    status: str
    created: str
    diagnoses: tuple[Code, ...]
    lines: tuple[ClaimLine, ...]
    coverage: str | None
    patient_responsibility_cents: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One visit: an appointment at the vendor, and where it came to that, an encounter in the EHR and a claim.

    A further claim for the same visit is an entry of its own with the same number, no appointment and no encounter.
    Statuses are canonical words of FHIR; every source has its own codes for them.
    """

    key: str
    number: str
    """The visit number that all sources share: `V-000123`."""
    person: str
    practitioner: str
    location: str
    start: datetime
    end: datetime
    service: Code
    reason: str
    reasons: tuple[Code, ...]
    appointment_id: str | None
    appointment_status: str
    encounter_id: str | None
    encounter_status: str | None
    encounter_class: Code
    claim: Claim | None
    labels: tuple[str, ...] = ()
    """Labels that every source sets by itself; what codes alone tell isn't here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A bookable time at the scheduling vendor."""

    id: str
    practitioner: str
    location: str
    start: datetime
    end: datetime
    status: str
    service: Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardianship:
    """`guardian` is the token subject of a person who acts for the child; kept by Portico itself."""

    guardian: str
    child: str
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRule:
    """What a consent permits or denies: empty is every purpose, label and party."""

    effect: str
    """`permit` or `deny`."""
    purposes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    practitioners: tuple[str, ...] = ()
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent:
    """A consent as the EHR keeps it: a rule with exceptions. `status` is a word of FHIR."""

    ehr_id: str
    person: str
    status: str
    made_at: datetime
    rule: ConsentRule
    exceptions: tuple[ConsentRule, ...] = ()
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """Everything about one tenant."""

    tenant: str
    organizations: tuple[Organization, ...]
    locations: tuple[Location, ...]
    practitioners: tuple[Practitioner, ...]
    people: tuple[Person, ...]
    visits: tuple[Visit, ...]
    slots: tuple[Slot, ...]
    guardianships: tuple[Guardianship, ...] = ()
    consents: tuple[Consent, ...] = ()
