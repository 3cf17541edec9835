"""The application's pool on a migrated database, for the audit's own tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from portico.store.database import Database, DatabaseConfig


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Database]:
    """The application's pool on a new, migrated database."""
    database = await Database.open(DatabaseConfig(url=store_url, pool_size=4))
    try:
        yield database
    finally:
        await database.aclose()
