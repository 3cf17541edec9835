"""Who is not known learns nothing, not even why; who is known may ask for the purposes of their token alone."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sandbox.identity.keys import SigningKey, kept_key, new_key
from tests.e2e.whole.stage import Demo
from tests.e2e.whole.walk import Walk
from tests.oracles.reply import Json
from tests.oracles.uniform import lasting

QUERY = "{ viewer { subject } patients(first: 3) { edges { node { id } } } }"


@pytest.fixture(scope="module")
def key(demo: Demo) -> SigningKey:
    """The identity provider's own key, which nobody else has."""
    return kept_key(demo.state.secrets / "identity")


@pytest.fixture(scope="module")
def claims(demo: Demo) -> Json:
    """The physician's claims, fit to be signed again."""
    payload = demo.token("physician").split(".")[1]
    read: Json = json.loads(urlsafe_b64decode(payload + "=="))
    return read


def _part(content: Mapping[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def _sign(key: SigningKey, claims: Json, **header: Any) -> str:
    given = {"typ": "at+jwt", "kid": key.kid, **header}
    return jwt.encode(claims, key.private, algorithm="ES256", headers=given)


def _forgeries(key: SigningKey, claims: Json) -> dict[str, str]:
    """Tokens that differ in one thing each from one that is accepted."""
    now, honest = int(time.time()), _sign(key, claims)
    header, payload, signature = honest.split(".")
    unsigned = _part({"alg": "none", "typ": "at+jwt", "kid": key.kid})
    symmetric = _part({"alg": "HS256", "typ": "at+jwt", "kid": key.kid})
    public = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    jwk = json.dumps(key.jwk()).encode()
    stranger = new_key()

    def by(secret: bytes) -> str:
        digest = hmac.new(secret, f"{symmetric}.{payload}".encode(), hashlib.sha256).digest()
        return f"{symmetric}.{payload}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"

    return {
        "empty": "",
        "garbage": "no.token.atall",
        "alg none without a signature": f"{unsigned}.{payload}.",
        "alg none with a signature": f"{unsigned}.{payload}.{signature}",
        "the public key as an HMAC secret": by(public),
        "the published JWK as an HMAC secret": by(jwk),
        "another key under the known id": _sign(SigningKey(stranger.private), claims, kid=key.kid),
        "another key under its own id": _sign(stranger, claims),
        "a key that it brings along": _sign(stranger, claims, kid=key.kid, jwk=stranger.jwk()),
        "claims changed after signing": f"{header}.{_part({**claims, 'roles': ['biller']})}.{signature}",
        "expired": _sign(key, {**claims, "iat": now - 7200, "exp": now - 3600}),
        "not yet valid": _sign(key, {**claims, "nbf": now + 3600}),
        "good for longer than allowed": _sign(key, {**claims, "exp": claims["iat"] + 90_000}),
        "without an end": _sign(key, {name: value for name, value in claims.items() if name != "exp"}),
        "for another audience": _sign(key, {**claims, "aud": "portal"}),
        "for two audiences": _sign(key, {**claims, "aud": ["portico", "portal"]}),
        "of another issuer": _sign(key, {**claims, "iss": "https://elsewhere.example"}),
        "of an unknown tenant": _sign(key, {**claims, "tenant": "meadow"}),
        "an id token": _sign(key, claims, typ="JWT"),
        "critical extensions": _sign(key, claims, crit=["exp"]),
        "too large": _sign(key, {**claims, "padding": "x" * 10_000}),
    }


def test_every_forged_token_gets_one_constant_answer(demo: Demo, key: SigningKey, claims: Json) -> None:
    assert demo.reply(_sign(key, claims), QUERY).json()["data"]["viewer"] == {"subject": "usr-physician"}
    anonymous = demo.post(json.dumps({"query": QUERY}).encode(), {})
    assert anonymous.status == 401
    assert anonymous.json()["errors"][0]["extensions"] == {"code": "UNAUTHENTICATED"}
    for forgery, token in _forgeries(key, claims).items():
        assert lasting(demo.reply(token, QUERY)) == lasting(anonymous), forgery


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe{", b'{"query": "{ __schema { types { name } } }"}', b"[" * 5_000, b'{"query": "{ nope }"}']
)
def test_who_is_not_known_gets_it_whatever_they_send(demo: Demo, body: bytes) -> None:
    anonymous = demo.post(json.dumps({"query": QUERY}).encode(), {})
    assert lasting(demo.post(body, {"Authorization": "Bearer x.y.z"})) == lasting(anonymous)


def test_a_forged_token_leaves_nothing_of_itself_in_the_log(demo: Demo, key: SigningKey, claims: Json) -> None:
    for token in _forgeries(key, claims).values():
        demo.reply(token, QUERY)
        for part in token.split("."):
            assert len(part) < 20 or part not in demo.log("server")


@pytest.mark.parametrize(
    ("persona", "purpose", "status"),
    [
        ("physician", None, 403),
        ("physician", "TREAT", 200),
        ("physician", "ETREAT", 200),
        ("physician", "HPAYMT", 403),
        ("physician", "treat", 403),
        ("physician", "TREAT, ETREAT", 403),
        ("physician", "", 403),
        ("biller", None, 200),
        ("biller", "HPAYMT", 200),
        ("biller", "TREAT", 403),
        ("patient", "ETREAT", 403),
    ],
)
def test_a_request_is_for_a_purpose_that_its_token_permits(
    demo: Demo, key: SigningKey, claims: Json, persona: str, purpose: str | None, status: int
) -> None:
    both = _sign(key, {**claims, "purposes": ["TREAT", "ETREAT"]})
    token = both if persona == "physician" else demo.token(persona)
    reply = demo.reply(token, QUERY, headers={} if purpose is None else {"X-Purpose-Of-Use": purpose})
    assert reply.status == status
    if status == 403:
        assert [error["extensions"]["code"] for error in reply.json()["errors"]] == ["PURPOSE_REFUSED"]


def test_a_purpose_that_no_rule_serves_shows_nobody(demo: Demo, key: SigningKey, claims: Json) -> None:
    both = _sign(key, {**claims, "purposes": ["TREAT", "ETREAT"]})
    seen = {
        purpose: demo.reply(both, QUERY, headers={"X-Purpose-Of-Use": purpose}).json()["data"]["patients"]
        for purpose in ("TREAT", "ETREAT")
    }
    assert seen["TREAT"]["edges"]
    assert not (seen["ETREAT"] or {}).get("edges")


def test_the_other_clinic_sees_nothing_of_ours_by_any_id(demo: Demo, walks: Mapping[str, Walk]) -> None:
    ours = {id_ for name, walk in walks.items() if name != "other-clinic" for ids in walk.seen.values() for id_ in ids}
    theirs = {id_ for ids in walks["other-clinic"].seen.values() for id_ in ids}
    assert theirs
    assert ours.isdisjoint(theirs)
    tried = sorted(ours)[:100]
    answer = demo.ask("other-clinic", "query ($ids: [ID!]!) { nodes(ids: $ids) { __typename } }", ids=tried)
    assert answer["data"] == {"nodes": [None] * len(tried)}
    assert "errors" not in answer


def test_a_cursor_is_nobody_elses(demo: Demo) -> None:
    page = (
        "query ($after: String) { patients(first: 2, after: $after) { edges { node { id } } pageInfo { endCursor } } }"
    )
    cursor = demo.ask("biller", page)["data"]["patients"]["pageInfo"]["endCursor"]
    assert demo.ask("biller", page, after=cursor)["data"]["patients"]["edges"]
    for thief in ("front-desk", "researcher", "other-clinic"):
        answer = demo.ask(thief, page, after=cursor)
        assert answer["data"]["patients"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]
