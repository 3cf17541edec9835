from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.edge.claims import Reason, TokenRefused, TokenRules, read_principal
from portico.records.references import Tenant

AUD = "https://portico.riverbend.example"
NOW = 1_800_000_000
CLAIMS: dict[str, Any] = {
    "aud": AUD,
    "sub": "dr-rivera",
    "client_id": "portal",
    "iat": NOW - 60,
    "exp": NOW + 3600,
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


def read(*absent: str, **changed: Any) -> Principal:
    claims = {name: value for name, value in {**CLAIMS, **changed}.items() if name not in absent}
    tenants = frozenset({Tenant("riverbend"), Tenant("lakeside")})
    return read_principal(claims, audience=AUD, tenants=tenants, rules=TokenRules(), now=NOW)


def reason(*absent: str, **changed: Any) -> Reason:
    with pytest.raises(TokenRefused) as refused:
        read(*absent, **changed)
    assert refused.value.message == "Authentication required."
    return refused.value.reason


def test_claims_describe_a_principal_in_full() -> None:
    assert read() == Principal(
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


def test_only_what_a_token_must_have_is_needed() -> None:
    principal = read("organization", "npi", "patient", "acr", "auth_time", "client_id", azp="website")

    assert (principal.client, principal.patients, principal.npi, principal.auth_time) == (
        "website",
        frozenset(),
        None,
        None,
    )


def test_null_is_as_good_as_absent_where_a_claim_may_be() -> None:
    assert read(npi=None, patient=None, nbf=None) == read("npi", "patient")


@pytest.mark.parametrize(
    "aud", [None, "", AUD + "/", "other", [], ["other"], [AUD, "other"], [[AUD]], {"a": AUD}, 1, True]
)
def test_a_token_is_for_us_and_nobody_else(aud: object) -> None:
    assert reason(aud=aud) is Reason.AUDIENCE


def test_an_audience_may_be_a_list_of_one() -> None:
    assert read(aud=[AUD]) == read()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"exp": NOW - 31}, Reason.EXPIRED),
        ({"exp": NOW - 30}, Reason.EXPIRED),
        ({"exp": 0}, Reason.EXPIRED),
        ({"exp": NOW + 100 * 365 * 86400}, Reason.LIFETIME),
        ({"exp": NOW - 60 + 43201}, Reason.LIFETIME),
        ({"exp": 10**19}, Reason.LIFETIME),
        ({"exp": NOW, "iat": NOW}, Reason.LIFETIME),
        ({"exp": NOW, "iat": NOW + 5}, Reason.LIFETIME),
        ({"iat": NOW + 31}, Reason.NOT_YET),
        ({"iat": NOW + 3000}, Reason.NOT_YET),
        ({"nbf": NOW + 61}, Reason.NOT_YET),
        *(({"exp": wrong}, Reason.CLAIM) for wrong in (None, str(NOW + 60), NOW + 60.0, 1e20, True, -1, [NOW + 60])),
        *(({"iat": wrong}, Reason.CLAIM) for wrong in (None, str(NOW), float(NOW), True, -5)),
        *(({"nbf": wrong}, Reason.CLAIM) for wrong in (str(NOW), float(NOW), False)),
    ],
    ids=str,
)
def test_a_token_has_its_time(changes: dict[str, Any], expected: Reason) -> None:
    assert reason(**changes) is expected


@pytest.mark.parametrize(
    "changes", [{"exp": NOW - 29}, {"iat": NOW + 30}, {"nbf": NOW + 30}, {"exp": NOW - 60 + 43200}], ids=str
)
def test_clocks_may_be_half_a_minute_apart(changes: dict[str, Any]) -> None:
    assert read(**changes).subject == "dr-rivera"


def test_an_issuer_may_speak_for_several_tenants() -> None:
    assert read(tenant="lakeside").tenant == "lakeside"


@pytest.mark.parametrize("tenant", ["harbor", "Riverbend", "riverbend ", "*"])
def test_an_issuer_speaks_for_no_other_tenant(tenant: str) -> None:
    assert reason(tenant=tenant) is Reason.TENANT


TEXT = ("", 1, True, ["a"], {"a": 1}, "x" * 256, "a\nb", "\x00")
TEXTS = (None, "physician", {"physician": 1}, [1], [None], [""], [["physician"]], ["a"] * 65)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        *((name, wrong) for name in ("sub", "tenant", "kind") for wrong in (None, *TEXT)),
        *((name, wrong) for name in ("organization", "npi", "patient", "acr", "client_id", "azp") for wrong in TEXT),
        *((name, wrong) for name in ("roles", "purposes") for wrong in TEXTS),
        ("kind", "robot"),
        ("kind", "Person"),
        ("purposes", ["TREAT", "NOSUCH"]),
        ("purposes", ["treat"]),
        ("client_id", None),
        ("azp", "another"),
        ("auth_time", "1"),
        ("auth_time", 1.5),
        ("auth_time", True),
    ],
    ids=lambda part: repr(part)[:20],
)
def test_a_claim_of_the_wrong_shape_is_not_guessed_at(name: str, wrong: object) -> None:
    assert reason(**{name: wrong}) is Reason.CLAIM


@pytest.mark.parametrize("name", ["sub", "tenant", "kind", "roles", "purposes", "client_id", "exp", "iat"])
def test_a_claim_that_must_be_there_must_be_there(name: str) -> None:
    assert reason(name) is Reason.CLAIM


VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.lists, max_leaves=5)


@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), VALUES, min_size=1))
def test_no_claims_do_anything_but_pass_or_be_refused(changes: dict[str, Any]) -> None:
    with contextlib.suppress(TokenRefused):
        read(**changes)
