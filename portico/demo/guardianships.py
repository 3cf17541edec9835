"""Tells Portico who acts for whom: the one relationship that it keeps itself and no source knows."""

from __future__ import annotations

import asyncio
from typing import Final

from portico.demo.children import DemoFailed
from portico.records.references import SourceName, Tenant
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.postgres import PostgresCrosswalk
from sandbox.population.model import Population

_EHR: Final = SourceName("ehr")
_LINKED_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.1


async def grant(population: Population, database_url: str) -> None:
    """Grant the population's guardianships as soon as Portico has linked the children. Safe to repeat."""
    tenant = Tenant(population.tenant)
    charts = {person.key: person.ehr_id for person in population.people}
    wanted = {chart: ward for ward in population.guardianships if (chart := charts.get(ward.child))}
    database = await Database.open(DatabaseConfig(url=database_url, pool_size=1))
    try:
        crosswalk = PostgresCrosswalk(database, CrosswalkConfig())
        async with asyncio.timeout(_LINKED_SECONDS):
            known = await crosswalk.identify(tenant, _EHR, wanted)
            while len(known) < len(wanted):
                await asyncio.sleep(_POLL_SECONDS)
                known = await crosswalk.identify(tenant, _EHR, wanted)
        for chart, ward in wanted.items():
            await crosswalk.grant_guardianship(
                tenant, guardian=ward.guardian, patient=known[chart], start=ward.start, end=ward.end
            )
    except TimeoutError:
        raise DemoFailed("the patients of the EHR were not linked in time") from None
    finally:
        await database.aclose()
