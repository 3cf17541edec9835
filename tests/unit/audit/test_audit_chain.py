"""Following a chain: what is sound goes through, and the first row that isn't is named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from portico.audit.chain import ChainCheck, StoredRow, chain_hash
from portico.audit.entry import AuditEntry, Outcome
from portico.audit.trail import GENESIS, ChainHead, ChainReport, Flaw
from portico.records.references import Tenant
from tests.changed import replace

RIVERBEND = Tenant("riverbend")
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
Rows = list[StoredRow]


def entry(number: int, tenant: Tenant = RIVERBEND) -> AuditEntry:
    return AuditEntry(
        tenant=tenant,
        request_id=f"req-{number}",
        subject="usr-physician",
        kind="person",
        roles=frozenset({"physician"}),
        purpose="TREAT",
        client="portal",
        operation="00" * 32,
        policy_revision="rev-1",
        outcome=Outcome.RELEASED,
        at=NOON,
    )


def chain(*entries: AuditEntry, after: Sequence[StoredRow] = ()) -> Rows:
    """Rows as Portico would write them, one a second."""
    rows = list(after)
    for each in entries:
        number, at = len(rows) + 1, NOON + timedelta(seconds=len(rows))
        previous = rows[-1].hash if rows else GENESIS
        hash_ = chain_hash(previous, number, at, each.digest())
        rows.append(StoredRow(number=number, recorded_at=at, digest=each.digest(), hash=hash_, entry=each))
    return rows


SOUND = chain(*(entry(number) for number in range(1, 6)))


def head_of(rows: Sequence[StoredRow]) -> ChainHead:
    return ChainHead(tenant=RIVERBEND, number=rows[-1].number, hash=rows[-1].hash)


def report(rows: Sequence[StoredRow], head: ChainHead | None = None, *witnessed: ChainHead) -> ChainReport:
    check = ChainCheck(head or head_of(SOUND), witnessed)
    return next((flaw for row in rows if (flaw := check.follow(row))), None) or check.finish()


def test_a_sound_chain_is_reported_with_its_head() -> None:
    assert report(SOUND) == ChainReport(head=head_of(SOUND))


def test_an_empty_chain_is_sound() -> None:
    nothing = ChainHead(tenant=RIVERBEND, number=0, hash=GENESIS)

    assert report([], nothing) == ChainReport(head=nothing)


def test_the_hash_of_a_row_can_be_computed_with_a_pocket_calculator() -> None:
    number = (1).to_bytes(8, "big")
    microseconds = (1769860800 * 1_000_000).to_bytes(8, "big")

    assert SOUND[0].hash == sha256(bytes(32) + number + microseconds + entry(1).digest()).digest()


def swap(rows: Rows, one: int, other: int) -> None:
    """Let two rows change places: everything but the numbers and the times."""
    first, second = rows[one], rows[other]
    rows[one] = replace(second, number=first.number, recorded_at=first.recorded_at)
    rows[other] = replace(first, number=second.number, recorded_at=second.recorded_at)


def edit(rows: Rows, index: int, **changes: object) -> None:
    rows[index] = replace(rows[index], **changes)


def forge(rows: Rows, index: int) -> None:
    """Replace an entry and make the row's own digest and hash fit, but not the rows after it."""
    rows[index:] = [*chain(entry(99), after=rows[:index])[index:], *rows[index + 1 :]]


TAMPERINGS: dict[str, tuple[Callable[[Rows], object], int, Flaw]] = {
    "edited fields": (lambda rows: edit(rows, 2, entry=entry(99)), 3, Flaw.EDITED),
    "edited fields and digest": (
        lambda rows: edit(rows, 2, entry=entry(99), digest=entry(99).digest()), 3, Flaw.MISPLACED,
    ),
    "unreadable fields": (lambda rows: edit(rows, 0, entry=None), 1, Flaw.EDITED),
    "edited hash": (lambda rows: edit(rows, 4, hash=bytes(32)), 5, Flaw.MISPLACED),
    "edited time": (lambda rows: edit(rows, 1, recorded_at=NOON), 2, Flaw.MISPLACED),
    "another tenant's row": (
        lambda rows: edit(rows, 1, entry=(other := entry(2, Tenant("harbor"))), digest=other.digest()), 2, Flaw.EDITED,
    ),
    "deleted first": (lambda rows: rows.pop(0), 1, Flaw.MISSING),
    "deleted from the middle": (lambda rows: rows.pop(2), 3, Flaw.MISSING),
    "deleted last": (lambda rows: rows.pop(), 5, Flaw.CUT),
    "deleted all": (lambda rows: rows.clear(), 1, Flaw.CUT),
    "inserted with a number of its own": (lambda rows: rows.insert(2, replace(rows[0], number=3)), 3, Flaw.MISPLACED),
    "inserted with another's number": (lambda rows: rows.insert(3, rows[2]), 3, Flaw.REPEATED),
    "number zero": (lambda rows: rows.insert(0, replace(rows[0], number=0)), 0, Flaw.REPEATED),
    "appended by hand": (lambda rows: rows.extend(chain(entry(6), after=rows)[5:]), 6, Flaw.BEYOND),
    "neighbours swapped": (lambda rows: swap(rows, 1, 2), 2, Flaw.MISPLACED),
    "distant rows swapped": (lambda rows: swap(rows, 0, 4), 1, Flaw.MISPLACED),
    "replaced, rows after it left": (lambda rows: forge(rows, 2), 4, Flaw.MISPLACED),
    "in the wrong partition": (lambda rows: edit(rows, 3, filed=False), 4, Flaw.MISFILED),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_first_bad_row_is_named_and_what_is_wrong_with_it(name: str) -> None:
    tamper, number, flaw = TAMPERINGS[name]
    rows = list(SOUND)
    tamper(rows)
    found = report(rows)

    assert (found.first_bad_row, found.flaw) == (number, flaw)


def test_a_row_recorded_before_the_row_before_it_is_misdated() -> None:
    early = NOON - timedelta(days=1)
    forged = chain_hash(SOUND[3].hash, 5, early, entry(5).digest())
    rows = [*SOUND[:4], replace(SOUND[4], recorded_at=early, hash=forged)]

    found = report(rows, head_of(rows))
    assert (found.first_bad_row, found.flaw) == (5, Flaw.MISDATED)


def test_a_chain_computed_anew_from_a_forged_row_on_differs_from_its_head() -> None:
    rows = chain(entry(1), entry(99), entry(3), entry(4), entry(5))

    found = report(rows)
    assert (found.first_bad_row, found.flaw) == (5, Flaw.FORKED)


def test_a_chain_computed_anew_with_its_head_differs_from_what_was_witnessed() -> None:
    rows = chain(entry(1), entry(99), entry(3), entry(4), entry(5))

    assert report(rows, head_of(rows)).flaw is None
    found = report(rows, head_of(rows), head_of(SOUND[:3]))
    assert (found.first_bad_row, found.flaw) == (3, Flaw.FORKED)


def test_a_chain_shorter_than_what_was_witnessed_was_cut() -> None:
    found = report(SOUND[:3], head_of(SOUND[:3]), head_of(SOUND))

    assert (found.head, found.first_bad_row, found.flaw) == (head_of(SOUND[:3]), 4, Flaw.CUT)


def test_a_true_witness_is_no_flaw() -> None:
    assert report(SOUND, head_of(SOUND), head_of(SOUND[:2]), head_of(SOUND)).flaw is None
