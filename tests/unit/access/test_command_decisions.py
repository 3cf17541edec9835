"""What the policies answer about a command is understood wholly, or the command is not run."""

from __future__ import annotations

from typing import Any

import pytest

from portico.access.commands import NO_LIMITS, CommandDecision, Limits, command_decision
from portico.access.engine import Verdict
from portico.access.step_up import StepUp
from portico.records.errors import PolicyUnavailable

TERMS: dict[str, Any] = {
    "step_up": {"acr": ["aal3", "aal2"], "max_age_seconds": 300},
    "limits": {"max_minutes": 60, "max_per_day": 5, "reason_characters": {"min": 10, "max": 500}},
}


def decided(**answer: Any) -> CommandDecision:
    return command_decision(Verdict(result=answer, revision="r", decision_id="d"))


def test_a_denial_has_its_reason_and_nothing_else() -> None:
    decision = decided(effect="deny", reason="no_relationship", obligations=[])

    assert (decision.reason, decision.step_up, decision.limits) == ("no_relationship", None, NO_LIMITS)
    assert (decision.decision_id, decision.revision) == ("d", "r")


def test_a_permission_has_its_terms() -> None:
    decision = decided(effect="allow", obligations=["limits", "step_up"], **TERMS)

    assert decision.reason is None
    assert decision.step_up == StepUp(("aal2", "aal3"), 300)
    assert decision.limits == Limits(max_minutes=60, max_per_day=5, reason_characters=(10, 500))


def test_a_permission_without_terms_asks_nothing() -> None:
    decision = decided(effect="allow", obligations=[])

    assert (decision.reason, decision.step_up, decision.limits) == (None, None, NO_LIMITS)


def test_terms_hold_whether_or_not_they_are_listed() -> None:
    assert decided(effect="allow", obligations=[], **TERMS).step_up is not None


@pytest.mark.parametrize("obligations", [["step_up"], ["limits"], ["four_eyes"], ["limits", "four_eyes"]])
def test_an_obligation_that_is_not_spelt_out_or_not_known_is_no_permission(obligations: list[str]) -> None:
    with pytest.raises(PolicyUnavailable):
        decided(effect="allow", obligations=obligations)


@pytest.mark.parametrize("effect", ["deny", "mask", "Allow", ""])
def test_anything_but_allow_is_a_denial(effect: str) -> None:
    assert decided(effect=effect, reason="because", obligations=[]).reason == "because"
