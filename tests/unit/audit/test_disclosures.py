"""Who was told about a patient: the same answer from both trails, page by page, and the law's rule on top."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from portico.audit.disclosures import accesses, accounting, display_safe, told
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.memory import MemoryTrail
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import AuditTrail, Period
from portico.records.errors import AuditUnavailable
from portico.records.references import PatientId, Tenant
from portico.store.database import Database
from tests.e2e.audit_entries import ENTRY

RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
BEN = PatientId("0b0b0b0b-0000-4000-8000-00000000000b")
NOBODY = PatientId("0c0c0c0c-0000-4000-8000-00000000000c")


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


def entry(name: str, *patients: PatientId, purpose: str = "TREAT", **changes: object) -> AuditEntry:
    changed = replace(ENTRY, request_id=name, patients=frozenset(patients), purpose=purpose)
    return replace(changed, **changes)  # type: ignore[arg-type]  # each test names what it changes


async def names(trail: AuditTrail, patient: PatientId, page_rows: int = 500, **options: object) -> list[str]:
    rows = accesses(trail, RIVERBEND, patient, page_rows=page_rows, **options)  # type: ignore[arg-type]
    return [row.entry.request_id async for row in rows]


@pytest.fixture
async def filled(trail: AuditTrail) -> AuditTrail:
    for each in (
        entry("treated", ADA, BEN),
        entry("researched", ADA, purpose="HRESCH"),
        entry("billed", ADA, purpose="HPAYMT"),
        entry("of another", BEN, purpose="HRESCH"),
        entry("refused", ADA, purpose="HRESCH", outcome=Outcome.REFUSED),
        entry("commanded", ADA, purpose="HRESCH", outcome=Outcome.DONE, command="revokeConsent"),
        entry("elsewhere", ADA, purpose="HRESCH", tenant=HARBOR),
        entry("in part", ADA, purpose="PUBHLTH", outcome=Outcome.PARTIAL),
        entry("self", ADA, purpose="PATRQT"),
        entry("unheard of", ADA, purpose="X"),
        entry("emergency", ADA, purpose="ETREAT"),
        entry("operations", ADA, purpose="HOPERAT"),
    ):
        await trail.commit(each)
    return trail


@pytest.mark.parametrize("page_rows", [1, 2, 3, 500])
async def test_an_accounting_lists_what_is_not_treatment_payment_operations_or_the_patients_own(
    filled: AuditTrail, page_rows: int
) -> None:
    assert await names(filled, ADA, page_rows) == ["unheard of", "in part", "researched"]
    assert await names(filled, BEN, page_rows) == ["of another"]
    assert await names(filled, NOBODY, page_rows) == []


@pytest.mark.parametrize("page_rows", [1, 2, 3, 500])
async def test_everything_that_told_something_is_listed_newest_first(filled: AuditTrail, page_rows: int) -> None:
    assert await names(filled, ADA, page_rows, everything=True) == [
        "operations", "emergency", "unheard of", "self", "in part", "billed", "researched", "treated",
    ]  # fmt: skip


async def test_only_what_was_recorded_in_the_period_is_listed(filled: AuditTrail) -> None:
    rows = [row async for row in accesses(filled, RIVERBEND, ADA, everything=True)]
    second, third = rows[-2], rows[-3]
    period = Period(since=second.recorded_at, until=third.recorded_at)
    assert await names(filled, ADA, everything=True, period=period) == [second.entry.request_id]
    now = datetime.now(UTC)
    assert await names(filled, ADA, everything=True, period=Period(since=now + timedelta(minutes=1))) == []
    assert await names(filled, ADA, everything=True, period=Period(until=now - timedelta(minutes=1))) == []
    assert len(await names(filled, ADA, everything=True, period=Period(until=now + timedelta(minutes=1)))) == 8


async def test_rows_appended_while_paging_move_nothing(filled: AuditTrail) -> None:
    listed = []
    async for row in accesses(filled, RIVERBEND, ADA, everything=True, page_rows=2):
        listed.append(row.entry.request_id)
        await filled.commit(entry(f"meanwhile {len(listed)}", ADA))
    assert len(listed) == len(set(listed)) == 8
    assert not [name for name in listed if name.startswith("meanwhile")]


async def test_many_patients_are_asked_about_at_once_each_from_their_own_place(filled: AuditTrail) -> None:
    first = await filled.accesses(RIVERBEND, {ADA: None, BEN: None, NOBODY: None}, limit=2)
    assert {patient: [row.entry.request_id for row in rows] for patient, rows in first.items()} == {
        ADA: ["operations", "emergency"], BEN: ["of another", "treated"], NOBODY: [],
    }  # fmt: skip
    again = await filled.accesses(RIVERBEND, {ADA: first[ADA][-1].number, BEN: first[BEN][0].number}, limit=2)
    assert [row.entry.request_id for row in again[ADA]] == ["unheard of", "self"]
    assert [row.entry.request_id for row in again[BEN]] == ["treated"]
    assert await filled.accesses(RIVERBEND, {}, limit=2) == {}
    assert await filled.accesses(RIVERBEND, {PatientId("nonsense"): None}, limit=2) == {"nonsense": []}


async def test_attempts_come_back_as_they_were_recorded_and_are_no_accesses(trail: AuditTrail) -> None:
    await trail.commit(entry("tried", ADA, attempts=frozenset({BEN})))
    tenant = entry("x").tenant

    (row,) = await trail.seen(tenant, ADA)
    assert row.entry.attempts == {BEN}
    assert (await trail.accesses(tenant, {BEN: None}, limit=9))[BEN] == []
    assert await trail.seen(tenant, BEN) == []
    assert {report.flaw for report in await trail.verify()} == {None}


async def test_labels_come_back_as_they_were_recorded(trail: AuditTrail) -> None:
    labelled = entry("labelled", ADA, labels=frozenset({"PSY", "SUD"}))
    await trail.commit(labelled)
    await trail.commit(entry("plain", ADA))
    rows = [row async for row in accesses(trail, RIVERBEND, ADA, everything=True)]
    assert [row.entry.labels for row in rows] == [frozenset(), {"PSY", "SUD"}]
    assert rows[-1].entry == labelled
    assert [report.flaw for report in await trail.verify()] == [None]


async def test_a_row_that_is_not_as_it_was_recorded_is_not_told(
    postgres_trail: AuditTrail, store: Database, database: str
) -> None:
    await postgres_trail.commit(entry("one", ADA))
    owner = await asyncpg.connect(database)
    for table in ("audit", await owner.fetchval("select distinct tableoid::regclass::name from portico.audit")):
        await owner.execute(f"alter table portico.{table.removeprefix('portico.')} disable trigger append_only")
    await owner.execute("update portico.audit set released = array['b', 'a']")
    await owner.close()
    assert store
    with pytest.raises(AuditUnavailable, match="not as it was recorded"):
        await postgres_trail.accesses(RIVERBEND, {ADA: None}, limit=1)


async def test_what_was_told_of_a_chart_that_was_merged_into_theirs_was_told_of_them(
    postgres_trail: AuditTrail, database: str
) -> None:
    owner = await asyncpg.connect(database)
    await owner.execute("insert into portico.patient select 'riverbend', unnest($1::uuid[])", [ADA, BEN])
    await owner.execute(
        "insert into portico.link (tenant, source, source_id, patient, assurance, rule, replaced_by, merged_into)"
        " values ('riverbend', 'ehr', 'a', $1, 3, 'identity', null, null),"
        " ('riverbend', 'ehr', 'b', $2, 3, 'identity', 'a', $1)",
        ADA,
        BEN,
    )
    await postgres_trail.commit(entry("before the merge", BEN))
    await postgres_trail.commit(entry("after", ADA))
    await postgres_trail.commit(entry("of both", ADA, BEN))
    assert await names(postgres_trail, ADA, everything=True) == ["of both", "after", "before the merge"]
    await owner.execute("update portico.link set replaced_by = null, merged_into = null")
    await owner.close()
    assert await names(postgres_trail, ADA, everything=True) == ["of both", "after"]


def test_every_exemption_says_what_it_is_and_where_the_law_has_it() -> None:
    rule = accounting()
    assert rule.exempt.keys() == {"TREAT", "ETREAT", "HPAYMT", "HOPERAT", "PATRQT"}
    assert rule.years == 6
    for exemption in rule.exempt.values():
        assert exemption.what.endswith(".")
        assert exemption.citation.startswith("45 CFR 164.528(a)(1)")


def test_an_accounting_reaches_back_six_years() -> None:
    rule = accounting()
    assert rule.beginning(datetime(2026, 11, 22, 8, tzinfo=UTC)) == datetime(2020, 11, 22, 8, tzinfo=UTC)
    assert rule.beginning(datetime(2028, 2, 29, tzinfo=UTC)) == datetime(2022, 2, 28, tzinfo=UTC)


def test_masked_fields_were_told_and_withheld_ones_were_not() -> None:
    mixed = replace(ENTRY, released=frozenset({"b"}), masked=frozenset({"a", "b"}), withheld=frozenset({"c"}))
    assert told(mixed) == ["a", "b"]


def test_a_name_fit_to_be_shown_is_left_as_it_is() -> None:
    assert display_safe("Zoë O'Brien <z@example.org>") == "Zoë O'Brien <z@example.org>"
    assert display_safe("a\x00b\u2028c\ud800") == "a\ufffdb\ufffdc\ufffd"
