from __future__ import annotations

from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from portico.edge.keys import UnusableKeySet, VerificationKey, read_key_set

_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
_EC = ec.generate_private_key(ec.SECP256R1())
RSA: dict[str, Any] = RSAAlgorithm.to_jwk(_RSA.public_key(), as_dict=True) | {"kid": "r"}
EC: dict[str, Any] = ECAlgorithm.to_jwk(_EC.public_key(), as_dict=True) | {"kid": "e"}
ED: dict[str, Any] = OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key(), as_dict=True) | {"kid": "d"}
SYMMETRIC: dict[str, Any] = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "s"}


def read(*keys: Any, known: dict[str, VerificationKey] | None = None) -> dict[str, VerificationKey]:
    return read_key_set(orjson.dumps({"keys": list(keys)}), known or {})


def test_each_key_has_one_algorithm() -> None:
    keys = read(RSA, RSA | {"kid": "p", "alg": "PS384"}, EC, ED)

    assert {kid: key.algorithm for kid, key in keys.items()} == {"r": "RS256", "p": "PS384", "e": "ES256", "d": "EdDSA"}


@pytest.mark.parametrize(
    "key",
    [
        SYMMETRIC,
        SYMMETRIC | {"alg": "HS256", "use": "sig"},
        RSA | {"alg": "HS256"},
        RSA | {"alg": "none"},
        RSA | {"alg": "RSA-OAEP"},
        RSA | {"alg": "ES256"},
        RSA | {"alg": ["RS256"]},
        RSA | {"use": "enc"},
        RSA | {"key_ops": ["sign"]},
        RSA | {"key_ops": "verify"},
        RSA | {"n": "AQAB"},
        RSA | {"n": "!"},
        RSA | {"n": None},
        RSA | {"kty": "rsa"},
        RSA | {"kty": ["RSA"]},
        EC | {"alg": "ES384"},
        EC | {"crv": "P-384"},
        EC | {"crv": "secp256k1"},
        EC | {"x": EC["y"]},
        EC | {"kid": ""},
        EC | {"kid": 1},
        EC | {"kid": "x" * 129},
        {name: value for name, value in EC.items() if name != "kid"},
        {name: value for name, value in EC.items() if name != "kty"},
        {"kid": "empty"},
        "key",
        None,
        [],
    ],
    ids=lambda key: repr(key)[:30],
)
def test_what_is_no_sound_signature_key_is_left_out_and_the_others_stay(key: Any) -> None:
    assert read(key, ED).keys() == {"d"}


def test_a_private_key_that_was_published_by_mistake_is_not_used() -> None:
    assert read(ECAlgorithm.to_jwk(_EC, as_dict=True) | {"kid": "e"}, ED).keys() == {"d"}


def test_a_weak_rsa_key_is_not_used() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)  # noqa: S505 - that it is weak is the point

    assert read(RSAAlgorithm.to_jwk(weak.public_key(), as_dict=True) | {"kid": "weak"}, ED).keys() == {"d"}


def test_of_two_keys_with_one_id_neither_is_used() -> None:
    assert read(EC, RSA | {"kid": "e"}, ED).keys() == {"d"}


def test_a_key_that_is_published_again_unchanged_is_the_same_key() -> None:
    first = read(EC, ED)
    second = read(EC, ED | {"alg": "EdDSA"}, known=first)

    assert second["e"] is first["e"]
    assert second["d"] is not first["d"]


def test_no_keys_are_a_key_set_too() -> None:
    assert read() == {}


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":null}',
        b'{"keys":[],"keys":[]}',
        b'{"keys":[' + b"{}," * 100 + b"{}]}",
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_is_no_key_set_is_refused_as_a_whole(text: bytes) -> None:
    with pytest.raises(UnusableKeySet):
        read_key_set(text, {})
