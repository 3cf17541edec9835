"""All that one clinic group's sources, and Portico's own tables, hold about it: one half of a world.

A world is a clinic for each tenant. Worlds are values: they are made from a running house once, changed, and put into
houses again. Nothing here knows who may see what.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias
from uuid import NAMESPACE_URL, uuid5

from portico.audit.chain import StoredRow
from portico.audit.entry import AuditEntry
from portico.records.consent import Consent
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PORTICO, PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.types import Record
from portico.store.consents import KeptConsent
from portico.store.crosswalk import Assurance, Link, PersonFacts
from portico.store.emergency import EmergencyAccess
from portico.store.grants import GuardianKind
from portico.store.memory_state import TenantState
from resolvers.own_records import OwnRecords
from tests.changed import replace
from tests.house import GatedTrail, MemoryHouse

Key: TypeAlias = tuple[SourceName, str]
"""A patient, as a source names them."""
Term: TypeAlias = tuple[datetime | None, datetime | None]

EPOCH: Final = datetime(2026, 2, 1, 12, tzinfo=UTC)
"""When everything was recorded and read, in every world: what a clock says differs by request and not by world."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clinic:
    """One tenant. `linked` are the patients' ids at the sources, `told` is the audit trail, oldest first."""

    records: Mapping[RecordId, Record]
    linked: Mapping[Key, Link]
    people: Mapping[Key, PersonFacts]
    merged_into: Mapping[Key, PatientId]
    relations: frozenset[Relation]
    visits: frozenset[SensitiveVisit]
    consents: frozenset[Consent]
    guardianships: Mapping[tuple[PatientId, str], tuple[GuardianKind, datetime | None, datetime | None]]
    exclusions: Mapping[tuple[PatientId, str], Term]
    kept: Mapping[str, tuple[PatientId, KeptConsent]]
    emergencies: Mapping[str, EmergencyAccess]
    told: tuple[AuditEntry, ...]

    def patient(self, record: Record) -> PatientId | None:
        """Whom a record is about, as far as it can be known."""
        if record.subject is None:
            return None
        if record.id.source == PORTICO:
            return PatientId(record.subject)
        link = self.linked.get((record.id.source, record.subject))
        return link.patient if link is not None and link.assurance >= Assurance.CLOSE else None

    def kept_consents(self) -> Iterator[tuple[PatientId, KeptConsent]]:
        """Everybody's consents, those that the sources told and Portico's own."""
        for consent in self.consents:
            link = self.linked.get((consent.source, consent.source_id))
            if link is not None and link.assurance >= Assurance.CLOSE:
                yield link.patient, KeptConsent(consent=consent, recorded_at=EPOCH)
        yield from self.kept.values()

    def without(self, patient: PatientId) -> Clinic:
        """The clinic if this patient had never come."""
        keys = {key for key, link in self.linked.items() if link.patient == patient}
        return replace(
            self,
            records={
                id_: one
                for id_, one in self.records.items()
                if one.subject is None or (id_.source, one.subject) not in keys
            },
            linked={key: link for key, link in self.linked.items() if key not in keys},
            people={key: facts for key, facts in self.people.items() if key not in keys},
            relations=frozenset(one for one in self.relations if (one.source, one.source_id) not in keys),
            visits=frozenset(one for one in self.visits if (one.source, one.source_id) not in keys),
            consents=frozenset(one for one in self.consents if (one.source, one.source_id) not in keys),
            guardianships={held: one for held, one in self.guardianships.items() if held[0] != patient},
            exclusions={held: one for held, one in self.exclusions.items() if held[0] != patient},
            kept={id_: one for id_, one in self.kept.items() if one[0] != patient},
            emergencies={id_: one for id_, one in self.emergencies.items() if one.patient != patient},
        )

    @classmethod
    def of(cls, house: MemoryHouse, tenant: Tenant) -> Clinic:
        """What a house holds of a tenant."""
        state = _renamed(tenant, house.crosswalk._tenants[tenant])
        held = [one for source in house.sources[tenant].values() for of in source._records.values() for one in of]
        return cls(
            records={one.id: one for one in held},
            linked=dict(state.links),
            people=dict(state.people),
            merged_into=dict(state.merged_into),
            relations=frozenset(one for of in state.relations.values() for one in of),
            visits=frozenset(one for of in state.visits.values() for one in of),
            consents=frozenset(one for of in state.consents.values() for one in of),
            guardianships=dict(state.guardianships),
            exclusions=dict(state.exclusions),
            kept={},
            emergencies={},
            told=(),
        )

    def put_into(self, house: MemoryHouse, tenant: Tenant) -> None:
        """Let a house hold this of a tenant, and nothing else."""
        by_type: dict[tuple[SourceName, RecordType], list[Record]] = {}
        for id_ in sorted(self.records):
            by_type.setdefault((id_.source, id_.type), []).append(self.records[id_])
        for name, source in house.sources[tenant].items():
            for type_ in source._records:
                source.hold(type_, by_type.get((name, type_), ()))
        house.crosswalk._tenants[tenant] = self._state()
        emergencies = house.emergency._accesses
        for known in [known for known in emergencies if known[0] == tenant]:
            del emergencies[known]
        emergencies.update({(tenant, one.id): one for one in self.emergencies.values()})
        assert isinstance(house.trail, NumberedTrail)
        house.trail.restart(tenant, self.told)

    def _state(self) -> TenantState:
        sources = sorted({link.source for link in self.linked.values()})

        def split(told: frozenset[Any]) -> dict[SourceName, tuple[Any, ...]]:
            ordered = sorted(told, key=repr)
            return {source: tuple(one for one in ordered if one.source == source) for source in sources}

        return TenantState(
            patients={link.patient for link in self.linked.values()},
            links=dict(self.linked),
            identities={link.patient: key for key, link in self.linked.items() if link.rule == "identity"},
            relations=split(self.relations),
            people=dict(self.people),
            merged_into=dict(self.merged_into),
            visits=split(self.visits),
            consents={source: dict.fromkeys(made, EPOCH) for source, made in split(self.consents).items()},
            kept=dict(self.kept),  # type: ignore[arg-type]  # ids of consents are texts here
            guardianships=dict(self.guardianships),
            exclusions=dict(self.exclusions),
        )


