"""What a right connector makes of a population: canonical records, people and relations, source by source.

These say in one place what each kind of source is expected to give. Where a source can't know something (billing
holds dates, not instants), it is the expectation here that says what becomes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Final

from portico.records import people, systems, types, values
from portico.records.consent import Consent
from portico.records.people import Relation, RelationKind, SensitiveVisit
from portico.records.references import By, RecordId, RecordType, Reference, SourceName
from portico.records.sensitivity import labels_of
from sandbox.population import model
from tests.contract.true_consents import consents

RETRIEVED: Final = datetime(2026, 1, 1, tzinfo=UTC)
VOUCHING: Final = frozenset({"pending", "booked", "arrived", "fulfilled", "checked-in"})
"""The statuses of appointments that make a practitioner and a patient `scheduled`: a time is set and still stands."""
WINDOW: Final = timedelta(days=30)
"""How long before its start and after its end an appointment vouches."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """All that one source holds."""

    records: tuple[types.Record, ...]
    people: tuple[people.Person, ...]
    relations: tuple[Relation, ...]
    consents: tuple[Consent, ...] = ()
    sensitive_visits: tuple[SensitiveVisit, ...] = ()


def _provenance(source: SourceName, source_id: str) -> values.Provenance:
    return values.Provenance(source=source, source_id=source_id, retrieved_at=RETRIEVED, mapping_version="truth")


def _coding(code: model.Code) -> values.Coding:
    return values.Coding(system=code.system, code=code.code, display=code.display)


def _labels(visit: model.Visit, *codes: model.Code) -> frozenset[str]:
    """What the source flags, and what its codes say."""
    return labels_of(((code.system, code.code) for code in codes), set_by_source=frozenset(visit.labels))


def _address(address: model.Address) -> values.Address:
    return values.Address(
        line=(address.line,),
        city=address.city,
        state=address.state,
        postal_code=address.postal_code,
        country=address.country,
    )


def _money(cents: int | None) -> values.Money | None:
    return None if cents is None else values.Money(amount=Decimal(cents).scaleb(-2), currency="USD")


class _Ehr:
    """The EHR's view: everything clinical and administrative, under the EHR's own ids."""

    def __init__(self, population: model.Population, source: SourceName) -> None:
        self._population = population
        self._source = source
        self._practitioners = {one.key: one for one in population.practitioners}
        self._organizations = {one.key: one for one in population.organizations}
        self._locations = {one.key: one for one in population.locations}
        self._people = {one.key: one for one in population.people if one.ehr_id is not None}

    def _id(self, type_: RecordType, value: str) -> RecordId:
        return RecordId(type_, self._source, value)

    def records(self) -> Iterator[types.Record]:
        yield from (self._organization(one) for one in self._population.organizations)
        yield from (self._location(one) for one in self._population.locations)
        yield from (self._practitioner(one) for one in self._population.practitioners)
        for person in self._people.values():
            yield self._patient(person)
            yield from self._coverages(person)
            yield from self._care_team(person)
        for visit in self._population.visits:
            if visit.encounter_id is not None:
                yield self._encounter(visit, visit.encounter_id)

    def _organization(self, one: model.Organization) -> types.Organization:
        return types.Organization(
            id=self._id(RecordType.ORGANIZATION, one.ehr_id),
            provenance=_provenance(self._source, one.ehr_id),
            name=one.name,
            phone=one.phone,
            address=_address(one.address),
        )

    def _location(self, one: model.Location) -> types.Location:
        return types.Location(
            id=self._id(RecordType.LOCATION, one.ehr_id),
            provenance=_provenance(self._source, one.ehr_id),
            name=one.name,
            site=one.site,
            phone=one.phone,
            address=_address(one.address),
        )

    def _practitioner(self, one: model.Practitioner) -> types.Practitioner:
        return types.Practitioner(
            id=self._id(RecordType.PRACTITIONER, one.ehr_id),
            provenance=_provenance(self._source, one.ehr_id),
            name=values.HumanName(family=one.family, given=(one.given,), prefix=one.prefix),
            npi=one.npi,
            specialty=_coding(one.specialty),
            active=one.active,
        )

    def _identifiers(self, person: model.Person) -> tuple[values.Identifier, ...]:
        license_ = person.drivers_license
        return (
            values.Identifier(system=systems.MRN, value=person.mrn, type="MR"),
            values.Identifier(system=systems.SSN, value=person.ssn, type="SS"),
            *((values.Identifier(system=systems.DRIVERS_LICENSE, value=license_, type="DL"),) if license_ else ()),
            *(values.Identifier(system=systems.MEMBER, value=one.member_id, type="MB") for one in person.coverages),
        )

    def _patient(self, person: model.Person) -> types.Patient:
        ehr_id = person.ehr_id or ""
        practitioner = self._practitioners[person.general_practitioner].ehr_id
        organization = self._organizations[person.organization].ehr_id
        return types.Patient(
            id=self._id(RecordType.PATIENT, ehr_id),
            provenance=_provenance(self._source, ehr_id),
            subject=ehr_id,
            labels=frozenset(person.labels),
            name=values.HumanName(family=person.family, given=(person.given,), prefix=person.prefix),
            birth_date=person.birth_date,
            gender=types.Gender(person.gender),
            language=person.language,
            deceased=person.deceased,
            mrn=person.mrn,
            ssn=person.ssn,
            identifiers=self._identifiers(person),
            phone=person.phone,
            email=person.email,
            address=_address(person.address),
            general_practitioner=Reference(RecordType.PRACTITIONER, By.ID, practitioner),
            managing_organization=Reference(RecordType.ORGANIZATION, By.ID, organization),
        )

    def _coverages(self, person: model.Person) -> Iterator[types.Coverage]:
        for one in person.coverages:
            yield types.Coverage(
                id=self._id(RecordType.COVERAGE, one.ehr_id),
                provenance=_provenance(self._source, one.ehr_id),
                subject=person.ehr_id,
                status=types.CoverageStatus(one.status),
                payer=one.payer,
                member_id=one.member_id,
                plan=one.plan,
                period=values.Period(start=one.start, end=one.end),
            )

    def _care_team(self, person: model.Person) -> Iterator[types.CareTeamMember]:
        for place, one in enumerate(person.care_team):
            name = f"{person.ehr_id}-{place}"
            yield types.CareTeamMember(
                id=self._id(RecordType.CARE_TEAM_MEMBER, name),
                provenance=_provenance(self._source, name),
                subject=person.ehr_id,
                role=_coding(one.role),
                period=values.Period(start=one.start, end=one.end),
                practitioner=Reference(RecordType.PRACTITIONER, By.ID, self._practitioners[one.practitioner].ehr_id),
            )

    def _encounter(self, visit: model.Visit, encounter_id: str) -> types.Encounter:
        location = self._locations[visit.location]
        organization = self._organizations[location.organization]
        practitioner = self._practitioners[visit.practitioner]
        return types.Encounter(
            id=self._id(RecordType.ENCOUNTER, encounter_id),
            provenance=_provenance(self._source, encounter_id),
            subject=self._people[visit.person].ehr_id,
            labels=_labels(visit, visit.service, *visit.reasons),
            status=types.EncounterStatus(visit.encounter_status or ""),
            encounter_class=_coding(visit.encounter_class),
            service_type=_coding(visit.service),
            period=values.Period(start=visit.start, end=visit.end),
            reasons=tuple(_coding(code) for code in visit.reasons) or None,
            visit=visit.number,
            practitioner=Reference(RecordType.PRACTITIONER, By.ID, practitioner.ehr_id),
            location=Reference(RecordType.LOCATION, By.ID, location.ehr_id),
            organization=Reference(RecordType.ORGANIZATION, By.ID, organization.ehr_id),
        )

    def people(self) -> Iterator[people.Person]:
        for person in self._people.values():
            yield people.Person(
                source=self._source,
                source_id=person.ehr_id or "",
                identifiers=self._identifiers(person),
                family=person.family,
                given=person.given,
                birth_date=person.birth_date,
                labels=frozenset(person.labels),
                deceased=person.deceased,
                deceased_at=person.deceased_at,
                replaced_by=self._people[person.replaced_by].ehr_id if person.replaced_by in self._people else None,
            )

    def sensitive_visits(self) -> Iterator[SensitiveVisit]:
        for visit in self._population.visits:
            labels = _labels(visit, visit.service, *visit.reasons) - {"N"}
            if visit.encounter_id is not None and labels:
                patient = self._people[visit.person].ehr_id or ""
                yield SensitiveVisit(source=self._source, source_id=patient, visit=visit.number, labels=labels)

    def relations(self) -> Iterator[Relation]:
        for person in self._people.values():
            practitioner = self._practitioners[person.general_practitioner].npi
            organization = self._organizations[person.organization].ehr_id
            patient = person.ehr_id or ""
            yield Relation(source=self._source, source_id=patient, kind=RelationKind.CARE_TEAM, party=practitioner)
            yield Relation(source=self._source, source_id=patient, kind=RelationKind.ORGANIZATION, party=organization)
            for one in person.care_team:
                yield Relation(
                    source=self._source,
                    source_id=patient,
                    kind=RelationKind.CARE_TEAM,
                    party=self._practitioners[one.practitioner].npi,
                    start=one.start,
                    end=one.end,
                )


def ehr_truth(population: model.Population, source: SourceName) -> Truth:
    """What the FHIR connector is to give."""
    ehr = _Ehr(population, source)
    return Truth(
        records=tuple(ehr.records()),
        people=tuple(ehr.people()),
        relations=tuple(ehr.relations()),
        consents=tuple(consents(population, source)),
        sensitive_visits=tuple(ehr.sensitive_visits()),
    )


class _Scheduling:
    """The scheduling vendor's view: appointments and slots, patients as clients."""

    def __init__(self, population: model.Population, source: SourceName) -> None:
        self._population = population
        self._source = source
        self._npis = {one.key: one.npi for one in population.practitioners}
        self._sites = {one.key: one.site for one in population.locations}
        self._clients = {one.key: one.scheduling for one in population.people if one.scheduling is not None}

    def records(self) -> Iterator[types.Record]:
        for visit in self._population.visits:
            if visit.appointment_id is not None and visit.person in self._clients:
                yield self._appointment(visit, visit.appointment_id)
        yield from (self._slot(slot) for slot in self._population.slots)

    def _appointment(self, visit: model.Visit, appointment_id: str) -> types.Appointment:
        return types.Appointment(
            id=RecordId(RecordType.APPOINTMENT, self._source, appointment_id),
            provenance=_provenance(self._source, appointment_id),
            subject=self._clients[visit.person].id,
            labels=_labels(visit, visit.service),
            start=visit.start,
            end=visit.end,
            status=types.AppointmentStatus(visit.appointment_status),
            service_type=_coding(visit.service),
            reason=visit.reason or None,
            visit=visit.number,
            practitioner=Reference(RecordType.PRACTITIONER, By.NPI, self._npis[visit.practitioner]),
            location=Reference(RecordType.LOCATION, By.SITE, self._sites[visit.location]),
        )

    def _slot(self, slot: model.Slot) -> types.Slot:
        return types.Slot(
            id=RecordId(RecordType.SLOT, self._source, slot.id),
            provenance=_provenance(self._source, slot.id),
            start=slot.start,
            end=slot.end,
            status=types.SlotStatus(slot.status),
            service_type=_coding(slot.service),
            practitioner=Reference(RecordType.PRACTITIONER, By.NPI, self._npis[slot.practitioner]),
            location=Reference(RecordType.LOCATION, By.SITE, self._sites[slot.location]),
        )

    def people(self) -> Iterator[people.Person]:
        for alias in self._clients.values():
            yield _alias_person(alias, self._source)

    def relations(self) -> Iterator[Relation]:
        for visit in self._population.visits:
            if visit.appointment_id is None or visit.appointment_status not in VOUCHING:
                continue
            yield Relation(
                source=self._source,
                source_id=self._clients[visit.person].id,
                kind=RelationKind.SCHEDULED,
                party=self._npis[visit.practitioner],
                start=visit.start - WINDOW,
                end=visit.end + WINDOW,
            )


