"""The crosswalk in memory: the same contract without a database, for tests and for trying things out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from portico.access.principal import Principal
from portico.records.people import Relation
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.crosswalk import (
    RELATIONSHIPS,
    Claim,
    CrosswalkConfig,
    Link,
    LinkPlan,
    Rule,
    Standing,
    Unlinked,
    claims_of,
)

_Key = tuple[SourceName, str]


@dataclass(slots=True)
class _TenantState:
    patients: set[PatientId] = field(default_factory=set)
    links: dict[_Key, Link] = field(default_factory=dict)
    unlinked: dict[_Key, Unlinked] = field(default_factory=dict)
    relations: dict[SourceName, tuple[Relation, ...]] = field(default_factory=dict)
    guardianships: dict[tuple[PatientId, str], tuple[datetime | None, datetime | None]] = field(default_factory=dict)


class MemoryCrosswalk:
    """A `Crosswalk` that forgets with its process."""

    def __init__(self, config: CrosswalkConfig | None = None) -> None:
        self._minimum = (config or CrosswalkConfig()).minimum_assurance
        self._tenants: defaultdict[Tenant, _TenantState] = defaultdict(_TenantState)

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """See `Crosswalk.standings`."""
        found = await self.identify(principal.tenant, source, source_ids)
        standings = self._standings(principal, set(found.values()), at)
        return {id_: standings[patient] for id_, patient in found.items()}

    async def standings_of(
        self, principal: Principal, patients: Collection[PatientId], *, at: datetime
    ) -> Mapping[PatientId, Standing]:
        """See `Crosswalk.standings_of`."""
        return self._standings(principal, self._tenants[principal.tenant].patients.intersection(patients), at)

    async def related(
        self,
        principal: Principal,
        relationships: Collection[str],
        *,
        at: datetime,
        limit: int,
        after: PatientId | None = None,
    ) -> Sequence[Standing]:
        """See `Crosswalk.related`."""
        standings = self._standings(principal, self._tenants[principal.tenant].patients, at)
        return [
            standing
            for patient, standing in sorted(standings.items())
            if standing.relationships.intersection(relationships) and (after is None or patient > after)
        ][:limit]

    def _standings(
        self, principal: Principal, patients: Collection[PatientId], at: datetime
    ) -> dict[PatientId, Standing]:
        state, claims = self._tenants[principal.tenant], claims_of(principal)
        relationships: defaultdict[PatientId, set[str]] = defaultdict(set)
        for patient, bond in self._bonds(state, at):
            if bond in claims:
                relationships[patient].add(bond.relationship)
        sources: defaultdict[PatientId, dict[SourceName, tuple[str, ...]]] = defaultdict(dict)
        for (source, id_), link in sorted(self._followed(state).items()):
            sources[link.patient][source] = (*sources[link.patient].get(source, ()), id_)
        return {
            patient: Standing(patient, frozenset(relationships[patient]), sources[patient])
            for patient in patients
            if patient in sources
        }

    def _followed(self, state: _TenantState) -> dict[_Key, Link]:
        return {key: link for key, link in state.links.items() if link.assurance >= self._minimum}

    def _bonds(self, state: _TenantState, at: datetime) -> Iterator[tuple[PatientId, Claim]]:
        followed = self._followed(state)
        for link in followed.values():
            if link.rule is Rule.IDENTITY:
                yield link.patient, Claim("self", link.source_id)
        for source, relations in state.relations.items():
            for relation in relations:
                bound = followed.get((source, relation.source_id))
                if bound and _covers(relation.start, relation.end, at):
                    yield bound.patient, Claim(RELATIONSHIPS[relation.kind], relation.party)
        for (patient, guardian), (start, end) in state.guardianships.items():
            if _covers(start, end, at):
                yield patient, Claim("guardian", guardian)

    async def identify(
        self, tenant: Tenant, source: SourceName, source_ids: Collection[str]
    ) -> Mapping[str, PatientId]:
        """See `Crosswalk.identify`."""
        followed = self._followed(self._tenants[tenant])
        return {id_: followed[source, id_].patient for id_ in source_ids if (source, id_) in followed}

    async def synchronize(
        self,
        tenant: Tenant,
        *,
        plan: Callable[[Sequence[Link]], LinkPlan],
        relations: Mapping[SourceName, Collection[Relation]],
    ) -> LinkPlan:
        """See `Crosswalk.synchronize`."""
        state = self._tenants[tenant]
        planned = plan([link for _, link in sorted(state.links.items())])
        planned_links = {(link.source, link.source_id): link for link in planned.links}
        others = {key: link for key, link in state.links.items() if link.source not in planned.sources}
        identities = {key: link for key, link in state.links.items() if link.rule is Rule.IDENTITY}
        state.links = others | planned_links | identities
        state.patients |= {link.patient for link in planned.links}
        left = {key: item for key, item in state.unlinked.items() if item.source not in planned.sources}
        state.unlinked = left | {(item.source, item.source_id): item for item in planned.unlinked}
        state.relations |= {source: tuple(given) for source, given in relations.items()}
        return planned

    async def unlinked(self, tenant: Tenant) -> Sequence[Unlinked]:
        """See `Crosswalk.unlinked`."""
        return [item for _, item in sorted(self._tenants[tenant].unlinked.items())]

    async def grant_guardianship(
        self, tenant: Tenant, *, guardian: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """See `Crosswalk.grant_guardianship`."""
        state = self._tenants[tenant]
        if patient not in state.patients:
            return False
        state.guardianships[patient, guardian] = (start, end)
        return True

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """See `Crosswalk.revoke_guardianship`."""
        return self._tenants[tenant].guardianships.pop((patient, guardian), None) is not None


def _covers(start: datetime | None, end: datetime | None, at: datetime) -> bool:
    return (start is None or start <= at) and (end is None or at <= end)
