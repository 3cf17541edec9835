"""Whatever a database's owner does to audit rows behind Portico's back is found, and the first bad row named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import asyncpg
import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import ChainReport, Flaw
from portico.records.references import PatientId, Tenant
from portico.store.database import Database, DatabaseConfig
from portico.store.migration import migrate

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
NOW = datetime.now(UTC)
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

ENTRY = AuditEntry(
    tenant=RIVERBEND,
    request_id="req",
    subject="usr-physician",
    kind="person",
    roles=frozenset({"physician", "teacher"}),
    purpose="TREAT",
    client="portal",
    operation="0f" * 32,
    operation_name="Chart",
    patients=frozenset({ADA}),
    released=frozenset({"Patient.name", "Patient.birthDate"}),
    policy_revision="rev-1",
    decision_ids=frozenset({"d-1"}),
    outcome=Outcome.PARTIAL,
    at=NOW,
)

EDIT = "update portico.audit set {} where tenant = 'riverbend' and number = 4"
DELETE = "delete from portico.audit where tenant = 'riverbend' and {}"
COPY = """
with copy as (select * from portico.audit where tenant = 'riverbend' and number = 5),
     changed (it) as (
        select jsonb_build_object('number', $1::bigint, 'recorded_at', recorded_at + $2::interval) from copy)
insert into portico.audit
select (jsonb_populate_record(null::portico.audit, to_jsonb(copy) || changed.it)).*
  from copy, changed
"""


RESTORE = """
do $$
declare
    leftover regclass;
begin
    for leftover in
        select oid from pg_class
         where relnamespace = 'portico'::regnamespace and relkind = 'r' and relname ~ '^(audit_[0-9]|exchanged)'
    loop
        execute format('drop table %s', leftover);
    end loop;
    delete from portico.audit_head;
    alter table portico.audit enable always trigger append_only;
end
$$
"""


@pytest.fixture(scope="module")
async def tampered_url(postgres: Callable[[str], str]) -> str:
    """The superuser's URL of one migrated database for the whole suite."""
    admin = await asyncpg.connect(postgres("postgres"))
    await admin.execute("create database tampering_suite")
    await admin.close()
    await migrate(postgres("tampering_suite"))
    return postgres("tampering_suite")


@pytest.fixture
def application_url(tampered_url: str) -> str:
    return tampered_url.replace("postgres:@", "portico_app@")


@pytest.fixture
async def owner(tampered_url: str) -> AsyncIterator[Owner]:
    """The superuser. Afterwards there are no rows, and every safeguard is back."""
    connection = await asyncpg.connect(tampered_url)
    try:
        yield connection
        await connection.execute(RESTORE)
    finally:
        await connection.close()


@pytest.fixture
async def trail(application_url: str, owner: Owner) -> AsyncIterator[PostgresTrail]:
    """A trail with ten rows of one tenant and three of another."""
    assert await owner.fetchval("select count(*) from portico.audit") == 0
    database = await Database.open(DatabaseConfig(url=application_url, pool_size=4))
    trail = PostgresTrail(database, TrailConfig())
    for number in range(1, 11):
        await trail.commit(replace(ENTRY, request_id=f"req-{number}"))
    for number in range(1, 4):
        await trail.commit(replace(ENTRY, tenant=HARBOR, request_id=f"req-{number}"))
    try:
        yield trail
    finally:
        await trail.aclose()
        await database.aclose()


async def unguard(owner: Owner) -> str:
    """Take the triggers off and name the partition that holds the rows."""
    for table in await owner.fetch(
        "select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only'"
    ):
        await owner.execute(f"alter table {table['name']} disable trigger append_only")
    partition: str = await owner.fetchval("select distinct tableoid::regclass::text from portico.audit")
    return partition


async def riverbend(trail: PostgresTrail) -> ChainReport:
    """The report on the tampered chain; the other tenant's stays sound."""
    harbor, report = await trail.verify()
    assert (harbor.head.number, harbor.flaw) == (3, None)
    assert [report] == list(await trail.verify(RIVERBEND))
    return report