def _alias_person(alias: model.Alias, source: SourceName) -> people.Person:
    return people.Person(
        source=source,
        source_id=alias.id,
        identifiers=(
            *((values.Identifier(system=systems.MRN, value=alias.mrn, type="MR"),) if alias.mrn else ()),
            *((values.Identifier(system=systems.MEMBER, value=alias.member_id, type="MB"),) if alias.member_id else ()),
        ),
        family=alias.family,
        given=alias.given,
        birth_date=alias.birth_date,
    )


def scheduling_truth(population: model.Population, source: SourceName) -> Truth:
    """What the scheduling connector is to give."""
    vendor = _Scheduling(population, source)
    return Truth(records=tuple(vendor.records()), people=tuple(vendor.people()), relations=tuple(vendor.relations()))


def billing_truth(population: model.Population, source: SourceName) -> Truth:
    """What the billing connector is to give. It holds no relations."""
    subscribers = {one.key: one.billing for one in population.people if one.billing is not None}
    npis = {one.key: one.npi for one in population.practitioners}
    members = {held.key: held.member_id for one in population.people for held in one.coverages}
    claims = tuple(
        _claim(visit, visit.claim, source, subscribers[visit.person].id, npis[visit.practitioner], members)
        for visit in population.visits
        if visit.claim is not None and visit.person in subscribers
    )
    return Truth(
        records=claims,
        people=tuple(_alias_person(alias, source) for alias in subscribers.values()),
        relations=(),
    )


