"""The seam to the policy engine: two implementations, `embedded` and `server`, the same OPA underneath."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Rule(StrEnum):
    """The entry points of package `portico.decision`."""

    CEILING = "ceiling"
    CLASSES = "classes"
    SCOPE = "scope"
    COMMAND = "command"
    EGRESS = "egress"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A rule's answer, valid against `policies/schemas/<rule>.output.json`, and what to cite for it."""

    result: Mapping[str, Any]
    revision: str
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyStatus:
    """The revision that answers, if one does, and why newer policies or the engine itself don't, if they don't."""

    revision: str | None
    refused: str | None = None


class PolicyEngine(Protocol):
    """Evaluates a rule. Knows nothing of what is asked."""

    @property
    def revision(self) -> str:
        """The revision of the policies that the next answer will come from.

        Raises `PolicyUnavailable` where that isn't known: what was remembered from any revision stops counting then.
        """

    @property
    def status(self) -> PolicyStatus:
        """How the policies are doing, for health checks and operators."""

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        """The rule's answer. Cost: one evaluation.

        Raises `PolicyUnavailable` on anything but a complete, well-shaped answer in time: undefined, an error of a
        builtin, a late or unreachable engine, an answer that breaks the schema.
        """

    async def aclose(self) -> None:
        """Release what the engine holds."""
