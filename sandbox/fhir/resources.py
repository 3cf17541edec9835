"""The EHR's view of a population: FHIR R4 resources, each validated by the models of `fhirclient`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhirclient.models.careteam import CareTeam
from fhirclient.models.consent import Consent
from fhirclient.models.coverage import Coverage
from fhirclient.models.encounter import Encounter
from fhirclient.models.location import Location
from fhirclient.models.organization import Organization
from fhirclient.models.patient import Patient
from fhirclient.models.practitioner import Practitioner

from sandbox.fhir.datatypes import (
    CONSENT_SCOPE,
    COVERAGE_CLASS,
    DISCLOSURE,
    DRIVERS_LICENSE,
    MEMBER,
    MRN,
    NPI,
    PARTICIPATION,
    PAYER,
    PURPOSE,
    SITE,
    SSN,
    VISIT,
    Json,
    address,
    coding,
    concept,
    identifier,
    instant,
    meta,
    name,
    period,
    present,
    reference,
    security,
    telecom,
    trimmed,
)
from sandbox.population import model

MODELS: dict[str, Callable[[Json], Any]] = {
    "Patient": Patient,
    "Practitioner": Practitioner,
    "Organization": Organization,
    "Location": Location,
    "Encounter": Encounter,
    "Coverage": Coverage,
    "CareTeam": CareTeam,
    "Consent": Consent,
}
"""The resource types of this EHR, each with the model that every resource passes. Raises `FHIRValidationError`."""


class Chart:
    """Writes a tenant's resources. Whoever the EHR does not know (no `ehr_id`) has none."""

    def __init__(self, population: model.Population) -> None:
        self._population = population
        self._organizations = {each.key: each for each in population.organizations}
        self._locations = {each.key: each for each in population.locations}
        self._practitioners = {each.key: each for each in population.practitioners}
        self._people = {each.key: each.ehr_id for each in population.people}

    def resources(self) -> Iterator[Json]:
        """Every resource of the tenant, valid, in its JSON form."""
        for resource in self._drafts():
            valid: Json = MODELS[resource["resourceType"]](trimmed(resource)).as_json()
            yield valid

    def _drafts(self) -> Iterator[Json]:
        yield from map(self._organization, self._population.organizations)
        yield from map(self._location, self._population.locations)
        yield from map(self._practitioner, self._population.practitioners)
        for person in self._population.people:
            if person.ehr_id is not None:
                yield self._patient(person, person.ehr_id)
                for coverage in person.coverages:
                    yield self._coverage(coverage, person.ehr_id)
                if person.care_team:
                    yield self._care_team(person, person.ehr_id)
        for visit in self._population.visits:
            patient = self._people[visit.person]
            if visit.encounter_id is not None and patient is not None:
                yield self._encounter(visit, visit.encounter_id, patient)
        for consent in self._population.consents:
            patient = self._people[consent.person]
            if patient is not None:
                yield self._consent(consent, patient)

    def _organization(self, organization: model.Organization) -> Json:
        return {
            "resourceType": "Organization",
            "id": organization.ehr_id,
            "meta": meta(),
            "active": True,
            "name": organization.name,
            "telecom": telecom(phone=organization.phone, use="work"),
            "address": [address(organization.address, "work")],
        }

    def _location(self, location: model.Location) -> Json:
        return {
            "resourceType": "Location",
            "id": location.ehr_id,
            "meta": meta(),
            "identifier": present(identifier(SITE, location.site)),
            "status": "active",
            "mode": "instance",
            "name": location.name,
            "telecom": telecom(phone=location.phone, use="work"),
            "address": address(location.address, "work"),
            "managingOrganization": self._organization_reference(location.organization),
        }

    def _practitioner(self, practitioner: model.Practitioner) -> Json:
        return {
            "resourceType": "Practitioner",
            "id": practitioner.ehr_id,
            "meta": meta(),
            "identifier": present(identifier(NPI, practitioner.npi, "NPI")),
            "active": practitioner.active,
            "name": [name(practitioner.family, practitioner.given, practitioner.prefix)],
            "qualification": [{"code": concept(practitioner.specialty)}],
        }

    def _patient(self, person: model.Person, id_: str) -> Json:
        members = (identifier(MEMBER, coverage.member_id, "MB") for coverage in person.coverages)
        return {
            "resourceType": "Patient",
            "id": id_,
            "meta": meta(person.labels),
            "identifier": present(
                identifier(MRN, person.mrn, "MR"),
                identifier(SSN, person.ssn, "SS"),
                identifier(DRIVERS_LICENSE, person.drivers_license, "DL"),
                *members,
            ),
            "active": person.replaced_by is None,
            "name": [name(person.family, person.given, person.prefix)],
            "telecom": telecom(phone=person.phone, email=person.email, use="home"),
            "gender": person.gender,
            "birthDate": person.birth_date,
            **self._death(person),
            "link": self._links(person),
            "address": [address(person.address, "home")],
            "communication": self._communication(person.language),
            "generalPractitioner": self._practitioner_references(person.general_practitioner),
            "managingOrganization": self._organization_reference(person.organization),
        }

    def _death(self, person: model.Person) -> Json:
        if person.deceased_at is not None:
            return {"deceasedDateTime": instant(person.deceased_at)}
        return {"deceasedBoolean": person.deceased}

    def _links(self, person: model.Person) -> list[Json]:
        """Whom this record was merged into, and those that were merged into it."""
        into = self._people.get(person.replaced_by or "")
        merged = [each.ehr_id for each in self._population.people if each.replaced_by == person.key and each.ehr_id]
        links = [{"other": reference("Patient", into), "type": "replaced-by"}] if into else []
        return [*links, *({"other": reference("Patient", each), "type": "replaces"} for each in merged)]

    def _communication(self, language: str) -> list[Json]:
        if not language:
            return []
        code = {"system": "urn:ietf:bcp:47", "code": language}
        return [{"language": {"coding": [code]}, "preferred": True}]

    def _coverage(self, coverage: model.Coverage, patient: str) -> Json:
        plan_class = {"coding": [{"system": COVERAGE_CLASS, "code": "plan"}]}
        return {
            "resourceType": "Coverage",
            "id": coverage.ehr_id,
            "meta": meta(),
            "identifier": present(identifier(MEMBER, coverage.member_id, "MB")),
            "status": coverage.status,
            "subscriberId": coverage.member_id,
            "beneficiary": reference("Patient", patient),
            "period": period(coverage.start, coverage.end),
            "payor": [
                trimmed({"identifier": identifier(PAYER, coverage.payer_code), "display": coverage.payer or "unknown"})
            ],
            "class": [{"type": plan_class, "value": coverage.plan}] if coverage.plan else [],
        }

    def _care_team(self, person: model.Person, patient: str) -> Json:
        return {
            "resourceType": "CareTeam",
            "id": f"ct-{patient}",
            "meta": meta(),
            "status": "active",
            "subject": reference("Patient", patient),
            "participant": [
                {
                    "role": [concept(entry.role)],
                    "member": reference("Practitioner", self._practitioners[entry.practitioner].ehr_id),
                    "period": period(entry.start, entry.end),
                }
                for entry in person.care_team
            ],
        }

    def _encounter(self, visit: model.Visit, id_: str, patient: str) -> Json:
        performer = {"coding": [{"system": PARTICIPATION, "code": "PPRF"}]}
        practitioner = reference("Practitioner", self._practitioners[visit.practitioner].ehr_id)
        location = self._locations[visit.location]
        return {
            "resourceType": "Encounter",
            "id": id_,
            "meta": meta(visit.labels),
            "identifier": present(identifier(VISIT, visit.number, "VN")),
            "status": visit.encounter_status or "unknown",
            "class": coding(visit.encounter_class),
            "serviceType": concept(visit.service),
            "subject": reference("Patient", patient),
            "participant": [{"type": [performer], "individual": practitioner}],
            "period": period(visit.start, visit.end),
            "reasonCode": [concept(reason) for reason in visit.reasons],
            "location": [{"location": reference("Location", location.ehr_id)}],
            "serviceProvider": self._organization_reference(location.organization),
        }

    def _consent(self, consent: model.Consent, patient: str) -> Json:
        scope = {"system": CONSENT_SCOPE, "code": "patient-privacy"}
        category = {"system": DISCLOSURE, "code": "IDSCL"}
        return {
            "resourceType": "Consent",
            "id": consent.ehr_id,
            "meta": meta() | {"lastUpdated": instant(consent.made_at)},
            "status": consent.status,
            "scope": {"coding": [scope]},
            "category": [{"coding": [category]}],
            "patient": reference("Patient", patient),
            "dateTime": instant(consent.made_at),
            "policy": [{"uri": "https://ehr.example/policy/privacy"}],
            "provision": self._rule(consent.rule)
            | trimmed(
                {
                    "period": period(consent.start, consent.end),
                    "provision": [self._rule(each) for each in consent.exceptions],
                }
            ),
        }

    def _rule(self, rule: model.ConsentRule) -> Json:
        """One provision. Those whom it names are recipients of the information."""
        named = [reference("Practitioner", self._practitioners[key].ehr_id) for key in rule.practitioners]
        named += present(*(self._organization_reference(key) for key in rule.organizations))
        role = {"coding": [{"system": PARTICIPATION, "code": "PRCP"}]}
        return trimmed(
            {
                "type": rule.effect,
                "actor": [{"role": role, "reference": each} for each in named],
                "securityLabel": [security(label) for label in rule.labels],
                "purpose": [{"system": PURPOSE, "code": purpose} for purpose in rule.purposes],
            }
        )

    def _organization_reference(self, key: str) -> Json | None:
        organization = self._organizations.get(key)
        return reference("Organization", organization.ehr_id) if organization else None

    def _practitioner_references(self, key: str) -> list[Json]:
        practitioner = self._practitioners.get(key)
        return [reference("Practitioner", practitioner.ehr_id)] if practitioner else []
