"""What the names of the adversarial cases mean here: operations of this schema, personas and people of the population.

The cases are written against any GraphQL endpoint. This file alone says what they are about in this one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from portico.records.references import RecordType
from sandbox.identity.personas import Persona
from sandbox.population.model import Person, Population
from sandbox.population.planted import Planted
from tests.spec.served_world import SchemaText

Q_PATIENT: Final = """query Patient($id: ID!) { patient(id: $id) { __typename id mrn ssn birthDate phone email
  name { family given } address { line city } identifiers { value }
  coverages { edges { node { id memberId payer } } }
  appointments { edges { node { id start reason } } }
  claims { edges { node { id billed { amount } diagnoses { code } } } } } }"""
"""One chart, with everything that hangs off it."""

Q_NODE: Final = "query Node($id: ID!) { node(id: $id) { __typename id ... on Patient { ssn name { family } } } }"
"""The same by the way that takes any id."""

Q_LIST: Final = """query List($first: Int!, $after: String, $filter: PatientFilter) {
  patients(first: $first, after: $after, filter: $filter) {
    edges { cursor node { id ssn name { family } } } pageInfo { hasNextPage endCursor startCursor } } }"""
"""The list of whom the caller may see."""

Q_SLOTS: Final = "{ slots(first: 100) { edges { node { id start end status serviceType { code display } } } } }"
"""The bookable times, which a website shows to anyone."""

Q_PUBLIC: Final = "{ practitioners(first: 5) { edges { node { id npi name { family } } } } }"
"""What anyone who is known may ask for."""

BY_ID: Final = ("node", "patient", "appointment", "claim", "practitioner")
"""The roots that take one id."""

DERIVED: Final[Mapping[str, tuple[str, ...]]] = {
    "Patient.identifiers": ("Patient.ssn", "Patient.mrn"),
    "Claim.billed": ("Claim.lines",),
    "Claim.allowed": ("Claim.lines",),
    "Claim.paid": ("Claim.lines",),
}
"""Coordinates that repeat or sum up others, each with those that it tells something of."""

PERSONAS: Final[Mapping[str, str]] = {
    "P01": "patient",
    "G1": "guardian",
    "DR1": "physician",
    "DR2": "unrelated-physician",
    "NURSE": "unrelated-physician",
    "FRONTDESK": "front-desk",
    "BILLING": "biller",
    "RESEARCH": "researcher",
    "VENDORBOT": "website",
    "ADMIN": "operator",
    "AUDITOR": "auditor",
    "XTENANT": "other-clinic",
}
"""The personas by the cases' names; nobody has a nurse's role, so theirs are a physician's who treats nobody."""

STAFF: Final = ("patient", "guardian", "physician", "front-desk", "biller", "researcher")
"""Everybody who may see anything of anybody."""

PATIENTS: Final[Mapping[str, Planted]] = {
    "P01": Planted.PATIENT,
    "P02": Planted.STRANGER,
    "P03": Planted.RESTRICTED,
    "P04": Planted.DECEASED,
    "P05": Planted.NEARLY_OF_AGE,
    "P06": Planted.ELDER_CHILD,
    "P07": Planted.SENSITIVE,
    "P08": Planted.LIVING_WITH_HIV,
    "P09": Planted.IN_TREATMENT,
    "P10": Planted.LAPSED,
    "P11": Planted.MERGED,
    "P12": Planted.SURVIVOR,
    "P13": Planted.NAMESAKE,
    "P14": Planted.OTHER_NAMESAKE,
    "P15": Planted.PATIENT,
    "P16": Planted.EMPLOYEE,
    "P17": Planted.EXPECTING,
    "P19": Planted.REFERRED,
    "P20": Planted.MARKUP,
}
"""The patients by the cases' names; P15 is of the other tenant."""

UNBOUND: Final[Mapping[str, str]] = {
    "P18": "everybody is synthetic",
}
"""The patients that the population does not have, and why."""

ALSO_P20: Final = (Planted.SPREADSHEET, Planted.SEGMENTED)
"""Names that are a spreadsheet's formula and HL7 delimiters, beside the one that is HTML."""


def guarded_fields(text: SchemaText) -> frozenset[str]:
    """Every coordinate of a record that is more than public, as the schema's own tags say."""
    return frozenset(
        f"{type_.value}.{field}"
        for type_ in RecordType
        if type_.value in text.schema.type_map
        for field, tag in text.fields(type_.value).items()
        if tag != "PUBLIC"
    )


def unrelated_physician(physician: Persona, population: Population) -> Persona:
    """A physician of the same clinic whom nobody knows: neither on a care team nor in a diary."""
    taken = {one.npi for one in population.practitioners}
    npi = next(str(number) for number in range(1_999_999_999, 0, -1) if str(number) not in taken)
    return replace(physician, name="unrelated-physician", subject="usr-unrelated-physician", npi=npi)


def another_patient(patient: Persona, person: Person) -> Persona:
    """A second patient at the portal."""
    return replace(patient, name=f"patient {person.key}", subject=f"usr-{person.key}", patient=person.ehr_id)


def person(population: Population, case_name: str) -> Person:
    """The person behind a case's name of a patient."""
    return next(one for one in population.people if one.key == PATIENTS[case_name])
