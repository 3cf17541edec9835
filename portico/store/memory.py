"""The crosswalk in memory: the same contract without a database, for tests and for trying things out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime

from portico.access.decisions import Facts
from portico.access.principal import Principal
from portico.records.consent import Consent, Provision
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.consents import DENY_ALL, restricts
from portico.store.crosswalk import (
    NOTHING,
    RELATIONSHIPS,
    CrosswalkConfig,
    Link,
    LinkPlan,
    PersonFacts,
    Rule,
    Standing,
    Unlinked,
)
from portico.store.grants import GuardianKind
from portico.store.memory_state import Key, MemoryConsents, MemoryGrants, TenantState, covers
from portico.store.merges import survivors
from portico.store.parties import Claim, claims_of, parties_of


class MemoryCrosswalk(MemoryConsents, MemoryGrants):
    """A `Crosswalk` that forgets with its process.

    `emergencies` gives every patient of a tenant with the subject of an access to them in force at an instant.
    """

    def __init__(self, config: CrosswalkConfig | None = None) -> None:
        super().__init__(config)
        self.emergencies: Callable[[Tenant, datetime], Iterable[tuple[PatientId, str]]] = lambda _, __: ()

    def knows(self, tenant: Tenant, patient: PatientId) -> bool:
        """Whether a tenant has a patient, who wasn't merged into another."""
        state = self._tenants[tenant]
        return patient in state.patients and not state.life(patient).merged

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """See `Crosswalk.standings`."""
        found = await self.identify(principal.tenant, source, source_ids)
        standings = self._standings(principal, set(found.values()), at)
        return {id_: standings[patient] for id_, patient in found.items() if patient in standings}

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
            if standing.facts.relationships.intersection(relationships) and (after is None or patient > after)
        ][:limit]

    def _standings(
        self, principal: Principal, patients: Collection[PatientId], at: datetime
    ) -> dict[PatientId, Standing]:
        state, claims, parties = self._tenants[principal.tenant], claims_of(principal), parties_of(principal)
        barred = {
            patient
            for (held, party), (start, end) in state.exclusions.items()
            if party in parties and covers(start, end, at)
            for patient in state.bearers(held)
        }
        relationships: defaultdict[PatientId, set[str]] = defaultdict(set)
        urgent = ((patient, Claim("emergency", who)) for patient, who in self.emergencies(principal.tenant, at))
        for patient, bond in (*self._bonds(state, at), *urgent):
            if bond in claims and patient not in barred:
                relationships[patient].add(bond.relationship)
        wishes: defaultdict[PatientId, set[Provision]] = defaultdict(set)
        for patient, consent in self._wishes(state):
            if covers(consent.start, consent.end, at) and (not consent.parties or consent.parties & parties):
                wishes[patient].add(consent.provision)
        for patient in barred:
            wishes[patient].add(DENY_ALL)
        labels: defaultdict[PatientId, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for patient, visit, found in self._sensitive(state):
            labels[patient][visit] |= found
        sources: defaultdict[PatientId, dict[SourceName, tuple[str, ...]]] = defaultdict(dict)
        for (source, id_), link in sorted(self._followed(state).items()):
            sources[link.patient][source] = (*sources[link.patient].get(source, ()), id_)
        return {
            patient: Standing(
                patient,
                Facts(frozenset(relationships[patient]), frozenset(labels[patient][""]), frozenset(wishes[patient])),
                sources[patient],
                state.life(patient).adolescent(at),
                {visit: frozenset(found) for visit, found in labels[patient].items() if visit and found},
            )
            for patient in patients
            if patient in sources and not state.life(patient).merged
        }

    def _followed(self, state: TenantState) -> dict[Key, Link]:
        return {key: link for key, link in state.links.items() if link.assurance >= self._minimum}

    def _bonds(self, state: TenantState, at: datetime) -> Iterator[tuple[PatientId, Claim]]:
        followed = self._followed(state)
        for link in followed.values():
            if link.rule is Rule.IDENTITY and state.life(link.patient).lasts(at):
                yield link.patient, Claim("self", link.source_id)
        for source, relations in state.relations.items():
            for relation in relations:
                bound = followed.get((source, relation.source_id))
                if bound and covers(relation.start, relation.end, at):
                    yield bound.patient, Claim(RELATIONSHIPS[relation.kind], relation.party)
        for (patient, guardian), (kind, start, end) in state.guardianships.items():
            life = state.life(patient)
            of_age = kind is GuardianKind.GUARDIAN and not life.minor(at)
            if covers(start, end, at) and life.lasts(at) and not of_age:
                yield patient, Claim("guardian", guardian)

    def _wishes(self, state: TenantState) -> Iterator[tuple[PatientId, Consent]]:
        followed = self._followed(state)
        told = [
            (link, consent)
            for source, consents in state.consents.items()
            for consent in consents
            if (link := followed.get((source, consent.source_id)))
        ]
        for link, consent in told:
            yield link.patient, consent
            into = state.merged_into.get((link.source, link.source_id))
            if into and link.rule is Rule.IDENTITY and restricts(consent.provision):
                yield into, consent
        for maker, kept in state.kept.values():
            if kept.revoked_at is None:
                bearers = state.bearers(maker) if restricts(kept.consent.provision) else (maker,)
                yield from ((patient, kept.consent) for patient in bearers)

    def _sensitive(self, state: TenantState) -> Iterator[tuple[PatientId, str, frozenset[str]]]:
        told = [(key, "", facts.labels) for key, facts in state.people.items()]
        told += [((one.source, one.source_id), one.visit, one.labels) for of in state.visits.values() for one in of]
        followed = self._followed(state)
        for key, visit, labels in told:
            if link := followed.get(key):
                bearers = state.bearers(link.patient) if link.rule is Rule.IDENTITY else (link.patient,)
                yield from ((patient, visit, labels) for patient in bearers)

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
        people: Mapping[SourceName, Collection[PersonFacts]] = NOTHING,
        visits: Mapping[SourceName, Collection[SensitiveVisit]] = NOTHING,
        consents: Mapping[SourceName, Collection[Consent]] = NOTHING,
    ) -> LinkPlan:
        """See `Crosswalk.synchronize`."""
        state = self._tenants[tenant]
        planned = plan([link for _, link in sorted(state.links.items())])
        planned_links = {(link.source, link.source_id): link for link in planned.links}
        others = {key: link for key, link in state.links.items() if link.source not in planned.sources}
        identities = {key: link for key, link in state.links.items() if link.rule is Rule.IDENTITY}
        state.links = others | planned_links | identities
        state.identities = {link.patient: key for key, link in state.links.items() if link.rule is Rule.IDENTITY}
        state.patients |= {link.patient for link in planned.links}
        left = {key: item for key, item in state.unlinked.items() if item.source not in planned.sources}
        state.unlinked = left | {(item.source, item.source_id): item for item in planned.unlinked}
        state.relations |= {source: tuple(given) for source, given in relations.items()}
        heard = {(source, one.source_id): one for source, told in people.items() for one in told}
        state.people |= heard
        state.merged_into = {key: into for key, into in state.merged_into.items() if key not in heard}
        state.merged_into |= survivors(people, state.links.values())
        state.visits |= {source: tuple(given) for source, given in visits.items()}
        await self.replace_consents(tenant, consents)
        return planned

    async def unlinked(self, tenant: Tenant) -> Sequence[Unlinked]:
        """See `Crosswalk.unlinked`."""
        return [item for _, item in sorted(self._tenants[tenant].unlinked.items())]
