"""The world that all others are made from: a small population, with all else that may be hidden from somebody.

Few enough of everything that thousands of questions take seconds; planted people of every kind, so that each line of
the policy table hides something and shows something.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from portico.audit.entry import AuditEntry, Outcome
from portico.records.consent import Consent, ConsentKind, Provision
from portico.records.references import PORTICO, PatientId, RecordType, Tenant
from portico.records.types import EmergencyVerdict
from portico.store.consents import KeptConsent
from portico.store.emergency import AccessId, EmergencyAccess
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.house import EHR, MemoryHouse
from tests.worlds.clinic import EPOCH, Clinic, World

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
BASE_SIZE: Final = 37
"""Patients of the main clinic group."""
NEIGHBOURS: Final = 8
"""Those of the other one."""
VISITS_EACH: Final = 2
VISITS_OF_THE_PATIENT: Final = 5
SLOTS: Final = 16
PHYSICIAN, COLLEAGUE = "usr-physician", "usr-night-doctor"

_REFUSED: Final = {
    Planted.UNSCHEDULED: "CONTACT",
    Planted.APOSTROPHE: "DEMOGRAPHIC",
    Planted.REFERRED: "FINANCIAL",
    Planted.SPREADSHEET: "SCHEDULING",
    Planted.NAMESAKE: "CLINICAL",
}
"""Who has denied one class of data to everybody."""


def scenery(house: MemoryHouse) -> World:
    """The world in its plainest form, of a house's own populations."""
    main, other = (Clinic.of(house, tenant) for tenant in (RIVERBEND, HARBOR))
    people = house.populations[RIVERBEND].people
    ids = {one.key: main.linked[EHR, one.ehr_id].patient for one in people if one.ehr_id}
    neighbours = {link.patient: id_ for (source, id_), link in other.linked.items() if source == EHR}
    for patient in sorted(neighbours, key=lambda one: neighbours[one])[NEIGHBOURS:]:
        other = other.without(patient)
    now = datetime.now(EPOCH.tzinfo).replace(second=0, microsecond=0)
    main = replace(
        _fewer(main, ids[Planted.PATIENT]),
        consents=main.consents | set(_refusals(main, ids)),
        kept=dict(_kept(ids)),
        emergencies={str(one.id): one for one in _emergencies(ids, now)},
        exclusions={(ids["person-1"], "subject usr-biller"): (None, None), (ids["person-2"], "npi 1"): (None, None)},
        told=tuple(_told(RIVERBEND, ids)),
    )
    return {RIVERBEND: main, HARBOR: _fewer(other, None)}


def _fewer(clinic: Clinic, favourite: PatientId | None) -> Clinic:
    """The clinic with some visits of everybody, labelled ones before others, and some slots."""
    visits: defaultdict[PatientId | None, set[str]] = defaultdict(set)
    for record in clinic.records.values():
        if getattr(record, "visit", None):
            visits[clinic.patient(record)].add(str(getattr(record, "visit", None)))
    labelled = {one.visit for one in clinic.visits}
    kept = {
        visit
        for patient, numbers in visits.items()
        for visit in sorted(numbers, key=lambda one: (one not in labelled, one))[
            : VISITS_OF_THE_PATIENT if patient == favourite else VISITS_EACH
        ]
    }
    slots = sorted(id_ for id_ in clinic.records if id_.type is RecordType.SLOT)[SLOTS:]
    gone = {id_ for id_, one in clinic.records.items() if (getattr(one, "visit", None) or "") not in {"", *kept}}
    return replace(
        clinic, records={id_: one for id_, one in clinic.records.items() if id_ not in gone and id_ not in slots}
    )


def _refusals(clinic: Clinic, ids: Mapping[str, PatientId]) -> Iterator[Consent]:
    charts = {link.patient: id_ for (source, id_), link in clinic.linked.items() if source == EHR}
    for number, (key, tag) in enumerate(_REFUSED.items()):
        yield Consent(
            source=EHR,
            source_id=charts[ids[key]],
            consent_id=f"con-r{number}",
            provision=Provision(kind=ConsentKind.DENY, tags=frozenset({tag})),
        )


