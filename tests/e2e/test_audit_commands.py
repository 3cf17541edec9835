"""`portico audit`: accounts of disclosures, checkpoints and gaps, as an operator runs them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from portico.audit.checkpoints import new_key
from portico.audit.postgres import PostgresTrail, TrailConfig
from portico.records.references import PatientId, Tenant
from portico.store.database import Database
from resolvers.seal import Seal
from tests.e2e.audit_entries import ENTRY, entry
from tests.unit.audit.balp import departures

ROOT = Path(__file__).parents[2]
RIVERBEND, HARBOR = Tenant("riverbend"), Tenant("harbor")
ADA = PatientId("0a0a0a0a-0000-4000-8000-00000000000a")
BEN = PatientId("0b0b0b0b-0000-4000-8000-00000000000b")
SECRET = bytes(range(32))
UNGUARD = "alter table {} disable trigger append_only"


@dataclass
class Operator:
    """Somebody with a shell on the machine, the settings, and for bad days the database owner's password."""

    folder: Path
    url: str
    owner: asyncpg.Connection[asyncpg.Record]

    def portico(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command, run to its end."""
        named = {
            "database_url": self.url,
            "secret_file": str(self.folder / "secret"),
            "checkpoint_file": str(self.checkpoints),
            "checkpoint_key_file": str(self.folder / "key.pem"),
            "state": str(self.folder / "nothing"),
            **settings,
        }
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "portico", "audit", *arguments],
            cwd=ROOT,
            env={
                **{name: value for name, value in os.environ.items() if not name.startswith("PORTICO_")},
                **{f"PORTICO_{name.upper()}": value for name, value in named.items()},
            },
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def checkpoints(self) -> Path:
        """The file."""
        return self.folder / "checkpoints"

    async def restore(self, rows: int) -> None:
        """Put riverbend's chain back to where it had so many rows, as a backup would."""
        for table in await self.owner.fetch(
            "select tgrelid::regclass::text as name from pg_trigger where tgname = 'append_only'"
        ):
            await self.owner.execute(UNGUARD.format(table["name"]))
        await self.owner.execute("delete from portico.audit where tenant = 'riverbend' and number > $1", rows)
        await self.owner.execute(
            "update portico.audit_head set (number, hash, recorded_at) ="
            " (select number, hash, recorded_at from portico.audit where tenant = 'riverbend' and number = $1)"
            " where tenant = 'riverbend'",
            rows,
        )


@pytest.fixture
async def operator(tmp_path: Path, store_url: str, database: str) -> AsyncIterator[Operator]:
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "key.pem").write_bytes(new_key())
    for name in ("secret", "key.pem"):
        (tmp_path / name).chmod(0o600)
    owner = await asyncpg.connect(database)
    yield Operator(folder=tmp_path, url=store_url, owner=owner)
    await owner.close()


@pytest.fixture
async def trail(store: Database) -> AsyncIterator[PostgresTrail]:
    trail = PostgresTrail(store, TrailConfig())
    yield trail
    await trail.aclose()


async def _fill(trail: PostgresTrail) -> None:
    for number, purpose in enumerate(("TREAT", "HRESCH", "HPAYMT", "PUBHLTH"), 1):
        await trail.commit(
            replace(
                entry(number), purpose=purpose, patients=frozenset({ADA, BEN}), sources=frozenset({"ehr"}),
                masked=frozenset({"Patient.ssn"}), withheld=frozenset({"Claim.paid"}), labels=frozenset({"SUD"}),
            )
        )  # fmt: skip
    await trail.commit(replace(ENTRY, request_id="harbor", tenant=HARBOR, patients=frozenset({BEN}), purpose="HRESCH"))


# -- disclosures


