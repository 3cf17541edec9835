"""The crosswalk in Portico's own Postgres. Its SQL stands in `crosswalk.sql`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime

import asyncpg

from portico.access.principal import Principal
from portico.records.people import Relation
from portico.records.references import PatientId, SourceName, Tenant, is_patient_id
from portico.store.crosswalk import (
    RELATIONSHIPS,
    Assurance,
    CrosswalkConfig,
    Link,
    LinkPlan,
    Reason,
    Rule,
    Standing,
    Unlinked,
    claims_of,
    is_storable,
)
from portico.store.database import Connection, Database
from portico.store.queries import load_queries

_SQL = load_queries("portico.store", "crosswalk.sql")
_BY_SOURCE_IDS, _BY_PATIENTS, _BY_RELATIONSHIPS = (
    _SQL["standing"].replace("{reached}", _SQL[reached])
    for reached in ("reached_by_source_ids", "reached_by_patients", "reached_by_relationships")
)


class PostgresCrosswalk:
    """The `Crosswalk` that counts."""

    def __init__(self, database: Database, config: CrosswalkConfig) -> None:
        self._database = database
        self._config = config

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
        names, parties = _columns(((claim.relationship, claim.party) for claim in wanted), 2)
        return await self._read(_BY_RELATIONSHIPS, principal, at, names, parties, after, limit)

    async def _read(self, query: str, principal: Principal, at: datetime, *arguments: object) -> list[Standing]:
        claims = [f"{claim.relationship} {claim.party}" for claim in claims_of(principal)]
        rows = await self._database.fetch(
            query, principal.tenant, self._config.minimum_assurance, at, claims, *arguments
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
    ) -> LinkPlan:
        """See `Crosswalk.synchronize`."""
        seconds = self._config.synchronize_timeout_seconds
        async with self._database.transaction(seconds=seconds) as connection:
            await connection.execute(_SQL["lock"], tenant, timeout=seconds)
            existing = [_link(row) for row in await connection.fetch(_SQL["links"], tenant, timeout=seconds)]
            planned = await asyncio.to_thread(plan, existing)
            await _write_links(connection, tenant, planned, seconds)
            await _write_unlinked(connection, tenant, planned, seconds)
            for source, given in relations.items():
                rows = ((r.source_id, RELATIONSHIPS[r.kind], r.party, r.start, r.end) for r in given)
                await connection.execute(_SQL["replace_relations"], tenant, source, *_columns(rows, 5), timeout=seconds)
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

    async def grant_guardianship(
        self, tenant: Tenant, *, guardian: str, patient: PatientId, start: datetime | None, end: datetime | None
    ) -> bool:
        """See `Crosswalk.grant_guardianship`."""
        if not is_patient_id(patient):
            return False
        return bool(await self._database.fetch(_SQL["grant_guardianship"], tenant, patient, guardian, start, end))

    async def revoke_guardianship(self, tenant: Tenant, *, guardian: str, patient: PatientId) -> bool:
        """See `Crosswalk.revoke_guardianship`."""
        if not is_patient_id(patient):
            return False
        return bool(await self._database.fetch(_SQL["revoke_guardianship"], tenant, patient, guardian))


async def _write_links(connection: Connection, tenant: Tenant, plan: LinkPlan, seconds: float) -> None:
    rows = [(link.source, link.source_id, link.patient, link.assurance, link.rule) for link in plan.links]
    sources, ids, patients, assurances, rules = _columns(rows, 5)
    await connection.execute(_SQL["add_patients"], tenant, patients, timeout=seconds)
    await connection.execute(_SQL["drop_links"], tenant, plan.sources, sources, ids, timeout=seconds)
    await connection.execute(_SQL["put_links"], tenant, sources, ids, patients, assurances, rules, timeout=seconds)


async def _write_unlinked(connection: Connection, tenant: Tenant, plan: LinkPlan, seconds: float) -> None:
    rows = [(left.source, left.source_id, left.reason, ",".join(left.candidates)) for left in plan.unlinked]
    sources, ids, reasons, candidates = _columns(rows, 4)
    await connection.execute(_SQL["drop_unlinked"], tenant, plan.sources, sources, ids, timeout=seconds)
    await connection.execute(_SQL["put_unlinked"], tenant, sources, ids, reasons, candidates, timeout=seconds)


def _columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as the parallel arrays that `unnest` takes."""
    columns = [list(column) for column in zip(*rows, strict=True)]
    return columns or [[] for _ in range(width)]


def _standing(row: asyncpg.Record) -> Standing:
    sources: dict[SourceName, tuple[str, ...]] = {}
    for source, id_ in zip(row["sources"], row["source_ids"], strict=True):
        sources[source] = (*sources.get(source, ()), id_)
    return Standing(PatientId(row["patient"]), frozenset(row["relationships"]), sources)


def _link(row: asyncpg.Record) -> Link:
    return Link(
        source=SourceName(row["source"]),
        source_id=row["source_id"],
        patient=PatientId(row["patient"]),
        assurance=Assurance(row["assurance"]),
        rule=Rule(row["rule"]),
    )
