"""What the policies say about a command, and what is asked of whoever gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portico.access.engine import Verdict
from portico.access.step_up import StepUp
from portico.records.errors import PolicyUnavailable

OBLIGATIONS = frozenset({"step_up", "limits"})
"""The obligations that Portico knows how to hold somebody to. With any other, a command is not understood."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a command's arguments and its repetition must keep to. None: the policies set no such limit."""

    max_minutes: int | None = None
    max_per_day: int | None = None
    """How often the same principal may run it within 24 hours."""
    reason_characters: tuple[int, int] | None = None
    """The fewest and the most, without the space around them."""


NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDecision:
    """Whether a command may be run. `reason` is the policies' code for why not; None: it may, once `step_up` is met."""

    reason: str | None
    decision_id: str
    revision: str
    step_up: StepUp | None = None
    limits: Limits = NO_LIMITS


def command_decision(verdict: Verdict) -> CommandDecision:
    """The decision behind an answer. Raises `PolicyUnavailable` for one that asks what Portico can't hold anyone to."""
    answer = verdict.result
    if answer["effect"] != "allow":
        return CommandDecision(reason=answer["reason"], decision_id=verdict.decision_id, revision=verdict.revision)
    obliged = frozenset(answer["obligations"])
    if not obliged <= OBLIGATIONS or not obliged <= answer.keys():
        raise PolicyUnavailable
    return CommandDecision(
        reason=None,
        decision_id=verdict.decision_id,
        revision=verdict.revision,
        step_up=StepUp.of(answer["step_up"]) if "step_up" in answer else None,
        limits=_limits(answer.get("limits", {})),
    )


def _limits(given: Mapping[str, Any]) -> Limits:
    characters = given.get("reason_characters")
    return Limits(
        max_minutes=given.get("max_minutes"),
        max_per_day=given.get("max_per_day"),
        reason_characters=None if characters is None else (characters["min"], characters["max"]),
    )
