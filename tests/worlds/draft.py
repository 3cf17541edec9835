"""A world that is being changed: the same as a `Clinic`, but not for good."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from portico.audit.entry import AuditEntry
from portico.records.consent import Consent
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PatientId, RecordId, RecordType, Tenant
from portico.records.types import Record
from portico.store.consents import KeptConsent
from portico.store.crosswalk import Link, PersonFacts
from portico.store.emergency import EmergencyAccess
from portico.store.grants import GuardianKind
from tests.changed import replace
from tests.worlds.clinic import Clinic, Key, Term, World

Told = TypeVar("Told", Relation, SensitiveVisit, Consent)


@dataclass(slots=True)
class Draft:
    """One tenant, to be changed. `gone` are patients who are taken out at the end, with all that is about them."""

    records: dict[RecordId, Record]
    linked: dict[Key, Link]
    people: dict[Key, PersonFacts]
    relations: set[Relation]
    visits: set[SensitiveVisit]
    consents: set[Consent]
    guardianships: dict[tuple[PatientId, str], tuple[GuardianKind, Any, Any]]
    exclusions: dict[tuple[PatientId, str], Term]
    kept: dict[str, tuple[PatientId, KeptConsent]]
    emergencies: dict[str, EmergencyAccess]
    told: list[AuditEntry]
    gone: set[PatientId]

    @classmethod
    def of(cls, clinic: Clinic) -> Draft:
        """A clinic as it is."""
        copies: dict[str, Any] = {name: getattr(clinic, name) for name in _SHARED}
        kinds = {"relations": set, "visits": set, "consents": set, "told": list}
        return cls(**{name: kinds.get(name, dict)(held) for name, held in copies.items()}, gone=set())

    def alter(self, id_: RecordId, **values: Any) -> None:
        """Change a record, if it is still there."""
        if id_ in self.records:
            self.records[id_] = replace(self.records[id_], **values)

    def clinic(self, base: Clinic) -> Clinic:
        """The clinic that it has become."""
        changed: dict[str, Any] = {name: getattr(self, name) for name in _SHARED}
        sets = {name: frozenset(changed[name]) for name in ("relations", "visits", "consents")}
        done = replace(base, **{**changed, **sets, "told": tuple(self.told)})
        for patient in sorted(self.gone):
            done = done.without(patient)
        return done

    def copy_patient(self, patient: PatientId, ending: str) -> PatientId:
        """Add another patient like this one, with ids of their own; returns their canonical id."""
        new = PatientId(patient[: -len(ending)] + ending)
        keys = {key: link for key, link in self.linked.items() if link.patient == patient}
        renamed = {key: (key[0], f"{key[1]}{ending}") for key in keys}
        for key, link in keys.items():
            self.linked[renamed[key]] = replace(link, patient=new, source_id=renamed[key][1])
            if key in self.people:
                self.people[renamed[key]] = replace(self.people[key], source_id=renamed[key][1])
        self._copy(self.relations, renamed)
        self._copy(self.visits, renamed)
        self._copy(self.consents, renamed)
        for record in [one for one in self.records.values() if (one.id.source, one.subject) in keys]:
            subject = renamed[record.id.source, record.subject or ""][1]
            value = subject if record.type is RecordType.PATIENT else f"{record.id.value}{ending}"
            id_ = replace(record.id, value=value)
            visit: dict[str, Any] = {"visit": f"{one}{ending}"} if (one := getattr(record, "visit", None)) else {}
            self.records[id_] = replace(record, id=id_, subject=subject, **visit)
        return new

    def _copy(self, told: set[Told], renamed: Mapping[Key, Key]) -> None:
        """Say of others what is said of some."""
        same = [one for one in told if (one.source, one.source_id) in renamed]
        told.update(replace(one, source_id=renamed[one.source, one.source_id][1]) for one in same)


_SHARED = tuple(one.name for one in fields(Draft) if one.name != "gone")


def changed(world: World, tenant: Tenant, draft: Draft) -> World:
    """The world with one tenant's clinic as drafted."""
    return {**world, tenant: draft.clinic(world[tenant])}