async def test_an_account_lists_the_disclosures_that_the_law_asks_for(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    told = operator.portico("disclosures", "--patient", ADA)
    assert (told.returncode, told.stderr) == (0, "")
    newest, oldest = told.stdout.splitlines()
    assert "for PUBHLTH [disclosure]: Patient.name, Patient.ssn, from ehr; request req-4" in newest
    assert "usr-physician (physician) with portal, for HRESCH [disclosure]" in oldest


async def test_every_access_can_be_asked_for(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    told = operator.portico("disclosures", "--patient", ADA, "--all", "--format", "json")
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert [(row["purpose"], row["disclosure"]) for row in rows] == [
        ("PUBHLTH", True), ("HPAYMT", False), ("HRESCH", True), ("TREAT", False),
    ]  # fmt: skip
    assert rows[0]["released"] == ["Patient.name", "Patient.ssn"]
    assert rows[0]["roles"] == ["physician"]


async def test_the_reading_of_an_account_is_on_the_record(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    operator.portico("disclosures", "--patient", ADA)
    newest, *_ = await trail.seen(RIVERBEND, ADA)
    assert (newest.entry.client, newest.entry.purpose) == ("portico audit disclosures", "HOPERAT")
    assert newest.entry.subject
    assert newest.entry.patients == {ADA}
    assert [report.flaw for report in await trail.verify()] == [None, None]


async def test_an_opaque_id_is_read_in_the_tenant_that_it_was_made_for(
    operator: Operator, trail: PostgresTrail
) -> None:
    await _fill(trail)
    name = Seal(SECRET).seal(("id", HARBOR), ("Patient", "portico", BEN))
    told = operator.portico("disclosures", "--patient", name, "--all", "--format", "json")
    assert [json.loads(line)["tenant"] for line in told.stdout.splitlines()] == [HARBOR]
    for command in ("disclosures", "show"):
        nothing = operator.portico(command, "--patient", "nonsense")
        assert (nothing.returncode, nothing.stdout, nothing.stderr) == (2, "", "portico: no such patient id\n")


async def test_a_patient_of_whom_nobody_was_told_gets_a_line_that_says_so(
    operator: Operator, trail: PostgresTrail
) -> None:
    await _fill(trail)
    nobody = "0c0c0c0c-0000-4000-8000-00000000000c"
    for arguments, said in (
        (("show",), "nobody was told anything about this patient\n"),
        (("disclosures", "--all"), "nobody was told anything about this patient\n"),
        (("disclosures", "--from", "2026-01-31"),
         "nothing to account for since 2026-01-31; --all lists every access\n"),
    ):  # fmt: skip
        told = operator.portico(*arguments, "--patient", nobody)
        assert (told.returncode, told.stdout, told.stderr) == (0, "", said)


async def test_an_account_as_audit_events_keeps_the_profile(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    told = operator.portico("disclosures", "--patient", ADA, "--all", "--format", "fhir")
    events = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(events) == 4
    assert [departures(event) for event in events] == [[]] * 4


@pytest.mark.parametrize("how", ["text", "json", "fhir"])
async def test_no_format_tells_labels_what_was_withheld_or_another_patient(
    operator: Operator, trail: PostgresTrail, how: str
) -> None:
    await _fill(trail)
    told = operator.portico("disclosures", "--patient", ADA, "--all", "--format", how).stdout
    assert told
    for secret in ("SUD", "Claim.paid", BEN):
        assert secret not in told


async def test_a_period_is_of_whole_days(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    today = datetime.now(UTC).date()
    day = timedelta(days=1)

    def rows(*arguments: str) -> int:
        return len(operator.portico("disclosures", "--patient", ADA, *arguments).stdout.splitlines())

    assert rows("--from", str(today - day), "--until", str(today + day)) == 2
    assert rows("--from", str(today + 2 * day)) == 0
    assert rows("--until", str(today - 2 * day)) == 0
    refused = operator.portico("disclosures", "--patient", ADA, "--from", "yesterday")
    assert refused.returncode == 2


async def test_hostile_names_reach_no_terminal(operator: Operator, trail: PostgresTrail) -> None:
    hostile = "a\x1b[2J\nforged  line"
    await trail.commit(
        replace(ENTRY, subject=hostile, client=hostile, roles=frozenset({hostile}), patients=frozenset({ADA}))
    )
    for readings, how in enumerate(("text", "json", "fhir")):
        told = operator.portico("disclosures", "--patient", ADA, "--all", "--format", how).stdout
        lines = told.split("\n")[:-1]
        assert len(lines) == readings + 1, "the row itself, and the readings before this one"
        assert all(line.isprintable() for line in lines)


# -- checkpoints


async def test_a_checkpoint_is_left_of_every_chain_once(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    left = operator.portico("checkpoint")
    assert (left.returncode, left.stderr) == (0, "")
    heads = {head.tenant: head.hash.hex() for head in await trail.heads()}
    assert left.stdout.splitlines() == [
        f"harbor: witnessed up to row 1, hash {heads[HARBOR]}",
        f"riverbend: witnessed up to row 4, hash {heads[RIVERBEND]}",
    ]
    assert operator.portico("checkpoint").stdout == ""
    verified = operator.portico("verify")
    assert (verified.returncode, verified.stderr) == (0, "")
    assert verified.stdout.splitlines()[-1] == "checkpoints: 2 lines, sound"


async def test_a_restored_backup_is_named_and_accepted_by_name(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    operator.portico("checkpoint")
    await operator.restore(3)
    cut = operator.portico("verify")
    assert cut.returncode == 1
    assert "riverbend: row 4 is cut; 3 rows before it are sound" in cut.stdout
    refused = operator.portico("checkpoint")
    assert (refused.returncode, refused.stderr) == (1, "riverbend: behind its last checkpoint\n")
    accepted = operator.portico("accept-gap", "--reason", "restored the backup of Saturday")
    assert (accepted.returncode, accepted.stderr) == (0, "")
    today = datetime.now(UTC).date()
    assert accepted.stdout.startswith(f"riverbend: rows 1 to 4 were given up on {today} by ")
    assert accepted.stdout.endswith(": restored the backup of Saturday\n")
    verified = operator.portico("verify")
    assert verified.returncode == 0
    assert accepted.stdout in verified.stdout
    again = operator.portico("accept-gap", "--reason", "once more")
    assert again.stdout == "every chain is what was witnessed\n"


async def test_a_fork_after_a_restored_backup_is_named(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    operator.portico("checkpoint")
    await operator.restore(2)
    for number in range(50, 60):
        await trail.commit(entry(number))
    forked = operator.portico("verify")
    assert forked.returncode == 1
    assert "riverbend: row 4 is forked; 3 rows before it are sound" in forked.stdout
    refused = operator.portico("checkpoint")
    assert refused.stderr == "riverbend: other than its last checkpoint\n"


async def test_a_forged_and_a_moved_line_are_named(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    operator.portico("checkpoint")
    sound = operator.checkpoints.read_text()
    for damaged, sentence in (
        (sound.replace('"number":4', '"number":5'), "checkpoints: line 2 is forged; 1 lines before it are sound"),
        ("".join(reversed(sound.splitlines(keepends=True))), "checkpoints: line 1 is misplaced"),
        (sound + "noise\n", "checkpoints: line 3 is unreadable"),
    ):
        operator.checkpoints.write_text(damaged)
        found = operator.portico("verify")
        assert found.returncode == 1
        assert sentence in found.stdout
        refused = operator.portico("checkpoint")
        assert (refused.returncode, sentence in refused.stderr) == (1, True)
    other = operator.folder / "other.pem"
    other.write_bytes(new_key())
    other.chmod(0o600)
    operator.checkpoints.write_text(sound)
    foreign = operator.portico("verify", checkpoint_key_file=str(other))
    assert "checkpoints: line 1 is signed with an unknown key" in foreign.stdout


async def test_half_a_configuration_no_key_and_an_open_key_are_refused(operator: Operator) -> None:
    key = operator.folder / "key.pem"
    assert "both or not at all" in operator.portico("verify", checkpoint_key_file="").stderr
    assert "is configured" in operator.portico("checkpoint", checkpoint_file="", checkpoint_key_file="").stderr
    key.chmod(0o604)
    assert "open to every user" in operator.portico("checkpoint").stderr
    key.chmod(0o600)
    key.write_bytes(b"x" * 64)
    assert "exactly one Ed25519 private key" in operator.portico("checkpoint").stderr
    assert operator.portico("accept-gap", "--reason", "two\nlines").returncode != 0


async def test_without_checkpoints_the_chains_are_verified_alone(operator: Operator, trail: PostgresTrail) -> None:
    await _fill(trail)
    verified = operator.portico("verify", checkpoint_file="", checkpoint_key_file="")
    assert verified.returncode == 0
    assert [line.partition(":")[0] for line in verified.stdout.splitlines()] == ["harbor", "riverbend"]
