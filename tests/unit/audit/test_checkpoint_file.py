"""A file of signed lines shows whatever is done to it, and stands a crash in the middle of a line."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from portico.audit.checkpoint_file import CheckpointFile, CheckpointsDamaged
from portico.audit.checkpoints import CheckpointKeys, KeysRefused, LineFlaw, new_key
from tests.unit.audit.checkpoint_lines import HARBOR, KEYS, RIVERBEND, checkpoint, damage, file_of, gap, head, lines


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints"


def test_a_line_tells_tenant_number_hash_and_time_and_who_signed(path: Path) -> None:
    file_of(path, checkpoint(3), checkpoint(1, HARBOR))
    first, second = (json.loads(line) for line in lines(path))
    assert first.keys() == {"kind", "tenant", "number", "hash", "recorded_at", "previous", "key", "signature"}
    assert (first["kind"], first["tenant"], first["number"]) == ("checkpoint", "riverbend", 3)
    assert first["hash"] == head(3).hash.hex()
    assert first["recorded_at"] == "2026-01-31T12:00:03.000000+00:00"
    assert first["previous"] == "0" * 64
    assert (first["key"], second["key"]) == (KEYS.signing, KEYS.signing)
    assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0


def test_what_was_written_is_what_is_read(path: Path) -> None:
    file_of(path, checkpoint(3), checkpoint(1, HARBOR), checkpoint(7))
    again = CheckpointFile(path, KEYS)
    again.read(thorough=True)
    assert again.lines == 3
    assert list(again.witnessed[RIVERBEND].heads.values()) == [head(3), head(7)]
    assert again.witnessed[RIVERBEND].last == head(7)
    assert again.witnessed[HARBOR].last == head(1, HARBOR)


def test_a_file_that_is_not_there_is_an_empty_one(path: Path) -> None:
    file = CheckpointFile(path, KEYS)
    file.read()
    assert (file.lines, dict(file.witnessed)) == (0, {})
    assert not path.exists()


def test_a_checkpoint_that_is_not_beyond_the_last_one_is_not_written(path: Path) -> None:
    file = file_of(path, checkpoint(3))
    assert file.append([checkpoint(3), checkpoint(2), checkpoint(4)]) == [checkpoint(4)]
    assert len(lines(path)) == 2


def test_writers_in_many_threads_and_readers_make_one_sound_file(path: Path) -> None:
    def write(writer: int) -> None:
        file = CheckpointFile(path, KEYS)
        for number in range(1, 20):
            file.append([checkpoint(number), checkpoint(number, HARBOR)])
            file.read(thorough=bool(writer % 2))

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(write, range(6)))
    assert damage(path) is None
    assert len(lines(path)) == 38


def test_a_line_that_was_never_finished_is_forgotten(path: Path) -> None:
    file_of(path, checkpoint(3), checkpoint(4))
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert damage(path) is None
    file = file_of(path, checkpoint(9))
    assert list(file.witnessed[RIVERBEND].heads) == [3, 9]
    assert damage(path) is None


def forged(line: bytes, **changes: object) -> bytes:
    said = {**json.loads(line), **changes}
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def resigned(line: bytes, previous: str | None = None) -> bytes:
    """The line as somebody else would sign it who calls their key by the trusted key's name."""
    other = CheckpointKeys.read(new_key())
    opened = KEYS.open(line.rstrip())
    signed = json.loads(other.sign(opened.statement, previous or opened.previous))
    return forged(line, signature=signed["signature"], previous=previous or opened.previous)


