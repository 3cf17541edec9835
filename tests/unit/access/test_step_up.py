"""An authentication will do if it is of a kind that was asked for, and so late: the token's word, judged here."""

from __future__ import annotations

from dataclasses import replace

import pytest

from portico.access.principal import Principal, PrincipalKind, Purpose
from portico.access.step_up import StepUp
from portico.records.references import Tenant

NOW = 1_800_000_000
ASKED = StepUp(("aal2", "aal3"), 300)
WHO = Principal(
    subject="usr-physician",
    kind=PrincipalKind.PERSON,
    tenant=Tenant("riverbend"),
    roles=frozenset({"physician"}),
    purposes=frozenset({Purpose.EMERGENCY}),
    client="workstation",
    acr="aal2",
    auth_time=NOW,
    expires_at=NOW + 3600,
)


@pytest.mark.parametrize("age", [0, 1, 299, 300])
@pytest.mark.parametrize("acr", ["aal2", "aal3"])
def test_any_of_the_kinds_will_do_for_so_long(acr: str, age: int) -> None:
    assert ASKED.is_met_by(replace(WHO, acr=acr, auth_time=NOW - age), NOW)


@pytest.mark.parametrize("age", [301, 960, NOW, -1, -300])
def test_neither_the_distant_past_nor_the_future_will_do(age: int) -> None:
    assert not ASKED.is_met_by(replace(WHO, auth_time=NOW - age), NOW)


@pytest.mark.parametrize("acr", [None, "", "aal1", "aal22", "AAL2", "aal2 ", "aal2 aal3"])
def test_kinds_are_compared_exactly(acr: str | None) -> None:
    assert not ASKED.is_met_by(replace(WHO, acr=acr), NOW)


def test_an_authentication_at_no_time_will_not_do() -> None:
    assert not ASKED.is_met_by(replace(WHO, auth_time=None), NOW)


def test_a_challenge_has_the_words_of_openid_connect() -> None:
    assert StepUp.of({"acr": ["aal3", "aal2"], "max_age_seconds": 300}).challenge() == {
        "acrValues": ["aal2", "aal3"],
        "maxAge": 300,
    }
