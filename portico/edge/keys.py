"""The public keys that an identity provider signs tokens with, read from its JWK Set (RFC 7517)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from portico.edge.strict_json import AmbiguousJson, Json, parse

KID_LIMIT: Final = 128
"""Characters of the longest key id."""
_KEYS_LIMIT: Final = 100
_RSA_BITS: Final = 2048
_ALGORITHMS: Final[Mapping[str, tuple[str, ...]]] = {
    "RSA": ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    "EC P-256": ("ES256",),
    "EC P-384": ("ES384",),
    "EC P-521": ("ES512",),
    "OKP Ed25519": ("EdDSA",),
}
"""What a key of a type and curve may sign with; the first where the key doesn't say (RFC 7518, RFC 8037).

Symmetric keys aren't here, and so don't exist."""


@dataclass(frozen=True, slots=True, eq=False)
class VerificationKey:
    """One public key and the only algorithm that it verifies.

    Compared by identity: a key that is published again unchanged stays the same object, a changed one doesn't.
    """

    algorithm: str
    jwk: PyJWK
    published: Mapping[str, Json]


class KeySource(Protocol):
    """Knows one issuer's current keys."""

    async def key(self, kid: str) -> VerificationKey | None:
        """The key of that id, or None."""


class UnusableKeySet(ValueError):
    """Not a JWK Set."""


def read_key_set(text: bytes, known: Mapping[str, VerificationKey]) -> dict[str, VerificationKey]:
    """The usable keys of a JWK Set by their ids, those that are in `known` unchanged taken from there.

    A key is left out where it isn't an asymmetric signature key of sufficient strength, where it is published with
    its private part, or where another has the same id. Raises `UnusableKeySet` where the whole makes no sense.
    """
    try:
        document = parse(text)
    except AmbiguousJson:
        raise UnusableKeySet from None
    published = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(published, list) or len(published) > _KEYS_LIMIT:
        raise UnusableKeySet
    entries = [(entry["kid"], entry) for entry in published if isinstance(entry, dict) and _has_kid(entry)]
    uses = Counter(kid for kid, _ in entries)
    return {
        str(kid): key
        for kid, entry in entries
        if uses[kid] == 1 and (key := _unchanged(known.get(str(kid)), entry) or _key(entry)) is not None
    }


def _has_kid(entry: Mapping[str, Json]) -> bool:
    kid = entry.get("kid")
    return isinstance(kid, str) and 0 < len(kid) <= KID_LIMIT


def _unchanged(key: VerificationKey | None, entry: Mapping[str, Json]) -> VerificationKey | None:
    return key if key is not None and key.published == entry else None


def _key(entry: dict[str, Json]) -> VerificationKey | None:
    kind = " ".join(str(entry[name]) for name in ("kty", "crv") if name in entry)
    permitted = _ALGORITHMS.get(kind, ())
    algorithm = entry.get("alg", permitted[0] if permitted else None)
    operations = entry.get("key_ops", ["verify"])
    if (
        algorithm not in permitted
        or entry.get("use", "sig") != "sig"
        or not (isinstance(operations, list) and "verify" in operations)
        or "d" in entry
    ):
        return None
    try:
        jwk = PyJWK(entry, algorithm=str(algorithm))
    except (PyJWTError, ValueError, TypeError):
        return None
    if isinstance(jwk.key, RSAPublicKey) and jwk.key.key_size < _RSA_BITS:
        return None
    return VerificationKey(algorithm=str(algorithm), jwk=jwk, published=entry)
