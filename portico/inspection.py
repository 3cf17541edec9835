"""What an auditor asks from the command line: is the trail whole, and who saw this patient."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import Final

import orjson

from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import AuditRow, ChainHead, ChainReport
from portico.records.references import PatientId, RecordType, Tenant
from portico.store.crosswalk import CrosswalkConfig, Unlinked
from portico.store.database import Database, DatabaseConfig
from portico.store.postgres import PostgresCrosswalk
from resolvers.seal import Seal

_TENANTS: Final = "select tenant from portico.audit_head order by tenant"
_LINKED_TENANTS: Final = "select distinct tenant from portico.patient order by tenant"
_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


async def chains(database_url: str, witnessed: Collection[ChainHead] = ()) -> Sequence[ChainReport]:
    """Every tenant's chain, recomputed and held against the heads that were witnessed."""
    async with opened_trail(database_url) as (_, trail):
        return await trail.verify(witnessed=witnessed)


NOBODY: Final = "nobody was told anything about this patient"


class NoSuchPatient(ValueError):
    """What was given is no patient's id in any tenant."""

    def __init__(self) -> None:
        super().__init__("no such patient id")


async def sightings(database_url: str, patient: str, *, secret: bytes) -> Sequence[AuditRow]:
    """The rows that tell about a patient, newest first, tenant by tenant.

    `patient` is the opaque id that the graph shows or the canonical one; `secret` is what seals the former. Raises
    `NoSuchPatient`.
    """
    async with opened_trail(database_url) as (database, trail):
        named = canonical_ids(Seal(secret), await tenants(database), patient)
        return [row for tenant, canonical in named for row in await trail.seen(tenant, canonical)]


async def unlinked(database_url: str) -> Sequence[tuple[Tenant, Unlinked]]:
    """The records of the sources that belong to no known patient, or want a second look, tenant by tenant."""
    async with _database(database_url) as database:
        crosswalk = PostgresCrosswalk(database, CrosswalkConfig())
        tenants = [Tenant(row["tenant"]) for row in await database.fetch(_LINKED_TENANTS)]
        return [(tenant, one) for tenant in tenants for one in await crosswalk.unlinked(tenant)]


def doubt(tenant: Tenant, one: Unlinked) -> bytes:
    """Such a record as one line of JSON: ids and a reason, no names."""
    return orjson.dumps({"tenant": tenant, **asdict(one)})


def sentence(report: ChainReport) -> str:
    """What was found of a chain: `riverbend: 12 rows, sound, head 5f0c...`."""
    head = report.head
    if report.flaw is None:
        return f"{head.tenant}: {head.number} rows, sound, head {head.hash.hex()}"
    return f"{head.tenant}: row {report.first_bad_row} is {report.flaw.value}; {head.number} rows before it are sound"


def line(row: AuditRow) -> bytes:
    """A row as one line of JSON."""
    entry = {
        name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(row.entry).items()
    }
    return orjson.dumps({"number": row.number, "recorded_at": row.recorded_at, **entry})


async def tenants(database: Database) -> Sequence[Tenant]:
    """Everyone who has a chain."""
    return [Tenant(row["tenant"]) for row in await database.fetch(_TENANTS)]


def canonical_ids(seal: Seal, among: Sequence[Tenant], patient: str) -> Sequence[tuple[Tenant, PatientId]]:
    """Whom an id names in which tenants. Raises `NoSuchPatient` where it names nobody in any."""
    named = [(tenant, canonical) for tenant in among if (canonical := _canonical_id(seal, tenant, patient))]
    if not named and not _CANONICAL.fullmatch(patient):
        raise NoSuchPatient
    return named


def _canonical_id(seal: Seal, tenant: Tenant, patient: str) -> PatientId | None:
    """A patient's canonical id, from itself or from the opaque one that the graph shows in that tenant."""
    if _CANONICAL.fullmatch(patient):
        return PatientId(patient)
    match seal.open(("id", tenant), patient):
        case (RecordType.PATIENT.value, "portico", canonical):
            return PatientId(canonical)
    return None


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    database = await Database.open(DatabaseConfig(url=url, pool_size=1))
    try:
        yield database
    finally:
        await database.aclose()


@asynccontextmanager
async def opened_trail(url: str) -> AsyncIterator[tuple[Database, PostgresTrail]]:
    """The audit trail in a database, and the database."""
    async with _database(url) as database:
        trail = PostgresTrail(database, TrailConfig())
        try:
            yield database, trail
        finally:
            await trail.aclose()
