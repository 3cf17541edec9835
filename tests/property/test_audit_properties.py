"""What holds of audit chains whatever was recorded and however it is tampered with."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from portico.audit.chain import ChainCheck, StoredRow, chain_hash
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import GENESIS, ChainHead, ChainReport
from portico.records.references import PatientId, Tenant
from portico.store.database import Database

TENANT = Tenant("riverbend")
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12)
SETS = st.frozensets(TEXTS, max_size=4)
INSTANTS = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001  # the zone is drawn beside it
    max_value=datetime(2200, 1, 1),  # noqa: DTZ001  # likewise
    timezones=st.integers(-14, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
ENTRIES = st.builds(
    AuditEntry,
    tenant=st.just(TENANT),
    request_id=TEXTS,
    subject=TEXTS,
    kind=TEXTS,
    roles=SETS,
    purpose=TEXTS,
    client=TEXTS,
    operation=TEXTS,
    operation_name=st.none() | TEXTS,
    patients=st.frozensets(st.uuids().map(lambda id_: PatientId(str(id_))), min_size=1, max_size=3),
    released=SETS,
    masked=SETS,
    withheld=SETS,
    sources=SETS,
    policy_revision=TEXTS,
    decision_ids=SETS,
    outcome=st.sampled_from(Outcome),
    at=INSTANTS,
)


def chain(entries: list[AuditEntry]) -> list[StoredRow]:
    rows: list[StoredRow] = []
    for number, entry in enumerate(entries, start=1):
        at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
        hash_ = chain_hash(rows[-1].hash if rows else GENESIS, number, at, entry.digest())
        rows.append(StoredRow(number=number, recorded_at=at, digest=entry.digest(), hash=hash_, entry=entry))
    return rows


CHAINS = st.lists(ENTRIES, min_size=1, max_size=6, unique_by=AuditEntry.digest).map(chain)


def report(found: list[StoredRow], written: list[StoredRow]) -> ChainReport:
    check = ChainCheck(ChainHead(tenant=TENANT, number=len(written), hash=written[-1].hash))
    return next((flaw for row in found if (flaw := check.follow(row))), None) or check.finish()


@given(one=ENTRIES, other=ENTRIES)
@settings(deadline=None, max_examples=50)
def test_entries_have_the_same_digest_only_if_they_are_the_same(one: AuditEntry, other: AuditEntry) -> None:
    assert (one.digest() == other.digest()) == (one == other)


@given(entry=ENTRIES)
@settings(deadline=None, max_examples=50)
def test_the_encoding_says_all_and_can_be_made_again_from_what_it_says(entry: AuditEntry) -> None:
    content = json.loads(entry.encode())
    fields = {name: frozenset(value) if isinstance(value, list) else value for name, value in content.items()}
    assert fields.pop("encoding") == "portico.audit.1"
    again = AuditEntry(**{**fields, "at": datetime.fromisoformat(fields["at"]), "outcome": Outcome(fields["outcome"])})

    assert again == entry
    assert again.encode() == entry.encode()


@given(entry=ENTRIES, attempts=st.frozensets(st.uuids().map(lambda id_: PatientId(str(id_))), min_size=1, max_size=3))
@settings(deadline=None, max_examples=50)
def test_attempts_are_said_in_order_and_change_nothing_else_of_an_encoding(
    entry: AuditEntry, attempts: frozenset[PatientId]
) -> None:
    content = json.loads(replace(entry, attempts=attempts).encode())

    assert content.pop("attempts") == sorted(attempts)
    assert content | {"encoding": "portico.audit.1"} == json.loads(entry.encode())
    assert replace(entry, attempts=attempts, labels=frozenset()).encode() != entry.encode()


@given(rows=CHAINS)
@settings(deadline=None, max_examples=50)
def test_an_untouched_chain_is_sound(rows: list[StoredRow]) -> None:
    assert report(rows, rows).flaw is None


@given(rows=CHAINS, data=st.data())
@settings(deadline=None, max_examples=50)
def test_the_first_deleted_row_is_the_first_bad_one(rows: list[StoredRow], data: st.DataObject) -> None:
    deleted = data.draw(st.sets(st.sampled_from(range(len(rows))), min_size=1))
    found = report([row for index, row in enumerate(rows) if index not in deleted], rows)

    assert found.first_bad_row == min(deleted) + 1


@given(rows=CHAINS, data=st.data())
@settings(deadline=None, max_examples=50)
def test_any_other_order_shows_at_the_first_row_that_moved(rows: list[StoredRow], data: st.DataObject) -> None:
    moved = data.draw(st.permutations(rows))
    assume(moved != rows)
    renumbered = [
        replace(row, number=old.number, recorded_at=old.recorded_at) for row, old in zip(moved, rows, strict=True)
    ]
    first = next(index for index, row in enumerate(moved) if row != rows[index])

    assert report(renumbered, rows).first_bad_row == first + 1


@given(rows=CHAINS, stranger=ENTRIES, data=st.data())
@settings(deadline=None, max_examples=50)
def test_a_replaced_entry_is_found_however_well_its_own_row_is_forged(
    rows: list[StoredRow], stranger: AuditEntry, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(rows) - 1))
    assume(stranger not in [row.entry for row in rows])
    old = rows[index]
    hash_ = chain_hash(rows[index - 1].hash if index else GENESIS, old.number, old.recorded_at, stranger.digest())
    forged = replace(old, entry=stranger, digest=stranger.digest(), hash=hash_)
    found = report([*rows[:index], forged, *rows[index + 1 :]], rows)

    assert found.first_bad_row == min(index + 2, len(rows))


@pytest.fixture
async def trail(store: Database) -> AsyncIterator[PostgresTrail]:
    trail = PostgresTrail(store, TrailConfig())
    yield trail
    await trail.aclose()


@given(entry=ENTRIES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_database_gives_back_every_entry_to_the_letter(trail: PostgresTrail, entry: AuditEntry) -> None:
    number = await trail.commit(entry)
    (patient, *_) = entry.patients

    assert (number, entry) in [(row.number, row.entry) for row in await trail.seen(TENANT, patient)]
    (report_,) = await trail.verify(TENANT)
    assert report_.flaw is None
