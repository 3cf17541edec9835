"""Signed lines about chains, kept outside of the database: what a chain's head was, and which gaps were accepted.

Whoever owns the database can cut a chain or compute it anew. They can't sign a line, so a chain that is not the one
that was witnessed shows. Each line names the line before it by its hash: lines that were moved, removed or put in
between show too, and the last line's signature vouches for all before it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final, Self, TypeAlias

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from portico.audit.trail import GENESIS, ChainHead
from portico.records.errors import Fault
from portico.records.references import Tenant

FIRST: Final = "0" * 64
"""What the first line of a file names as the line before it."""
REASON_LIMIT: Final = 200
"""Characters of an operator's reason for accepting a gap."""

_MEANT_FOR: Final = b"portico.checkpoint.1\n"
"""Precedes what is signed, so that the key's signatures are good for nothing else."""
_PEM: Final = re.compile(rb"-----BEGIN (PRIVATE|PUBLIC) KEY-----.*?-----END \1 KEY-----", re.DOTALL)


class KeysRefused(Fault):
    """The key file can't be used."""


class LineFlaw(StrEnum):
    """What is wrong with a line of the file, the first that is."""

    UNREADABLE = "unreadable"
    """It is no line of Portico's."""
    UNKNOWN_KEY = "signed with an unknown key"
    """Its key is not in the key file."""
    FORGED = "forged"
    """Its signature is not over these words."""
    MISPLACED = "misplaced"
    """It doesn't follow the line before it: moved, put in between, or the one before it was removed."""
    BACKWARDS = "backwards"
    """An earlier line has witnessed this row or a later one already."""
    SHORTENED = "missing"
    """It was there before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """A chain's head when the line was signed."""

    head: ChainHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """An operator's word: what the chain lost is lost, and it goes on from `head`.

    Up to row `kept` it agrees with the checkpoints before; up to row `lost` one of them had witnessed rows.
    """

    head: ChainHead
    kept: int
    lost: int
    reason: str
    accepted_at: datetime
    accepted_by: str

    def __post_init__(self) -> None:
        """Refuse a reason or a name that would not be one readable line."""
        for text in (self.reason, self.accepted_by):
            if not text.strip() or not text.isprintable() or len(text) > REASON_LIMIT:
                raise ValueError(f"a reason is 1 to {REASON_LIMIT} printable characters")


Statement: TypeAlias = Checkpoint | Gap


class BadLine(Exception):
    """A line that can't be believed, and why."""

    def __init__(self, flaw: LineFlaw) -> None:
        super().__init__(flaw.value)
        self.flaw = flaw


@dataclass(frozen=True, slots=True)
class SignedLine:
    """A line as it was found: what it says, which line it follows, and the signature that was not yet looked at."""

    statement: Statement
    previous: str
    digest: str
    _key: Ed25519PublicKey
    _signature: bytes
    _signed: bytes

    def verify(self) -> None:
        """Raises `BadLine` where the signature is not the key's over these words."""
        try:
            self._key.verify(self._signature, self._signed)
        except InvalidSignature:
            raise BadLine(LineFlaw.FORGED) from None


class CheckpointKeys:
    """The key that signs, and the public keys of those that signed before it."""

    def __init__(self, private: Ed25519PrivateKey, former: tuple[Ed25519PublicKey, ...] = ()) -> None:
        self._private = private
        self._public = {key_id(key): key for key in (*former, private.public_key())}
        self.signing = key_id(private.public_key())
        """The id of the key that signs."""

    @classmethod
    def read(cls, pem: bytes) -> Self:
        """From PEM: one Ed25519 private key, and the public keys of former ones. Raises `KeysRefused`."""
        private: list[Ed25519PrivateKey] = []
        former: list[Ed25519PublicKey] = []
        for block in _PEM.finditer(pem):
            try:
                key = load_pem_private_key(block[0], None) if block[1] == b"PRIVATE" else load_pem_public_key(block[0])
            except ValueError:
                raise KeysRefused("the checkpoint key file holds a key that can't be read") from None
            match key:
                case Ed25519PrivateKey():
                    private.append(key)
                case Ed25519PublicKey():
                    former.append(key)
                case _:
                    raise KeysRefused("the checkpoint key file holds a key that is not Ed25519")
        if len(private) != 1:
            raise KeysRefused("the checkpoint key file must hold exactly one Ed25519 private key, in PEM")
        return cls(private[0], tuple(former))

    def sign(self, statement: Statement, previous: str) -> bytes:
        """The statement as a line that follows the line of this digest, without a line break."""
        said = {**_said(statement), "previous": previous, "key": self.signing}
        signature = self._private.sign(_MEANT_FOR + _canonical(said))
        return _canonical({**said, "signature": base64.b64encode(signature).decode()})

    def open(self, line: bytes) -> SignedLine:
        """What a line says. Raises `BadLine` where it says nothing, or nothing that a known key could have signed."""
        try:
            said: dict[str, Any] = orjson.loads(line)
            signature = base64.b64decode(said.pop("signature"), validate=True)
            statement = _statement(said)
            if _canonical({**said, "signature": base64.b64encode(signature).decode()}) != line:
                raise BadLine(LineFlaw.UNREADABLE)
            key, previous = str(said["key"]), str(said["previous"])
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            raise BadLine(LineFlaw.UNREADABLE) from None
        if key not in self._public:
            raise BadLine(LineFlaw.UNKNOWN_KEY)
        return SignedLine(
            statement, previous, sha256(line).hexdigest(), self._public[key], signature, _MEANT_FOR + _canonical(said)
        )


def key_id(key: Ed25519PublicKey) -> str:
    """A public key's id: the beginning of the SHA-256 of its 32 bytes, in hex."""
    return sha256(key.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def new_key() -> bytes:
    """A new private key, in PEM."""
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _canonical(content: dict[str, object]) -> bytes:
    """JSON by RFC 8785 (JCS), for texts and integers."""
    return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def _said(statement: Statement) -> dict[str, object]:
    head = statement.head
    said: dict[str, object] = {
        "kind": "checkpoint",
        "tenant": head.tenant,
        "number": head.number,
        "hash": head.hash.hex(),
        "recorded_at": None if head.recorded_at is None else _instant(head.recorded_at),
    }
    if isinstance(statement, Gap):
        said |= {
            "kind": "gap",
            "kept": statement.kept,
            "lost": statement.lost,
            "reason": statement.reason,
            "accepted_at": _instant(statement.accepted_at),
            "accepted_by": statement.accepted_by,
        }
    return said


def _statement(said: dict[str, Any]) -> Statement:
    recorded_at = said["recorded_at"]
    head = ChainHead(
        tenant=Tenant(_text(said["tenant"])),
        number=_count(said["number"]),
        hash=bytes.fromhex(said["hash"]),
        recorded_at=None if recorded_at is None else datetime.fromisoformat(recorded_at),
    )
    if len(head.hash) != len(GENESIS):
        raise ValueError
    match said["kind"]:
        case "checkpoint":
            return Checkpoint(head=head)
        case "gap":
            return Gap(
                head=head,
                kept=_count(said["kept"]),
                lost=_count(said["lost"]),
                reason=_text(said["reason"]),
                accepted_at=datetime.fromisoformat(said["accepted_at"]),
                accepted_by=_text(said["accepted_by"]),
            )
    raise ValueError


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError
    return value
