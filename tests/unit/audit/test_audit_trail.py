"""The trail's contract, kept by the one in Postgres and by the one in memory alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.audit.memory import MemoryTrail
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import GENESIS, AuditTrail, ChainHead, Flaw
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant
from portico.store.database import Database

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
BEN = PatientId("0b0b0b0b-0000-4000-8000-00000000000b")

ENTRY = AuditEntry(
    tenant=RIVERBEND,
    request_id="req-1",
    subject="usr-physician",
    kind="person",
    roles=frozenset({"physician", "teacher"}),
    purpose="TREAT",
    client="portal",
    operation="0f" * 32,
    operation_name="Chart",
    patients=frozenset({ADA, BEN}),
    released=frozenset({"Patient.name", "Patient.birthDate"}),
    masked=frozenset({"Patient.ssn"}),
    withheld=frozenset({"Claim.paid"}),
    sources=frozenset({"ehr", "billing"}),
    policy_revision="rev-1",
    decision_ids=frozenset({"d-1", "d-2"}),
    outcome=Outcome.PARTIAL,
    at=datetime(2026, 1, 31, 8, 30, 0, 123456, tzinfo=UTC),
)


def entry(number: int, tenant: Tenant = RIVERBEND, *patients: PatientId) -> AuditEntry:
    return replace(ENTRY, tenant=tenant, request_id=f"req-{number}", patients=frozenset(patients))


@pytest.fixture
def memory_trail() -> AuditTrail:
    return MemoryTrail()


@pytest.fixture
async def postgres_trail(store: Database) -> AsyncIterator[AuditTrail]:
    trail = PostgresTrail(store, TrailConfig())
    yield trail
    await trail.aclose()


@pytest.fixture(params=["memory", "postgres"])
def trail(request: pytest.FixtureRequest) -> AuditTrail:
    found: AuditTrail = request.getfixturevalue(f"{request.param}_trail")
    return found


async def test_rows_are_numbered_from_one_without_a_gap(trail: AuditTrail) -> None:
    assert [await trail.commit(entry(number)) for number in range(4)] == [1, 2, 3, 4]


async def test_every_tenant_has_a_chain_of_its_own(trail: AuditTrail) -> None:
    assert await trail.commit(entry(1)) == 1
    assert await trail.commit(entry(1, HARBOR)) == 1
    assert await trail.commit(entry(2)) == 2
    assert {report.head.tenant: report.head.number for report in await trail.verify()} == {HARBOR: 1, RIVERBEND: 2}
    assert [report.head.tenant for report in await trail.verify(HARBOR)] == [HARBOR]


async def test_what_was_committed_is_what_is_read(trail: AuditTrail) -> None:
    before = datetime.now(UTC)
    number = await trail.commit(ENTRY)
    (row,) = await trail.seen(RIVERBEND, ADA)

    assert (row.number, row.entry) == (number, ENTRY)
    assert before - timedelta(seconds=5) < row.recorded_at < datetime.now(UTC) + timedelta(seconds=5)


@pytest.mark.parametrize(
    "text",
    [
        "line\nbreak",
        "\x01\x1f\x7f",
        "\u202ertl",
        "e\u0301",
        "'; drop table --",
        '"},{"',
        "{}",
        "NULL",
        "\\u0000",
        "😀",
        "",
    ],
)
async def test_hostile_text_is_kept_to_the_letter(trail: AuditTrail, text: str) -> None:
    hostile = replace(
        ENTRY, request_id=text, subject=text, client=text, roles=frozenset({text, "a,b"}), operation_name=text
    )
    await trail.commit(hostile)

    assert [row.entry for row in await trail.seen(RIVERBEND, ADA)] == [hostile]
    assert [report.flaw for report in await trail.verify()] == [None]


async def test_an_entry_is_recorded_once_however_often_it_is_committed(trail: AuditTrail) -> None:
    first = await trail.commit(ENTRY)

    assert await asyncio.gather(*(trail.commit(ENTRY) for _ in range(5))) == [first] * 5
    assert [report.head.number for report in await trail.verify()] == [1]


async def test_another_entry_under_the_same_request_id_is_another_row(trail: AuditTrail) -> None:
    more = replace(ENTRY, released=ENTRY.released | {"Patient.gender"})

    assert [await trail.commit(each) for each in (ENTRY, more, ENTRY)] == [1, 2, 1]


async def test_a_thousand_commits_at_once_make_one_sound_chain(trail: AuditTrail) -> None:
    tenants = (RIVERBEND, HARBOR)
    numbers = await asyncio.gather(*(trail.commit(entry(each, tenants[each % 2])) for each in range(1000)))

    assert sorted(numbers[::2]) == sorted(numbers[1::2]) == list(range(1, 501))
    assert [(report.head.number, report.flaw) for report in await trail.verify()] == [(500, None)] * 2


async def test_who_saw_a_patient_is_told_newest_first_and_of_one_tenant_only(trail: AuditTrail) -> None:
    await trail.commit(entry(1, RIVERBEND, ADA))
    await trail.commit(entry(2, RIVERBEND, BEN))
    await trail.commit(entry(3, HARBOR, ADA))
    await trail.commit(entry(4, RIVERBEND, ADA, BEN))

    assert [row.entry.request_id for row in await trail.seen(RIVERBEND, ADA)] == ["req-4", "req-1"]
    assert [row.entry.request_id for row in await trail.seen(RIVERBEND, ADA, limit=1)] == ["req-4"]
    assert [row.entry.request_id for row in await trail.seen(HARBOR, ADA)] == ["req-3"]
    assert list(await trail.seen(HARBOR, BEN)) == []
    assert list(await trail.seen(RIVERBEND, PatientId("not-an-id"))) == []


async def test_an_empty_trail_verifies(trail: AuditTrail) -> None:
    assert list(await trail.verify()) == []
    (report,) = await trail.verify(RIVERBEND)
    assert (report.head, report.flaw) == (ChainHead(tenant=RIVERBEND, number=0, hash=GENESIS), None)


async def test_a_noted_head_is_a_witness_of_all_that_was_before_it(trail: AuditTrail) -> None:
    await trail.commit(entry(1))
    (noted,) = [report.head for report in await trail.verify()]
    await trail.commit(entry(2))

    assert [report.flaw for report in await trail.verify(witnessed=[noted])] == [None]
    forged = replace(noted, hash=bytes(32))
    (report,) = await trail.verify(witnessed=[forged])
    assert (report.first_bad_row, report.flaw) == (1, Flaw.FORKED)


async def test_a_chain_that_vanished_is_missed_by_its_witness(trail: AuditTrail) -> None:
    gone = ChainHead(tenant=HARBOR, number=7, hash=bytes(32))

    (report,) = await trail.verify(witnessed=[gone])
    assert (report.head.tenant, report.first_bad_row, report.flaw) == (HARBOR, 1, Flaw.CUT)


async def test_a_closed_trail_records_nothing_more(trail: AuditTrail) -> None:
    waiting = asyncio.gather(*(trail.commit(entry(number)) for number in range(3)))
    await asyncio.sleep(0)
    await trail.aclose()

    assert await waiting == [1, 2, 3]
    with pytest.raises(AuditUnavailable):
        await trail.commit(entry(4))
