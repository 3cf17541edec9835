"""The key that signs the demo's tokens: kept in a file, so that tokens outlive a restart."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import ECAlgorithm

ALGORITHM: Final = "ES256"


@dataclass(frozen=True)
class SigningKey:
    """An EC key on P-256, and what the world may know of it."""

    private: ec.EllipticCurvePrivateKey

    @cached_property
    def kid(self) -> str:
        """The key's id: the first half of its public part's SHA-256, in hex."""
        digest = hashes.Hash(hashes.SHA256())
        digest.update(self.private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
        return digest.finalize()[:16].hex()

    def jwk(self) -> dict[str, str]:
        """The public key as RFC 7517 writes it."""
        public: dict[str, str] = ECAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "use": "sig", "alg": ALGORITHM, "kid": self.kid}

    def sign(self, claims: dict[str, object]) -> str:
        """A JWT access token (RFC 9068)."""
        return jwt.encode(claims, self.private, algorithm=ALGORITHM, headers={"typ": "at+jwt", "kid": self.kid})


def new_key() -> SigningKey:
    """A key that is nowhere else."""
    return SigningKey(ec.generate_private_key(ec.SECP256R1()))


def kept_key(path: Path) -> SigningKey:
    """The key in a file, made when there is none. Nobody but its owner can read the file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    key = new_key()
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return key


def _read(path: Path) -> SigningKey:
    key = load_pem_private_key(path.read_bytes(), password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{path} holds no EC key")
    return SigningKey(key)
