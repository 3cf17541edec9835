"""On a chain that is not what was witnessed nothing is recorded, so nothing is released, until a gap is accepted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import asyncpg
import pytest

from portico.audit.checkpoint_file import CheckpointFile
from portico.audit.entry import AuditEntry
from portico.audit.memory import MemoryTrail
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.audit.trail import AuditTrail, ChainHead, Flaw
from portico.audit.witness import NOT_COMPARED, NOT_WITNESSED, WitnessConfig, WitnessedTrail, accept_gaps
from portico.records.errors import AuditUnavailable
from portico.records.references import Tenant
from portico.store.database import Database
from tests.e2e.audit_entries import entry
from tests.unit.audit.checkpoint_lines import HARBOR, KEYS, RIVERBEND, damage, lines

Restore = Callable[[int], Awaitable[None]]
"""Puts riverbend's chain back to where it had so many rows, as a backup would."""
BRISK = WitnessConfig(interval_seconds=0.02, distrust_seconds=0.02)

UNGUARD = """
do $$
declare
    guarded record;
begin
    for guarded in select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only' loop
        execute format('alter table %s disable trigger append_only', guarded.name);
    end loop;
end
$$
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


@pytest.fixture
def memory_restored() -> tuple[AuditTrail, Restore]:
    trail = MemoryTrail()

    async def restore(rows: int) -> None:
        for gone in trail._chains[RIVERBEND][rows:]:
            del trail._numbers[gone.digest]
        del trail._chains[RIVERBEND][rows:]
        if not rows:
            del trail._chains[RIVERBEND]

    return trail, restore


@pytest.fixture
async def postgres_restored(store: Database, database: str) -> AsyncIterator[tuple[AuditTrail, Restore]]:
    owner = await asyncpg.connect(database)

    async def restore(rows: int) -> None:
        await owner.execute(UNGUARD)
        await owner.execute("delete from portico.audit where tenant = 'riverbend' and number > $1", rows)
        await owner.execute("delete from portico.audit_head where tenant = 'riverbend'")
        await owner.execute(
            "insert into portico.audit_head select tenant, number, hash, recorded_at from portico.audit"
            " where tenant = 'riverbend' and number = $1",
            rows,
        )

    trail = PostgresTrail(store, TrailConfig())
    yield trail, restore
    await trail.aclose()
    await owner.close()


@pytest.fixture(params=["memory", "postgres"])
def restored(request: pytest.FixtureRequest) -> tuple[AuditTrail, Restore]:
    found: tuple[AuditTrail, Restore] = request.getfixturevalue(f"{request.param}_restored")
    return found


async def grow(trail: AuditTrail, first: int, last: int, tenant: Tenant = RIVERBEND) -> None:
    for number in range(first, last + 1):
        await trail.commit(replace(entry(number), tenant=tenant))


def witnessed(trail: AuditTrail, path: Path, config: WitnessConfig | None = None) -> WitnessedTrail:
    return WitnessedTrail(trail, CheckpointFile(path, KEYS), config or WitnessConfig())


async def refusal(trail: AuditTrail, entry_: AuditEntry) -> str:
    with pytest.raises(AuditUnavailable) as refused:
        await trail.commit(entry_)
    return refused.value.message


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():  # noqa: ASYNC110  what is waited for is noticed by looking, as an operator would
            await asyncio.sleep(0.005)


async def test_nothing_is_recorded_before_the_chains_were_looked_at(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail = witnessed(restored[0], path)
    assert await refusal(trail, entry(1)) == NOT_COMPARED
    assert not trail.sound
    await trail.look()
    assert trail.sound
    assert await trail.commit(entry(1)) == 1


async def test_every_chain_that_grew_leaves_one_checkpoint(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    await grow(restored[0], 1, 3)
    await grow(restored[0], 1, 2, HARBOR)
    trail = witnessed(restored[0], path)
    await trail.look()
    assert len(lines(path)) == 2
    await trail.look()
    assert len(lines(path)) == 2
    await trail.commit(entry(4))
    await trail.look()
    file = CheckpointFile(path, KEYS)
    file.read(thorough=True)
    assert list(file.witnessed[RIVERBEND].heads) == [3, 4]
    assert list(file.witnessed[HARBOR].heads) == [2]
    heads = {head.tenant: head for head in await trail.heads()}
    assert (file.witnessed[RIVERBEND].last, file.witnessed[HARBOR].last) == (heads[RIVERBEND], heads[HARBOR])
    assert file.witnessed[RIVERBEND].heads[4].recorded_at == heads[RIVERBEND].recorded_at


async def test_closing_leaves_a_last_checkpoint(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    trail = witnessed(restored[0], path)
    trail.watch()
    await trail.look()
    await grow(trail, 1, 5)
    await trail.aclose()
    file = CheckpointFile(path, KEYS)
    file.read(thorough=True)
    last = file.witnessed[RIVERBEND].last
    assert last is not None
    assert last.number == 5


async def test_a_chain_that_lies_behind_its_checkpoint_takes_nothing(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail, restore = restored
    await grow(trail, 1, 6)
    await grow(trail, 1, 2, HARBOR)
    await witnessed(trail, path).look()
    await restore(4)
    started = witnessed(trail, path)
    await started.look()
    assert not started.sound
    assert await refusal(started, entry(7)) == NOT_WITNESSED
    assert {head.tenant: head.number for head in await trail.heads()} == {HARBOR: 2, RIVERBEND: 4}
    assert await started.commit(replace(entry(3), tenant=HARBOR)) == 3


async def test_a_backup_restored_under_a_running_server_is_noticed_by_the_next_commit(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail, restore = restored
    await grow(trail, 1, 6)
    running = witnessed(trail, path)
    await running.look()
    await restore(4)
    assert running.sound
    assert await refusal(running, entry(7)) == NOT_WITNESSED
    assert not running.sound
    assert await refusal(running, entry(8)) == NOT_WITNESSED


async def test_a_chain_that_went_on_after_a_backup_is_other_than_its_checkpoint(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail, restore = restored
    await grow(trail, 1, 6)
    await witnessed(trail, path).look()
    await restore(4)
    await grow(trail, 20, 25)
    started = witnessed(trail, path)
    await started.look()
    assert await refusal(started, entry(7)) == NOT_WITNESSED
    assert len(lines(path)) == 1, "what is not believed is not witnessed"


async def test_a_chain_that_vanished_takes_nothing(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    trail, restore = restored
    await grow(trail, 1, 6)
    await witnessed(trail, path).look()
    await restore(0)
    started = witnessed(trail, path)
    await started.look()
    assert await refusal(started, entry(7)) == NOT_WITNESSED


@pytest.mark.parametrize("rows", [0, 3, 4])
async def test_an_accepted_gap_lets_a_running_server_go_on(
    restored: tuple[AuditTrail, Restore], path: Path, rows: int
) -> None:
    trail, restore = restored
    for last in (2, 4, 6):
        await grow(trail, last - 1, last)
        await witnessed(trail, path).look()
    await restore(rows)
    running = witnessed(trail, path, BRISK)
    running.watch()
    await _until(lambda: bool(running._distrusted))
    assert await refusal(running, entry(9)) == NOT_WITNESSED
    (gap,) = await accept_gaps(trail, CheckpointFile(path, KEYS), reason="disk lost", by="ops")
    assert (gap.head.tenant, gap.head.number, gap.kept, gap.lost) == (RIVERBEND, rows, rows - rows % 2, 6)
    await _until(lambda: running.sound)
    assert await running.commit(entry(9)) == rows + 1
    await running.aclose()
    assert damage(path) is None
    assert list(await accept_gaps(trail, CheckpointFile(path, KEYS), reason="again", by="ops")) == []


async def test_after_an_accepted_gap_what_was_kept_is_still_witnessed(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail, restore = restored
    for last in (2, 4, 6):
        await grow(trail, last - 1, last)
        await witnessed(trail, path).look()
    await restore(4)
    await accept_gaps(trail, CheckpointFile(path, KEYS), reason="disk lost", by="ops")
    await restore(1)
    await grow(trail, 40, 50)
    file = CheckpointFile(path, KEYS)
    file.read(thorough=True)
    (report,) = await trail.verify(witnessed=_heads(file))
    assert (report.first_bad_row, report.flaw) == (2, Flaw.FORKED)


def _heads(file: CheckpointFile) -> list[ChainHead]:
    return [head for seen in file.witnessed.values() for head in seen.heads.values()]


async def test_a_cut_a_rebuilt_and_a_forked_chain_are_named_by_their_checkpoints(
    restored: tuple[AuditTrail, Restore], path: Path
) -> None:
    trail, restore = restored
    for last in (2, 4, 6):
        await grow(trail, last - 1, last)
        await witnessed(trail, path).look()
    file = CheckpointFile(path, KEYS)
    file.read(thorough=True)
    assert [report.flaw for report in await trail.verify(witnessed=_heads(file))] == [None]
    found = []
    for rows, more in ((5, 0), (4, 3), (0, 8)):
        await restore(rows)
        await grow(trail, 100 * (more + 1), 100 * (more + 1) + more - 1)
        assert [report.flaw for report in await trail.verify()] == [None], "without checkpoints nothing shows"
        (report,) = await trail.verify(witnessed=_heads(file))
        found.append((report.first_bad_row, report.flaw))
    assert found == [(6, Flaw.CUT), (6, Flaw.FORKED), (2, Flaw.FORKED)]


async def test_the_same_entry_again_is_no_sign_of_a_lost_row(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    await grow(restored[0], 1, 4)
    trail = witnessed(restored[0], path)
    await trail.look()
    assert await trail.commit(entry(2)) == 2
    assert trail.sound


async def test_a_damaged_file_stops_everything(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    await grow(restored[0], 1, 4)
    trail = witnessed(restored[0], path)
    await trail.look()
    with path.open("ab") as file:
        file.write(b"{}\n")
    await trail.look()
    assert not trail.sound
    assert await refusal(trail, entry(9)) == NOT_WITNESSED
    assert await refusal(trail, replace(entry(9), tenant=HARBOR)) == NOT_WITNESSED


async def test_a_file_that_cannot_be_written_is_told_and_answers_go_on(
    restored: tuple[AuditTrail, Restore], tmp_path: Path
) -> None:
    """The chain itself is whole; what is not witnessed now is witnessed with the next checkpoint."""
    folder = tmp_path / "later"
    trail = witnessed(restored[0], folder / "checkpoints")
    await grow(restored[0], 1, 2)
    await trail.look()
    assert not trail.sound
    assert await trail.commit(entry(3)) == 3
    folder.mkdir()
    await trail.look()
    assert trail.sound
    assert len(lines(folder / "checkpoints")) == 1


async def test_two_servers_share_a_file(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    one, other = witnessed(restored[0], path), witnessed(restored[0], path)
    for number in range(1, 20):
        await asyncio.gather(one.look(), other.look())
        await asyncio.gather(one.commit(entry(number)), other.commit(entry(100 + number)))
        assert (one.sound, other.sound) == (True, True)
    await one.aclose()
    await other.aclose()
    assert damage(path) is None
    file = CheckpointFile(path, KEYS)
    file.read()
    assert file.witnessed[RIVERBEND].last is not None
    assert file.witnessed[RIVERBEND].last.number == 38


async def test_what_is_read_is_read_from_the_trail_itself(restored: tuple[AuditTrail, Restore], path: Path) -> None:
    trail = witnessed(restored[0], path)
    await grow(restored[0], 1, 3)
    (head,) = await trail.heads()
    assert await trail.hashes(RIVERBEND, [3, 99]) == {3: head.hash}
    assert [report.head for report in await trail.verify()] == [head]