def _total(amounts: list[int | None]) -> values.Money | None:
    known = [amount for amount in amounts if amount is not None]
    return _money(sum(known)) if known else None


def _claim(
    visit: model.Visit,
    claim: model.Claim,
    source: SourceName,
    subscriber: str,
    npi: str,
    members: dict[str, str],
) -> types.Claim:
    return types.Claim(
        id=RecordId(RecordType.CLAIM, source, claim.number),
        provenance=_provenance(source, claim.number),
        subject=subscriber,
        labels=_labels(visit, *claim.diagnoses, *(line.service for line in claim.lines)),
        status=types.ClaimStatus(claim.status),
        claim_type=types.ClaimType(claim.claim_type),
        created=claim.created,
        service_period=values.Period(start=_midnight(visit.start), end=_midnight(visit.end)),
        diagnoses=tuple(_coding(code) for code in claim.diagnoses),
        lines=tuple(_line(number, line, visit) for number, line in enumerate(claim.lines, start=1)),
        billed=_total([line.billed_cents for line in claim.lines]),
        allowed=_total([line.allowed_cents for line in claim.lines]),
        paid=_total([line.paid_cents for line in claim.lines]),
        patient_responsibility=_money(claim.patient_responsibility_cents),
        visit=visit.number,
        provider=Reference(RecordType.PRACTITIONER, By.NPI, npi),
        coverage=Reference(RecordType.COVERAGE, By.MEMBER, members[claim.coverage]) if claim.coverage else None,
    )


def _midnight(instant: datetime) -> datetime:
    return datetime.combine(instant.date(), time(), UTC)


def _line(number: int, line: model.ClaimLine, visit: model.Visit) -> values.ClaimLine:
    return values.ClaimLine(
        number=number,
        service=_coding(line.service),
        service_date=visit.start.date().isoformat(),
        units=line.units,
        billed=_money(line.billed_cents),
        allowed=_money(line.allowed_cents),
        paid=_money(line.paid_cents),
    )
