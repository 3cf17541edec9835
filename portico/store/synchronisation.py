"""One synchronisation's writes, each in the transaction that is given: replaced is what changed, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping

from portico.records.consent import Consent
from portico.records.people import Relation, SensitiveVisit
from portico.records.references import PatientId, SourceName, Tenant
from portico.store.consents import encoded, enforceable
from portico.store.crosswalk import RELATIONSHIPS, LinkPlan, PersonFacts
from portico.store.database import Connection
from portico.store.queries import columns, load_queries

_SQL = load_queries("portico.store", "crosswalk.sql")
_CONSENTS = load_queries("portico.store", "consents.sql")


async def write_links(connection: Connection, tenant: Tenant, plan: LinkPlan, seconds: float) -> None:
    """The planned sources' links, but for those that made a canonical id: they are only ever added."""
    rows = [(link.source, link.source_id, link.patient, link.assurance, link.rule) for link in plan.links]
    sources, ids, patients, assurances, rules = columns(rows, 5)
    await connection.execute(_SQL["add_patients"], tenant, patients, timeout=seconds)
    await connection.execute(_SQL["drop_links"], tenant, plan.sources, sources, ids, timeout=seconds)
    await connection.execute(_SQL["put_links"], tenant, sources, ids, patients, assurances, rules, timeout=seconds)


async def write_unlinked(connection: Connection, tenant: Tenant, plan: LinkPlan, seconds: float) -> None:
    """The planned sources' records that wait for a human being."""
    rows = [(left.source, left.source_id, left.reason, ",".join(left.candidates)) for left in plan.unlinked]
    sources, ids, reasons, candidates = columns(rows, 4)
    await connection.execute(_SQL["drop_unlinked"], tenant, plan.sources, sources, ids, timeout=seconds)
    await connection.execute(_SQL["put_unlinked"], tenant, sources, ids, reasons, candidates, timeout=seconds)


async def write_relations(
    connection: Connection, tenant: Tenant, source: SourceName, relations: Iterable[Relation], seconds: float
) -> None:
    """A source's relations."""
    rows = ((one.source_id, RELATIONSHIPS[one.kind], one.party, one.start, one.end) for one in relations)
    await connection.execute(_SQL["replace_relations"], tenant, source, *columns(rows, 5), timeout=seconds)


async def write_people(
    connection: Connection,
    tenant: Tenant,
    source: SourceName,
    people: Collection[PersonFacts],
    survivors: Mapping[tuple[SourceName, str], PatientId],
    seconds: float,
) -> None:
    """A source's facts of the people whom it names; `survivors` are the patients into whom they were merged."""
    rows = [
        (
            *(one.source_id, one.adolescent_at, one.adult_at, one.deceased, one.died_at, one.replaced_by),
            survivors.get((source, one.source_id)),
        )
        for one in people
    ]
    await connection.execute(_SQL["note_people"], tenant, source, *columns(rows, 7), timeout=seconds)
    heard = [one.source_id for one in people]
    labels = columns(((one.source_id, label) for one in people for label in one.labels), 2)
    await connection.execute(_SQL["replace_labels"], tenant, source, heard, *labels, timeout=seconds)


async def write_visits(
    connection: Connection, tenant: Tenant, source: SourceName, visits: Iterable[SensitiveVisit], seconds: float
) -> None:
    """A source's labelled visits."""
    rows = ((one.source_id, one.visit, label) for one in visits for label in one.labels)
    await connection.execute(_SQL["replace_visits"], tenant, source, *columns(rows, 3), timeout=seconds)


async def write_consents(
    connection: Connection, tenant: Tenant, consents: Mapping[SourceName, Iterable[Consent]], seconds: float
) -> None:
    """Sources' consents, as far as they can be kept. Writers take turns."""
    await connection.execute(_CONSENTS["lock"], tenant, timeout=seconds)
    for source, told in consents.items():
        rows = [_consent_row(kept) for one in told if (kept := enforceable(one)) is not None]
        await connection.execute(_CONSENTS["replace"], tenant, source, json.dumps(rows), timeout=seconds)


def _consent_row(consent: Consent) -> dict[str, object]:
    return {
        "source_id": consent.source_id,
        "consent_id": consent.consent_id,
        "provision": json.loads(encoded(consent.provision)),
        "parties": sorted(consent.parties),
        "starts": consent.start.isoformat() if consent.start else None,
        "ends": consent.end.isoformat() if consent.end else None,
    }