def _renamed(tenant: Tenant, state: TenantState) -> TenantState:
    """The state with canonical ids that are the same in every run, so that what is drawn is too."""
    names = {
        patient: PatientId(str(uuid5(NAMESPACE_URL, f"{tenant}/{key}"))) for patient, key in state.identities.items()
    }
    return replace(
        state,
        links={key: replace(link, patient=names[link.patient]) for key, link in state.links.items()},
        merged_into={key: names[into] for key, into in state.merged_into.items()},
        guardianships={(names[of], who): held for (of, who), held in state.guardianships.items()},
    )


World: TypeAlias = Mapping[Tenant, Clinic]


def moment_of(number: int) -> datetime:
    """When a row of the trail was recorded."""
    return EPOCH + timedelta(minutes=number)


class NumberedTrail(GatedTrail):
    """An audit trail whose clock is its rows' number: what it tells of two runs is the same to the second.

    A row's number is its name in the trail, as an id is a record's at its source: worlds that differ in other rows
    give the rows that they share the same numbers.
    """

    def restart(self, tenant: Tenant, told: tuple[AuditEntry, ...]) -> None:
        """Hold these entries of a tenant."""
        self._numbers.clear()
        self.entries.clear()
        self._chains[tenant] = []
        for entry in told:
            self._append(entry)

    async def commit(self, entry: AuditEntry) -> int:
        return self._append(entry)

    def _append(self, entry: AuditEntry) -> int:
        chain = self._chains[entry.tenant]
        number = len(chain) + 1
        chain.append(StoredRow(number=number, recorded_at=moment_of(number), digest=b"", hash=b"", entry=entry))
        return number


class OwnRecordsOfOld(OwnRecords):
    """Portico's own records, all read at one instant."""

    async def find(self, *arguments: Any, **options: Any) -> Any:
        found = await super().find(*arguments, **options)
        return {key: tuple(map(of_old, records)) for key, records in found.items()}


def of_old(record: Record) -> Record:
    """The record as it was read at the one instant."""
    return replace(record, provenance=replace(record.provenance, retrieved_at=EPOCH))
