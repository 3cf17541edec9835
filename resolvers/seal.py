"""Opaque names: ids and cursors that only Portico can read, and only where they were meant.

AES-SIV (RFC 5297) is deterministic and authenticated: the same thing has the same name each time, and a name that was
forged, altered, or made for another tenant, type or caller does not open. What does not open never existed.
"""

from __future__ import annotations

import base64
import binascii
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MAX_NAME_LENGTH = 4_096
"""Characters; a longer name is never issued. A source's own position on a page may be part of one."""


class Seal:
    """Seals and opens names under one secret."""

    def __init__(self, secret: bytes) -> None:
        """`secret`: at least 32 random bytes; the key is derived from it for this purpose alone."""
        if len(secret) < 32:  # noqa: PLR2004  the sentence below says it
            raise ValueError("the sealing secret needs at least 32 bytes")
        kdf = HKDF(algorithm=hashes.SHA256(), length=64, salt=None, info=b"portico names 1")
        self._cipher = AESSIV(kdf.derive(secret))
        self._sealed = lru_cache(maxsize=65_536)(self._seal)

    def seal(self, meant_for: tuple[str, ...], parts: tuple[str, ...]) -> str:
        """The opaque name of `parts`, good only where the same `meant_for` is given again.

        Raises `ValueError` where it would be too long to be read.
        """
        return self._sealed(meant_for, parts)

    def open(self, meant_for: tuple[str, ...], name: str) -> tuple[str, ...] | None:
        """The parts of a name, or None if it was not made by `seal` for the same `meant_for`."""
        if not name or len(name) > MAX_NAME_LENGTH or not name.isascii():
            return None
        try:
            sealed = base64.b64decode(name + "=" * (-len(name) % 4), altchars=b"-_", validate=True)
            parts = _split(self._cipher.decrypt(sealed, [_join(meant_for)]))
        except (InvalidTag, binascii.Error, ValueError):
            return None
        # Base64 has spellings that decode alike; only the one that was issued is a name.
        return parts if self.seal(meant_for, parts) == name else None

    def _seal(self, meant_for: tuple[str, ...], parts: tuple[str, ...]) -> str:
        sealed = self._cipher.encrypt(_join(parts), [_join(meant_for)])
        name = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode("ascii")
        if len(name) > MAX_NAME_LENGTH:
            raise ValueError("the parts are too long for a name")
        return name


def _join(parts: tuple[str, ...]) -> bytes:
    """Unambiguous: each part is preceded by its length in bytes."""
    encoded = [part.encode() for part in parts]
    return b"".join(b"%d:%b" % (len(part), part) for part in encoded)


def _split(joined: bytes) -> tuple[str, ...]:
    parts: list[str] = []
    while joined:
        length, _, rest = joined.partition(b":")
        size = int(length)
        parts.append(rest[:size].decode())
        joined = rest[size:]
    return tuple(parts)