@pytest.mark.parametrize(
    "change",
    [
        "subject = 'usr-other'",
        "request_id = 'req-x'",
        "kind = 'service'",
        "roles = '{}'",
        "roles = array['teacher', 'physician']",
        "roles = array['physician', 'physician', 'teacher']",
        "purpose = 'ETREAT'",
        "client = 'other'",
        "operation = 'x'",
        "operation_name = null",
        "patients = '{}'",
        "released = '{}'",
        "masked = '{Patient.name}'",
        "withheld = '{Patient.name}'",
        "sources = '{ehr}'",
        "policy_revision = 'rev-2'",
        "decision_ids = '{}'",
        "labels = '{SUD}'",
        "attempts = '{0a0a0a0a-0000-4000-8000-00000000000a}'",
        "outcome = 'released'",
        "outcome = 'never heard of'",
        "at = at + interval '1 microsecond'",
        "digest = sha256('x')",
    ],
)
async def test_any_edited_field_is_found(trail: PostgresTrail, owner: Owner, change: str) -> None:
    await unguard(owner)
    await owner.execute(EDIT.format(change))

    report = await riverbend(trail)
    assert (report.head.number, report.first_bad_row, report.flaw) == (3, 4, Flaw.EDITED)


@pytest.mark.parametrize(
    ("statement", "row", "flaw"),
    [
        (EDIT.format("hash = sha256('x')"), 4, Flaw.MISPLACED),
        (EDIT.format("recorded_at = recorded_at + interval '1 microsecond'"), 4, Flaw.MISPLACED),
        (EDIT.format("number = 40"), 4, Flaw.MISSING),
        (DELETE.format("number = 1"), 1, Flaw.MISSING),
        (DELETE.format("number in (5, 6, 8)"), 5, Flaw.MISSING),
        (DELETE.format("number = 10"), 10, Flaw.CUT),
        (DELETE.format("number > 7"), 8, Flaw.CUT),
        (DELETE.format("true"), 1, Flaw.CUT),
    ],
)
async def test_deletions_and_moves_are_found(
    trail: PostgresTrail, owner: Owner, statement: str, row: int, flaw: Flaw
) -> None:
    await unguard(owner)
    await owner.execute(statement)

    report = await riverbend(trail)
    assert (report.first_bad_row, report.flaw) == (row, flaw)


@pytest.mark.parametrize(
    ("number", "microseconds", "row", "flaw"),
    [
        (0, 0, 0, Flaw.REPEATED),
        (5, -1, 5, Flaw.MISPLACED),
        (5, 1, 5, Flaw.REPEATED),
        (11, 0, 11, Flaw.BEYOND),
        (99, 0, 99, Flaw.BEYOND),
    ],
)
async def test_insertions_are_found(
    trail: PostgresTrail, owner: Owner, number: int, microseconds: int, row: int, flaw: Flaw
) -> None:
    await owner.execute(COPY, number, timedelta(microseconds=microseconds))

    report = await riverbend(trail)
    assert (report.first_bad_row, report.flaw) == (row, flaw)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (4, 5), (3, 9), (9, 10)])
async def test_two_rows_that_changed_places_are_found(trail: PostgresTrail, owner: Owner, one: int, other: int) -> None:
    await unguard(owner)
    for source, target in ((one, -1), (other, one), (-1, other)):
        await owner.execute(
            "update portico.audit set number = $2 where tenant = 'riverbend' and number = $1", source, target
        )

    report = await riverbend(trail)
    assert (report.first_bad_row, report.flaw) == (one, Flaw.MISPLACED)


async def test_a_row_of_another_tenant_is_no_row_of_this_one(trail: PostgresTrail, owner: Owner) -> None:
    await unguard(owner)
    await owner.execute("delete from portico.audit where tenant = 'riverbend' and number = 2")
    await owner.execute(
        'insert into portico.audit select (jsonb_populate_record(audit, \'{"tenant": "riverbend"}\')).*'
        " from portico.audit where tenant = 'harbor' and number = 2"
    )

    report = await riverbend(trail)
    assert (report.first_bad_row, report.flaw) == (2, Flaw.EDITED)


async def test_a_detached_partition_is_missed(trail: PostgresTrail, owner: Owner) -> None:
    await owner.execute(f"alter table portico.audit detach partition {await unguard(owner)}")

    reports = await trail.verify()
    assert [(report.first_bad_row, report.flaw) for report in reports] == [(1, Flaw.CUT)] * 2