def _kept(ids: Mapping[str, PatientId]) -> Iterator[tuple[str, tuple[PatientId, KeptConsent]]]:
    """Consents that were recorded here: one in force, one that was revoked."""
    made = [
        (Planted.PATIENT, Provision(kind=ConsentKind.PERMIT, purposes=frozenset({"HRESCH"})), None),
        (Planted.PATIENT, Provision(kind=ConsentKind.DENY, purposes=frozenset({"HMARKT"})), EPOCH),
        (Planted.NEARLY_OF_AGE, Provision(kind=ConsentKind.DENY, labels=frozenset({"RPRO"})), None),
        (Planted.STRANGER, Provision(kind=ConsentKind.OPT_IN, purposes=frozenset({"TREAT"})), EPOCH),
    ]
    for number, (key, provision, revoked_at) in enumerate(made):
        id_ = f"00000000-0000-4000-8000-00000000c{number:03}"
        consent = Consent(source=PORTICO, source_id=ids[key], consent_id=id_, provision=provision)
        yield id_, (ids[key], KeptConsent(consent=consent, recorded_at=EPOCH, recorded_by=key, revoked_at=revoked_at))


def _emergencies(ids: Mapping[str, PatientId], now: datetime) -> Iterator[EmergencyAccess]:
    """Some of the physician's, in force and over, and some of somebody else's."""
    told = [
        (PHYSICIAN, Planted.STRANGER, True),
        (PHYSICIAN, Planted.RESTRICTED, True),
        (PHYSICIAN, Planted.REFUSING_CLINIC, True),
        (PHYSICIAN, Planted.IN_TREATMENT, True),
        (PHYSICIAN, Planted.DECEASED, False),
        (COLLEAGUE, Planted.PATIENT, True),
        (COLLEAGUE, Planted.PATIENT, False),
        (COLLEAGUE, Planted.ELDER_CHILD, False),
        (COLLEAGUE, Planted.NEARLY_OF_AGE, True),
        (COLLEAGUE, "person-1", False),
    ]
    for number, (subject, key, lasts) in enumerate(told):
        started_at = now - timedelta(minutes=30 if lasts else 900 + number)
        reviewed = not lasts
        yield EmergencyAccess(
            id=AccessId(f"00000000-0000-4000-8000-00000000e{number:03}"),
            subject=subject,
            roles=frozenset({"physician"}),
            patient=ids[key],
            reason=f"Found unconscious, {number}",
            started_at=started_at,
            ends_at=started_at + timedelta(days=1 if lasts else 0, minutes=60),
            reviewed_at=EPOCH if reviewed else None,
            reviewer="usr-privacy-officer" if reviewed else None,
            verdict=EmergencyVerdict.JUSTIFIED if reviewed else None,
            note="Called back" if reviewed else None,
        )


def _told(tenant: Tenant, ids: Mapping[str, PatientId]) -> Iterator[AuditEntry]:
    """A trail: who was told what of whom, some of it labelled, some refused."""
    rows = [
        ("biller", "HPAYMT", (Planted.PATIENT, Planted.STRANGER), ""),
        ("physician", "TREAT", (Planted.PATIENT,), ""),
        ("physician", "TREAT", (Planted.NEARLY_OF_AGE,), "RPRO"),
        ("physician", "TREAT", (Planted.SENSITIVE, Planted.ELDER_CHILD), "PSY"),
        ("researcher", "HRESCH", (Planted.PATIENT, Planted.ELDER_CHILD, Planted.LAPSED), ""),
        ("front-desk", "HOPERAT", (Planted.RESTRICTED,), "VIP"),
        ("physician", "ETREAT", (Planted.PATIENT,), "V"),
        ("front-desk", "HOPERAT", (Planted.YOUNGER_CHILD, Planted.NEARLY_OF_AGE), ""),
        ("biller", "HPAYMT", (Planted.DECEASED,), ""),
        ("physician", "TREAT", (Planted.IN_TREATMENT,), "SUD"),
    ]
    for number, (role, purpose, keys, label) in enumerate(rows):
        yield AuditEntry(
            tenant=tenant,
            request_id=f"request-{number}",
            subject=f"usr-{role}",
            kind="person",
            roles=frozenset({role}),
            purpose=purpose,
            client="workstation",
            operation="0" * 64,
            patients=frozenset(ids[key] for key in keys),
            released=frozenset({"Patient.id", "Patient.gender"} | ({"Claim.paid"} if number % 2 else set())),
            masked=frozenset({"Patient.ssn"} if number % 3 else set()),
            sources=frozenset({"ehr", "billing"} if number % 2 else {"ehr"}),
            labels=frozenset({label} - {""}),
            policy_revision="0",
            outcome=Outcome.RELEASED if number % 3 else Outcome.PARTIAL,
            at=EPOCH,
        )
