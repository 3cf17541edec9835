"""Tokens, forged in every way that has worked somewhere."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import jwt
import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.claims import Reason, TokenRefused, TokenRules
from portico.edge.keys import read_key_set
from portico.edge.memory import HeldKeys
from portico.edge.tokens import Issuer, TokenVerifier
from portico.records.errors import Unauthenticated
from portico.records.references import Tenant

ISS = "https://id.riverbend.example"
AUD = "https://portico.riverbend.example"
NOW = 1_800_000_000

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
ATTACKER = ec.generate_private_key(ec.SECP256R1())

JWKS = [
    {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256", "use": "sig"},
    {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "kid": "pss", "alg": "PS256", "use": "sig"},
    {**ECAlgorithm.to_jwk(EC.public_key(), as_dict=True), "kid": "ec", "use": "sig"},
    {**OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True), "kid": "ed"},
]
CLAIMS: dict[str, Any] = {
    "iss": ISS,
    "aud": AUD,
    "sub": "dr-rivera",
    "client_id": "portal",
    "iat": NOW - 60,
    "exp": NOW + 3600,
    "jti": "1",
    "tenant": "riverbend",
    "kind": "person",
    "roles": ["physician"],
    "purposes": ["TREAT", "ETREAT"],
    "organization": "org-1",
    "npi": "1234567893",
    "patient": "pat-7",
    "acr": "urn:mfa",
    "auth_time": NOW - 120,
}


def published(*keys: Mapping[str, Any]) -> HeldKeys:
    return HeldKeys(read_key_set(orjson.dumps({"keys": list(keys)}), {}))


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keys() -> HeldKeys:
    return published(*JWKS)


@pytest.fixture
def verifier(keys: HeldKeys, clock: Clock) -> TokenVerifier:
    tenants = frozenset({Tenant("riverbend")})
    return TokenVerifier([Issuer(name=ISS, audience=AUD, tenants=tenants, keys=keys)], clock=clock)


def segment(part: object) -> str:
    text = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def token(claims: Mapping[str, Any] = CLAIMS, key: Any = EC, alg: str = "ES256", **header: Any) -> str:
    headers = {"typ": "at+jwt", "kid": "ec", **header}
    return jwt.PyJWS().encode(orjson.dumps(claims), key, alg, headers={k: v for k, v in headers.items() if v != ""})


def raw(header: object, claims: object = CLAIMS, key: ec.EllipticCurvePrivateKey = EC) -> str:
    """A token whose header and claims are exactly these, with a good signature."""
    signing = f"{segment(header)}.{segment(claims)}"
    algorithm = ECAlgorithm(ECAlgorithm.SHA256)
    return f"{signing}.{segment(algorithm.sign(signing.encode(), key))}"


def without(*names: str, **changed: Any) -> dict[str, Any]:
    return {name: value for name, value in {**CLAIMS, **changed}.items() if name not in names}


async def refused(verifier: TokenVerifier, given: str) -> Reason:
    with pytest.raises(Unauthenticated) as error:
        await verifier.verify(given)
    assert isinstance(error.value, TokenRefused)
    assert error.value.message == "Authentication required."
    return error.value.reason


async def test_a_good_token_names_its_principal(verifier: TokenVerifier) -> None:
    assert await verifier.verify(token()) == Principal(
        subject="dr-rivera",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset({"physician"}),
        purposes=frozenset({Purpose.TREATMENT, Purpose.EMERGENCY}),
        client="portal",
        organization="org-1",
        npi="1234567893",
        patients=frozenset({"pat-7"}),
        acr="urn:mfa",
        auth_time=NOW - 120,
        expires_at=NOW + 3600,
    )


async def test_only_what_a_token_must_have_is_needed(verifier: TokenVerifier) -> None:
    claims = without("organization", "npi", "patient", "acr", "auth_time", "jti", "client_id", azp="website")

    principal = await verifier.verify(token(claims))

    assert (principal.client, principal.patients, principal.npi, principal.auth_time) == (
        "website",
        frozenset(),
        None,
        None,
    )


@pytest.mark.parametrize(("kid", "key", "alg"), [("rsa", RSA, "RS256"), ("pss", RSA, "PS256"), ("ed", ED, "EdDSA")])
async def test_each_kind_of_asymmetric_key_verifies_its_own_algorithm(
    verifier: TokenVerifier, kid: str, key: Any, alg: str
) -> None:
    assert (await verifier.verify(token(key=key, alg=alg, kid=kid))).subject == "dr-rivera"


# Signature and algorithm


def hmac_token(secret: bytes, alg: str = "HS256", kid: str = "rsa") -> str:
    signing = f"{segment({'alg': alg, 'typ': 'at+jwt', 'kid': kid})}.{segment(CLAIMS)}"
    return f"{signing}.{segment(hmac.new(secret, signing.encode(), hashlib.sha256).digest())}"


PUBLIC = RSA.public_key()
SPKI = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
PKCS1 = PUBLIC.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
SSH = PUBLIC.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)


@pytest.mark.parametrize(
    "secret",
    [
        SPKI,
        SPKI.replace(b"\n", b"\r\n"),
        b" " + SPKI,
        SPKI.strip(),
        PKCS1,
        SSH,
        orjson.dumps(JWKS[0]),
        orjson.dumps({"keys": JWKS}),
        PUBLIC.public_numbers().n.to_bytes(256, "big"),
        b"",
    ],
    ids=["spki", "spki-crlf", "spki-space", "spki-strip", "pkcs1", "ssh", "jwk", "jwks", "modulus", "empty"],
)
async def test_a_public_key_is_never_a_shared_secret(verifier: TokenVerifier, secret: bytes) -> None:
    assert await refused(verifier, hmac_token(secret)) is Reason.ALGORITHM


@pytest.mark.parametrize(
    "alg", ["none", "None", "NONE", "", "HS256", "es256", "RS256", "ES384", "EdDSA", None, 1, ["ES256"]]
)
async def test_the_algorithm_is_the_keys_own_and_no_other(verifier: TokenVerifier, alg: object) -> None:
    assert await refused(verifier, raw({"alg": alg, "typ": "at+jwt", "kid": "ec"})) is Reason.ALGORITHM


async def test_a_key_of_one_algorithm_does_not_verify_another_of_its_type(verifier: TokenVerifier) -> None:
    assert await refused(verifier, token(key=RSA, alg="PS256", kid="rsa")) is Reason.ALGORITHM
    assert await refused(verifier, token(key=RSA, alg="RS512", kid="rsa")) is Reason.ALGORITHM


async def test_somebody_elses_signature_is_none(verifier: TokenVerifier) -> None:
    assert await refused(verifier, token(key=ATTACKER)) is Reason.SIGNATURE


async def test_a_changed_claim_breaks_the_signature(verifier: TokenVerifier) -> None:
    head, _, signature = token().split(".")

    assert await refused(verifier, f"{head}.{segment({**CLAIMS, 'sub': 'someone'})}.{signature}") is Reason.SIGNATURE


@pytest.mark.parametrize("signature", ["AA", "A" * 86, segment(b"\0" * 64), segment(b"\xff" * 64)])
async def test_an_empty_or_degenerate_signature_is_none(verifier: TokenVerifier, signature: str) -> None:
    assert await refused(verifier, ".".join([*token().split(".")[:2], signature])) is Reason.SIGNATURE


# Header


@pytest.mark.parametrize(
    "typ",
    ["", "JWT", "jwt", "AT+JWT", "logout+jwt", "secevent+jwt", "dpop+jwt", "id_token+jwt", "at+jwt ", None, ["at+jwt"]],
)
async def test_only_an_access_token_is_one(verifier: TokenVerifier, typ: object) -> None:
    header = {"alg": "ES256", "kid": "ec"} | ({} if typ == "" else {"typ": typ})

    with pytest.raises(TokenRefused):
        await verifier.verify(raw(header))


@pytest.mark.parametrize(
    "kid",
    [
        None,
        "",
        1,
        True,
        [],
        ["ec"],
        {"kid": "ec"},
        "EC",
        "ec ",
        "ec\x00",
        "../../dev/null",
        "/proc/self/environ",
        "' or 1=1--",
        "ec\r\nx: y",
        "https://evil.example/key",
        "x" * 4000,
    ],
    ids=lambda kid: repr(kid)[:20],
)
async def test_a_key_id_that_is_not_exactly_a_published_one_finds_no_key(verifier: TokenVerifier, kid: object) -> None:
    assert await refused(verifier, raw({"alg": "ES256", "typ": "at+jwt", "kid": kid})) is Reason.KEY


async def test_a_token_without_a_key_id_finds_no_key(verifier: TokenVerifier) -> None:
    assert await refused(verifier, raw({"alg": "ES256", "typ": "at+jwt"})) is Reason.KEY


@pytest.mark.parametrize("name", ["jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc", "cty", "anything"])
async def test_a_header_that_brings_its_own_key_or_meaning_is_refused(verifier: TokenVerifier, name: str) -> None:
    own = ECAlgorithm.to_jwk(ATTACKER.public_key(), as_dict=True)
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "ec", name: own if name == "jwk" else [name]}

    assert await refused(verifier, raw(header, key=ATTACKER)) is Reason.SHAPE


DUPLICATES = [
    (b'{"alg":"ES256","typ":"at+jwt","kid":"ec","kid":"ec"}', json.dumps(CLAIMS).encode()),
    (b'{"alg":"none","alg":"ES256","typ":"at+jwt","kid":"ec"}', json.dumps(CLAIMS).encode()),
    (b'{"alg":"ES256","typ":"at+jwt","kid":"ec"}', json.dumps(CLAIMS).encode()[:-1] + b',"tenant":"harbor"}'),
]


@pytest.mark.parametrize(("header", "claims"), DUPLICATES)
async def test_a_name_given_twice_has_no_meaning(verifier: TokenVerifier, header: bytes, claims: bytes) -> None:
    assert await refused(verifier, raw(header, claims)) is Reason.SHAPE


@pytest.mark.parametrize(
    "given",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "e30.e30.AA.AA",
        segment(b"[]") + "." + segment(b"[]") + ".AA",
        segment(b"null") + ".e30.AA",
        segment(b"\xff") + ".e30.AA",
        "e30=.e30.AA",
        "e3 0.e30.AA",
        "é.é.é",
        "\ud800.a.b",
        "~" + json.dumps(CLAIMS),
    ],
)
async def test_what_is_not_three_segments_of_json_is_no_token(verifier: TokenVerifier, given: str) -> None:
    with pytest.raises(TokenRefused):
        await verifier.verify(given)


async def test_the_second_dot_form_without_a_signature_is_no_token(verifier: TokenVerifier) -> None:
    assert await refused(verifier, token().rpartition(".")[0] + ".") is Reason.SHAPE


@pytest.mark.parametrize("size", [8193, 16_384, 5_000_000])
async def test_a_token_over_the_size_limit_is_not_looked_at(verifier: TokenVerifier, size: int) -> None:
    assert await refused(verifier, "a" * size) is Reason.SIZE


@pytest.mark.parametrize("iss", [None, "", ISS + "/", ISS.upper(), "https://evil.example", [ISS], 1])
async def test_only_a_known_issuer_counts(verifier: TokenVerifier, iss: object) -> None:
    assert await refused(verifier, token(without(iss=iss))) is Reason.ISSUER


async def test_a_token_ends_however_often_it_was_accepted(verifier: TokenVerifier, clock: Clock) -> None:
    given = token()
    await verifier.verify(given)
    await verifier.verify(given)

    clock.now = NOW + 3600 + 30

    assert await refused(verifier, given) is Reason.EXPIRED


@given(
    st.text(alphabet=st.characters(codec="latin-1"), max_size=300)
    | st.binary(max_size=99).map(lambda b: f"{segment(b)}.{segment(b)}.AA")
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_text_is_a_token_by_chance(verifier: TokenVerifier, given_text: str) -> None:
    with pytest.raises(TokenRefused):
        await verifier.verify(given_text)


# Keys that come and go


async def test_a_remembered_token_ends_with_its_key(verifier: TokenVerifier, keys: HeldKeys) -> None:
    given = token()
    await verifier.verify(given)

    keys.keys = {kid: key for kid, key in keys.keys.items() if kid != "ec"}

    assert await refused(verifier, given) is Reason.KEY


async def test_a_remembered_token_is_verified_again_when_its_key_id_gets_another_key(
    verifier: TokenVerifier, keys: HeldKeys
) -> None:
    given = token()
    await verifier.verify(given)

    keys.keys = published({**ECAlgorithm.to_jwk(ATTACKER.public_key(), as_dict=True), "kid": "ec"}).keys

    assert await refused(verifier, given) is Reason.SIGNATURE


async def test_a_key_verifies_for_its_own_issuer_only(keys: HeldKeys, clock: Clock) -> None:
    other = published({**ECAlgorithm.to_jwk(ATTACKER.public_key(), as_dict=True), "kid": "theirs"})
    verifier = TokenVerifier(
        [
            Issuer(name=ISS, audience=AUD, tenants=frozenset({Tenant("riverbend")}), keys=keys),
            Issuer(name="https://other.example", audience=AUD, tenants=frozenset({Tenant("harbor")}), keys=other),
        ],
        clock=clock,
    )
    theirs = without(iss="https://other.example", tenant="harbor")

    assert (await verifier.verify(token(theirs, ATTACKER, kid="theirs"))).tenant == "harbor"
    assert await refused(verifier, token(CLAIMS, ATTACKER, kid="theirs")) is Reason.KEY
    assert await refused(verifier, token(without(iss="https://other.example"), ATTACKER, kid="theirs")) is Reason.TENANT


async def test_the_accepted_types_are_a_setting(keys: HeldKeys, clock: Clock) -> None:
    issuer = Issuer(name=ISS, audience=AUD, tenants=frozenset({Tenant("riverbend")}), keys=keys)
    verifier = TokenVerifier([issuer], TokenRules(types=frozenset({"JWT"})), clock=clock)

    assert await verifier.verify(token(typ="JWT"))
    assert await refused(verifier, token()) is Reason.TYPE