async def test_a_partition_that_was_exchanged_is_found(trail: PostgresTrail, owner: Owner) -> None:
    partition = await unguard(owner)
    bounds = await owner.fetchval(
        "select pg_get_expr(relpartbound, oid) from pg_class where oid = $1::text::regclass", partition
    )
    await owner.execute("create table portico.exchanged as select * from portico.audit")
    await owner.execute(f"alter table portico.audit detach partition {partition}")
    columns = await owner.fetch(
        "select attname from pg_attribute where attrelid = 'portico.audit'::regclass and attnotnull and attnum > 0"
    )
    for column in columns:
        await owner.execute(f"alter table portico.exchanged alter column {column['attname']} set not null")
    await owner.execute(f"alter table portico.audit attach partition portico.exchanged {bounds}")

    reports = await trail.verify()
    assert [(report.first_bad_row, report.flaw) for report in reports] == [(1, Flaw.MISFILED)] * 2


@pytest.mark.parametrize(
    ("statement", "row", "flaw"),
    [
        ("delete from portico.audit_head where tenant = 'riverbend'", 1, Flaw.BEYOND),
        ("update portico.audit_head set number = 8 where tenant = 'riverbend'", 8, Flaw.FORKED),
        ("update portico.audit_head set hash = sha256('x') where tenant = 'riverbend'", 10, Flaw.FORKED),
    ],
)
async def test_a_tampered_head_is_found(
    trail: PostgresTrail, owner: Owner, statement: str, row: int, flaw: Flaw
) -> None:
    await owner.execute(statement)

    report = await riverbend(trail)
    assert (report.first_bad_row, report.flaw) == (row, flaw)


async def test_a_chain_cut_together_with_its_head_is_found_by_what_an_auditor_noted(
    trail: PostgresTrail, owner: Owner
) -> None:
    noted = [report.head for report in await trail.verify()]
    await unguard(owner)
    await owner.execute("delete from portico.audit where tenant = 'riverbend' and number > 6")
    await owner.execute(
        "update portico.audit_head set (number, hash, recorded_at) ="
        " (select number, hash, recorded_at from portico.audit where tenant = 'riverbend' and number = 6)"
        " where tenant = 'riverbend'"
    )
    assert (await riverbend(trail)).flaw is None

    _, report = await trail.verify(witnessed=noted)
    assert (report.first_bad_row, report.flaw) == (7, Flaw.CUT)


@pytest.mark.parametrize(
    "statement",
    [
        "update portico.audit set subject = 'x'",
        "update portico.audit set subject = 'x' where false",
        "delete from portico.audit",
        "truncate portico.audit",
        "update {partition} set subject = 'x'",
        "delete from {partition}",
        "truncate {partition}",
        "merge into portico.audit using (select 1) as one on true when matched then delete",
        "insert into {partition} table {partition} on conflict (tenant, number, recorded_at) do update set at = now()",
    ],
)
@pytest.mark.parametrize("replica", [False, True])
async def test_even_the_owner_changes_nothing_by_mistake(
    trail: PostgresTrail, owner: Owner, statement: str, *, replica: bool
) -> None:
    partition = await owner.fetchval("select distinct tableoid::regclass::text from portico.audit")
    if replica:
        await owner.execute("set session_replication_role = replica")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="never changed"):
        await owner.execute(statement.format(partition=partition))

    assert (await riverbend(trail)).flaw is None


@pytest.mark.parametrize(
    "statement",
    [
        "update portico.audit set subject = 'x'",
        "delete from portico.audit",
        "truncate portico.audit",
        "insert into portico.audit select * from portico.audit",
        "update portico.audit_head set number = 0",
        "delete from portico.audit_head",
        "select portico.audit_partition(now())",
        "alter table portico.audit disable trigger append_only",
        "drop table portico.audit",
        "set session_replication_role = replica",
    ],
)
@pytest.mark.usefixtures("trail")
async def test_the_application_may_append_and_read_and_nothing_else(application_url: str, statement: str) -> None:
    application = await asyncpg.connect(application_url)
    try:
        assert await application.fetchval("select count(*) from portico.audit") == 13
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await application.execute(statement)
    finally:
        await application.close()


async def test_verifying_while_writing_sees_one_sound_moment(trail: PostgresTrail) -> None:
    writing = asyncio.gather(*(trail.commit(replace(ENTRY, request_id=f"more-{each}")) for each in range(300)))
    reports = [report for _ in range(10) for report in await trail.verify(RIVERBEND)]
    await writing

    assert [report.flaw for report in reports] == [None] * 10
    assert (await riverbend(trail)).head.number == 310