TAMPERINGS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], int, LineFlaw]] = {
    "an edited number": (lambda all_: [all_[0], forged(all_[1], number=40), *all_[2:]], 2, LineFlaw.FORGED),
    "an edited hash": (lambda all_: [*all_[:3], forged(all_[3], hash="00" * 32)], 4, LineFlaw.FORGED),
    "another tenant": (lambda all_: [*all_[:3], forged(all_[3], tenant="harbor")], 4, LineFlaw.FORGED),
    "a foreign signature": (lambda all_: [*all_[:3], resigned(all_[3])], 4, LineFlaw.FORGED),
    "an invented key": (lambda all_: [*all_[:3], forged(all_[3], key="ab" * 8)], 4, LineFlaw.UNKNOWN_KEY),
    "neighbours swapped": (lambda all_: [all_[0], all_[2], all_[1], all_[3]], 2, LineFlaw.MISPLACED),
    "the first removed": (lambda all_: all_[1:], 1, LineFlaw.MISPLACED),
    "one removed": (lambda all_: [all_[0], *all_[2:]], 2, LineFlaw.MISPLACED),
    "one twice": (lambda all_: [*all_, all_[3]], 5, LineFlaw.MISPLACED),
    "an old one appended": (lambda all_: [*all_, all_[1]], 5, LineFlaw.MISPLACED),
    "words of somebody's own": (lambda all_: [*all_, b"hello\n"], 5, LineFlaw.UNREADABLE),
    "an empty line": (lambda all_: [all_[0], b"\n", *all_[1:]], 2, LineFlaw.UNREADABLE),
    "another spelling": (lambda all_: [all_[0].replace(b'":', b'": '), *all_[1:]], 1, LineFlaw.UNREADABLE),
    "a member twice": (lambda all_: [b'{"number":9,' + all_[0][1:], *all_[1:]], 1, LineFlaw.UNREADABLE),
    "a member too many": (lambda all_: [*all_[:3], forged(all_[3], note="x")], 4, LineFlaw.FORGED),
    "a boolean number": (lambda all_: [*all_[:3], forged(all_[3], number=True)], 4, LineFlaw.UNREADABLE),
    "no object": (lambda all_: [*all_, b"[]\n"], 5, LineFlaw.UNREADABLE),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_the_first_bad_line_is_named_and_what_is_wrong_with_it(path: Path, name: str) -> None:
    tamper, line, flaw = TAMPERINGS[name]
    file_of(path, *(checkpoint(number) for number in (2, 4, 6, 8)))
    path.write_bytes(b"".join(tamper(lines(path))))
    assert damage(path) == (line, flaw.name)


@pytest.mark.parametrize("name", TAMPERINGS)
def test_no_server_goes_on_from_a_file_that_was_tampered_with(path: Path, name: str) -> None:
    """Without verifying every signature: what follows vouches for what is before, and the last one is verified."""
    tamper, _, _ = TAMPERINGS[name]
    file_of(path, *(checkpoint(number) for number in (2, 4, 6, 8)))
    path.write_bytes(b"".join(tamper(lines(path))))
    file, before = CheckpointFile(path, KEYS), path.read_bytes()
    for _ in range(2):
        with pytest.raises(CheckpointsDamaged):
            file.read()
        with pytest.raises(CheckpointsDamaged):
            file.append([checkpoint(100)])
    assert path.read_bytes() == before


def test_a_signed_line_that_goes_backwards_is_found(path: Path) -> None:
    previous, written = "0" * 64, []
    for number in (5, 3):
        line = KEYS.sign(checkpoint(number), previous)
        previous = KEYS.open(line).digest
        written.append(line + b"\n")
    path.write_bytes(b"".join(written))
    assert damage(path) == (2, "BACKWARDS")


def test_a_file_that_was_shortened_behind_a_reader_is_found(path: Path) -> None:
    file = file_of(path, checkpoint(2), checkpoint(4))
    path.write_bytes(lines(path)[0])
    with pytest.raises(CheckpointsDamaged, match="line 2 is missing"):
        file.read()


def test_a_file_that_was_removed_behind_a_reader_is_found(path: Path) -> None:
    file = file_of(path, checkpoint(2))
    path.unlink()
    with pytest.raises(CheckpointsDamaged, match="line 1 is missing"):
        file.read()


def test_after_a_gap_the_chain_goes_on_from_its_new_head(path: Path) -> None:
    file = file_of(path, checkpoint(2), checkpoint(4), checkpoint(9), gap(6, kept=4, lost=9), checkpoint(7))
    seen = file.witnessed[RIVERBEND]
    assert list(seen.heads) == [2, 4, 6, 7]
    assert seen.heads[6] == head(6, history="restored")
    assert [one.reason for one in seen.gaps] == ["restored from the backup of Saturday"]
    assert damage(path) is None


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines", "\u202ereversed", "x" * 201, "nul\x00"])
def test_a_reason_is_one_readable_line(reason: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        type(gap(1, 1, 1))(
            head=head(1), kept=1, lost=1, reason=reason, accepted_at=gap(1, 1, 1).accepted_at, accepted_by="ops"
        )


# -- keys


def pem_of_public(private_pem: bytes) -> bytes:
    key = load_pem_private_key(private_pem, None)
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_lines_of_a_former_key_count_while_its_public_key_is_in_the_key_file(path: Path) -> None:
    former, present = new_key(), new_key()
    file_of(path, checkpoint(2), keys=CheckpointKeys.read(former))
    both = CheckpointKeys.read(present + pem_of_public(former))
    file_of(path, checkpoint(4), keys=both)
    assert damage(path, both) is None
    assert damage(path, CheckpointKeys.read(present)) == (1, "UNKNOWN_KEY")


def test_the_order_of_the_keys_does_not_matter() -> None:
    former, present = new_key(), new_key()
    one = CheckpointKeys.read(present + pem_of_public(former))
    other = CheckpointKeys.read(b"# the former one\n" + pem_of_public(former) + b"\n" + present)
    assert one.signing == other.signing


def _pem(key: Ed25519PrivateKey | ec.EllipticCurvePrivateKey, password: bytes | None = None) -> bytes:
    protection = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"x" * 64,
        pem_of_public(new_key()),
        new_key() + new_key(),
        _pem(ec.generate_private_key(ec.SECP256R1())),
        _pem(Ed25519PrivateKey.generate(), b"password"),
        b"-----BEGIN PRIVATE KEY-----\nbm9uc2Vuc2U=\n-----END PRIVATE KEY-----\n",
    ],
    ids=["empty", "noise", "public", "two", "another-curve", "encrypted", "nonsense"],
)
def test_a_key_file_without_exactly_one_good_private_key_is_refused(pem: bytes) -> None:
    with pytest.raises(KeysRefused) as refused:
        CheckpointKeys.read(pem)
    assert "nonsense" not in str(refused.value)
