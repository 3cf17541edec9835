from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jwt
import pytest
from starlette.testclient import TestClient

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.claims import TokenRules, read_principal
from portico.records.references import Tenant
from sandbox.identity.keys import kept_key, new_key
from sandbox.identity.personas import Persona, personas
from sandbox.identity.server import IdentityProvider, Refused, build
from sandbox.population.generator import generate
from sandbox.population.planted import GUARDIAN_SUBJECT

NOW = 1_780_000_000
ISSUER = "http://127.0.0.1:9000"
INSTANT = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def cast() -> dict[str, Persona]:
    main = generate("riverbend", seed=7, size=40, now=INSTANT)
    return dict(personas(main, generate("harbor", seed=7, size=12, now=INSTANT)))


@pytest.fixture
def provider(cast: dict[str, Persona]) -> IdentityProvider:
    return IdentityProvider(personas=cast, key=new_key(), issuer=ISSUER, audience="portico", clock=lambda: NOW)


@pytest.fixture
def client(provider: IdentityProvider) -> TestClient:
    return TestClient(build(provider), base_url=ISSUER)


def claims_of(provider: IdentityProvider, token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        provider.key.private.public_key(),
        algorithms=["ES256"],
        audience="portico",
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    return claims


def principal_of(provider: IdentityProvider, name: str, purpose: str | None = None) -> Principal:
    claims = claims_of(provider, provider.token(name, purpose))
    tenants = frozenset({Tenant("riverbend"), Tenant("harbor")})
    return read_principal(claims, audience="portico", tenants=tenants, rules=TokenRules(), now=NOW)


def test_every_persona_is_a_principal_whom_the_edge_accepts(provider: IdentityProvider) -> None:
    for name in provider.personas:
        assert principal_of(provider, name).expires_at == NOW + 12 * 3600


@pytest.mark.parametrize(
    ("name", "role", "purposes"),
    [
        ("patient", "patient", {Purpose.PATIENT_REQUEST}),
        ("guardian", "guardian", {Purpose.PATIENT_REQUEST}),
        ("physician", "physician", {Purpose.TREATMENT, Purpose.EMERGENCY}),
        ("front-desk", "front-desk", {Purpose.OPERATIONS}),
        ("biller", "biller", {Purpose.PAYMENT}),
        ("researcher", "researcher", {Purpose.RESEARCH}),
        ("auditor", "auditor", {Purpose.OPERATIONS}),
        ("operator", "operator", {Purpose.OPERATIONS}),
        ("website", "website", {Purpose.OPERATIONS}),
        ("other-clinic", "physician", {Purpose.TREATMENT}),
    ],
)
def test_personas_have_their_role_and_purposes(
    name: str, role: str, purposes: set[Purpose], provider: IdentityProvider
) -> None:
    principal = principal_of(provider, name)
    assert principal.roles == {role}
    assert principal.purposes == purposes
    assert principal.tenant == ("harbor" if name == "other-clinic" else "riverbend")


def test_only_the_patient_is_a_patient_and_only_physicians_have_an_npi(provider: IdentityProvider) -> None:
    principals = {name: principal_of(provider, name) for name in provider.personas}
    assert {name for name, each in principals.items() if each.patients} == {"patient"}
    assert {name for name, each in principals.items() if each.npi} == {"physician", "other-clinic"}
    assert principals["guardian"].subject == GUARDIAN_SUBJECT
    assert principals["front-desk"].organization == "org-1"
    assert principals["patient"].organization is None


def test_website_is_a_service_that_never_signed_in(provider: IdentityProvider) -> None:
    website = principal_of(provider, "website")
    assert website.kind is PrincipalKind.SERVICE
    assert website.acr is None
    assert website.auth_time is None


def test_a_purpose_narrows_the_token(provider: IdentityProvider) -> None:
    assert principal_of(provider, "physician", "ETREAT").purposes == {Purpose.EMERGENCY}


def test_header_names_type_and_key_and_ids_differ(provider: IdentityProvider) -> None:
    one, other = provider.token("biller"), provider.token("biller")
    assert jwt.get_unverified_header(one) == {"alg": "ES256", "typ": "at+jwt", "kid": provider.key.kid}
    assert claims_of(provider, one)["jti"] != claims_of(provider, other)["jti"]


@pytest.mark.parametrize(("name", "purpose", "known"), [("nobody", None, "biller"), ("biller", "TREAT", "HPAYMT")])
def test_what_is_unknown_is_answered_with_what_is_known(
    name: str, purpose: str | None, known: str, provider: IdentityProvider
) -> None:
    with pytest.raises(Refused, match=known):
        provider.token(name, purpose)


def test_configuration_leads_to_the_key_that_verifies_a_token(client: TestClient) -> None:
    configuration = client.get("/.well-known/openid-configuration").json()
    assert configuration["issuer"] == ISSUER
    (key,) = client.get(configuration["jwks_uri"].removeprefix(ISSUER)).json()["keys"]
    assert "d" not in key
    answer = client.post("/token", json={"persona": "biller", "purpose": "HPAYMT"})
    assert answer.headers["cache-control"] == "no-store"
    verified = jwt.decode(
        answer.json()["access_token"],
        jwt.PyJWK(key),
        algorithms=["ES256"],
        audience="portico",
        options={"verify_exp": False, "verify_iat": False},
    )
    assert verified["sub"] == "usr-biller"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"biller"', b'{"persona": 7}', b'{"persona": "biller", "purpose": []}', b'{"as": "biller"}'],
)
def test_malformed_requests_get_400(body: bytes, client: TestClient) -> None:
    answer = client.post("/token", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"] == "invalid_request"


def test_a_web_page_cannot_ask(client: TestClient) -> None:
    body = '{"persona": "biller"}'
    assert client.post("/token", content=body, headers={"Content-Type": "text/plain"}).status_code == 400
    rebound = client.post("/token", json={"persona": "biller"}, headers={"Host": "attacker.example"})
    assert rebound.status_code == 400


def test_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "identity"
    first = kept_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_key(path).kid == first.kid
    assert new_key().kid != first.kid
