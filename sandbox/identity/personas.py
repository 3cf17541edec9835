"""Who can be in the demo: people and programs with their roles, purposes of use and places in the population."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sandbox.population.model import Person, Population, Practitioner
from sandbox.population.planted import GUARDIAN_SUBJECT, PHYSICIAN, Planted

PORTAL: Final = "portal"
WORKSTATION: Final = "workstation"
WEBSITE: Final = "website"

_ONE_FACTOR: Final = "aal1"
_TWO_FACTORS: Final = "aal2"
"""How sure a sign-in is: authenticator assurance levels of NIST SP 800-63B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Somebody to be. `purposes` are codes of HL7 v3 PurposeOfUse; `patient` is the EHR's id of who they are there."""

    name: str
    tenant: str
    role: str
    purposes: tuple[str, ...]
    client: str
    subject: str
    kind: str = "person"
    organization: str | None = None
    npi: str | None = None
    patient: str | None = None
    acr: str | None = _TWO_FACTORS


def personas(main: Population, other: Population) -> Mapping[str, Persona]:
    """Every persona by name: all of the main clinic group but `other-clinic`, a physician of the other one."""
    patient = _person(main, Planted.PATIENT)
    cast = (
        _of_portal(main, "patient", patient=patient.ehr_id),
        _of_portal(main, "guardian", subject=GUARDIAN_SUBJECT),
        _physician(main, "physician", "TREAT", "ETREAT"),
        _of_staff(main, "front-desk", "HOPERAT"),
        _of_staff(main, "biller", "HPAYMT"),
        _of_staff(main, "researcher", "HRESCH"),
        _of_staff(main, "auditor", "HOPERAT"),
        _of_staff(main, "privacy-officer", "HOPERAT"),
        _of_staff(main, "operator", "HOPERAT"),
        Persona(
            name="website",
            tenant=main.tenant,
            role="website",
            purposes=("HOPERAT",),
            client=WEBSITE,
            subject="svc-website",
            kind="service",
            acr=None,
        ),
        _physician(other, "other-clinic", "TREAT"),
    )
    return {persona.name: persona for persona in cast}


def _of_portal(population: Population, name: str, *, subject: str | None = None, patient: str | None = None) -> Persona:
    return Persona(
        name=name,
        tenant=population.tenant,
        role=name,
        purposes=("PATRQT",),
        client=PORTAL,
        subject=subject or f"usr-{name}",
        patient=patient,
        acr=_ONE_FACTOR,
    )


def _of_staff(population: Population, name: str, purpose: str) -> Persona:
    return Persona(
        name=name,
        tenant=population.tenant,
        role=name,
        purposes=(purpose,),
        client=WORKSTATION,
        subject=f"usr-{name}",
        organization=population.organizations[0].ehr_id,
    )


def _physician(population: Population, name: str, *purposes: str) -> Persona:
    doctor = _practitioner(population, PHYSICIAN)
    employer = next(each for each in population.organizations if each.key == doctor.organization)
    return Persona(
        name=name,
        tenant=population.tenant,
        role="physician",
        purposes=purposes,
        client=WORKSTATION,
        subject=f"usr-{name}",
        organization=employer.ehr_id,
        npi=doctor.npi,
    )


def _person(population: Population, key: str) -> Person:
    return next(each for each in population.people if each.key == key)


def _practitioner(population: Population, key: str) -> Practitioner:
    return next(each for each in population.practitioners if each.key == key)
