"""The crosswalks, each with a tenant's patients, none of whom anything is known but that Ada is a child."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import asyncpg
import pytest

from portico.store.crosswalk import Crosswalk, CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.memory import MemoryCrosswalk
from portico.store.migration import migrate
from portico.store.postgres import PostgresCrosswalk
from tests.unit.store.world import EHR, EVERYONE, RIVERBEND, child, planning


@pytest.fixture
def memory_crosswalk() -> Crosswalk:
    return MemoryCrosswalk()


@pytest.fixture(scope="module")
async def shared_url(postgres: Callable[[str], str]) -> str:
    """One migrated database for each suite; a database for each test would take most of its time."""
    admin = await asyncpg.connect(postgres("postgres"))
    await admin.execute("drop database if exists crosswalk_suite with (force)")
    await admin.execute("create database crosswalk_suite")
    await admin.close()
    await migrate(postgres("crosswalk_suite"))
    return postgres("crosswalk_suite")


@pytest.fixture(scope="module")
async def shared(shared_url: str) -> AsyncIterator[Database]:
    """The application's pool on it."""
    url = shared_url.replace("postgres:@", "portico_app@")
    database = await Database.open(DatabaseConfig(url=url, pool_size=4))
    try:
        yield database
    finally:
        await database.aclose()


@pytest.fixture
async def postgres_crosswalk(shared: Database, shared_url: str) -> AsyncIterator[Crosswalk]:
    yield PostgresCrosswalk(shared, CrosswalkConfig())
    owner = await asyncpg.connect(shared_url)
    await owner.execute(
        "truncate portico.patient, portico.unlinked, portico.relation, portico.sensitivity, portico.source_consent"
        " cascade"
    )
    await owner.close()


@pytest.fixture(params=["memory", "postgres"])
def crosswalk(request: pytest.FixtureRequest) -> Crosswalk:
    found: Crosswalk = request.getfixturevalue(f"{request.param}_crosswalk")
    return found


@pytest.fixture
async def linked(crosswalk: Crosswalk) -> Crosswalk:
    await crosswalk.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={}, people={EHR: [child("e-ada")]})
    return crosswalk
