"""The crosswalk in Portico's own Postgres. Its SQL stands in `crosswalk.sql`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final

import asyncpg

from portico.access.decisions import Facts
from portico.access.principal import Principal
from portico.records.consent import Consent
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant, is_patient_id
from portico.store.consents import decoded
from portico.store.crosswalk import (
    NOTHING,
    Assurance,
    Link,
    LinkPlan,
    PersonFacts,
    Reason,
    Rule,
    Standing,
    Unlinked,
)
from portico.store.merges import survivors
from portico.store.parties import claims_of, is_storable, parties_of
from portico.store.postgres_consents import PostgresConsents
from portico.store.postgres_grants import PostgresGrants
from portico.store.queries import columns, load_queries
from portico.store.synchronisation import (
    write_consents,
    write_links,
    write_people,
    write_relations,
    write_unlinked,
    write_visits,
)

_SQL = load_queries("portico.store", "crosswalk.sql")
_BY_SOURCE_IDS, _BY_PATIENTS, _BY_RELATIONSHIPS = (
    _SQL["standing"].replace("{reached}", _SQL[reached])
    for reached in ("reached_by_source_ids", "reached_by_patients", "reached_by_relationships")
)
_WHOLE_PERSON: Final = ""
_NONE: Final = frozenset[str]()
"""The visit under which the labels of a person as a whole are kept."""


class PostgresCrosswalk(PostgresConsents, PostgresGrants):
    """The `Crosswalk` that counts."""

    async def standings(
        self, principal: Principal, *, source: SourceName, source_ids: Collection[str], at: datetime
    ) -> Mapping[str, Standing]:
        """See `Crosswalk.standings`."""
        wanted = {id_ for id_ in source_ids if is_storable(id_)}
        if not wanted:
            return {}
        found = await self._read(_BY_SOURCE_IDS, principal, at, source, wanted)
        return {id_: standing for standing in found for id_ in standing.sources.get(source, ()) if id_ in wanted}

    async def standings_of(
        self, principal: Principal, patients: Collection[PatientId], *, at: datetime
    ) -> Mapping[PatientId, Standing]:
        """See `Crosswalk.standings_of`."""
        wanted = [patient for patient in patients if is_patient_id(patient)]
        if not wanted:
            return {}
        found = await self._read(_BY_PATIENTS, principal, at, wanted)
        return {standing.patient: standing for standing in found}

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
        wanted = [claim for claim in claims_of(principal) if claim.relationship in relationships]
        if not wanted:
            return ()
        names, parties = columns(((claim.relationship, claim.party) for claim in wanted), 2)
        return await self._read(_BY_RELATIONSHIPS, principal, at, names, parties, after, limit)

    async def _read(self, query: str, principal: Principal, at: datetime, *arguments: object) -> list[Standing]:
        rows = await self._database.fetch(
            query,
            principal.tenant,
            self._config.minimum_assurance,
            at,
            [f"{claim.relationship} {claim.party}" for claim in claims_of(principal)],
            sorted(parties_of(principal)),
            *arguments,
        )
        return [_standing(row) for row in rows]

    async def identify(
        self, tenant: Tenant, source: SourceName, source_ids: Collection[str]
    ) -> Mapping[str, PatientId]:
        """See `Crosswalk.identify`."""
        wanted = {id_ for id_ in source_ids if is_storable(id_)}
        rows = await self._database.fetch(_SQL["identify"], tenant, self._config.minimum_assurance, source, wanted)
        return {row["source_id"]: PatientId(row["patient"]) for row in rows}

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
        seconds = self._config.synchronize_timeout_seconds
        async with self._database.transaction(seconds=seconds) as connection:
            await connection.execute(_SQL["lock"], tenant, timeout=seconds)
            existing = [_link(row) for row in await connection.fetch(_SQL["links"], tenant, timeout=seconds)]
            planned = await asyncio.to_thread(plan, existing)
            merged_into = survivors(people, (*planned.links, *existing))
            await write_links(connection, tenant, planned, seconds)
            await write_unlinked(connection, tenant, planned, seconds)
            for source, told in people.items():
                await write_people(connection, tenant, source, told, merged_into, seconds)
            for source, related in relations.items():
                await write_relations(connection, tenant, source, related, seconds)
            for source, labelled in visits.items():
                await write_visits(connection, tenant, source, labelled, seconds)
            await write_consents(connection, tenant, consents, seconds)
        return planned

    async def unlinked(self, tenant: Tenant) -> Sequence[Unlinked]:
        """See `Crosswalk.unlinked`."""
        return [
            Unlinked(
                source=SourceName(row["source"]),
                source_id=row["source_id"],
                reason=Reason(row["reason"]),
                candidates=tuple(map(PatientId, row["candidates"])),
            )
            for row in await self._database.fetch(_SQL["unlinked"], tenant)
        ]


def _standing(row: asyncpg.Record) -> Standing:
    names, ids = row["sources"], row["source_ids"]
    sources: dict[SourceName, tuple[str, ...]] = dict(zip(names, zip(ids, strict=True), strict=True))
    if len(sources) < len(ids):
        sources = {name: tuple(id_ for of, id_ in zip(names, ids, strict=True) if of == name) for name in sources}
    labels: dict[str, frozenset[str]] = {}
    for visit, label in zip(row["visits"] or (), row["labels"] or (), strict=True):
        labels[visit] = labels.get(visit, _NONE) | {label}
    own = labels.pop(_WHOLE_PERSON, _NONE) if labels else _NONE
    facts = _facts(tuple(row["relationships"]), own, tuple(row["provisions"]))
    return Standing(row["patient"], facts, sources, row["adolescent"] is not False, labels)


@lru_cache(maxsize=10_000)
def _facts(relationships: tuple[str, ...], labels: frozenset[str], provisions: tuple[str, ...]) -> Facts:
    """What is known of a patient. Of many it is the same: then it is one object, and compared at once."""
    return Facts(frozenset(relationships), labels, frozenset(map(decoded, provisions)))


def _link(row: asyncpg.Record) -> Link:
    return Link(
        source=SourceName(row["source"]),
        source_id=row["source_id"],
        patient=PatientId(row["patient"]),
        assurance=Assurance(row["assurance"]),
        rule=Rule(row["rule"]),
    )
