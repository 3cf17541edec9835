"""A policy engine that allows everybody everything: what is executed on it is unguarded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.tags import ALL_TAGS

_REVISION: Final = "everything"
_TAGS: Final = sorted(tag.value for tag in ALL_TAGS)
_EVERYTHING: Final[Mapping[str, Any]] = {
    "visible": True,
    "allow": _TAGS,
    "mask": {},
    "deny": {},
    "overrides": {},
    "refuse": {},
    "step_up": {},
    "notices": {},
}


class AllowEverything:
    """A `PolicyEngine` without policies. Commands alone it knows nothing of."""

    revision = _REVISION
    status = PolicyStatus(revision=_REVISION)

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        """Yes."""
        return Verdict(self._answer(rule, input_), _REVISION, "allowed")

    def _answer(self, rule: Rule, input_: Mapping[str, Any]) -> Mapping[str, Any]:
        match rule:
            case Rule.CEILING:
                return {type_: {"tags": _TAGS, "coordinates": {}} for type_ in input_["types"]}
            case Rule.CLASSES:
                return dict.fromkeys(input_["classes"], _EVERYTHING)
            case Rule.SCOPE:
                return {"rows": [{}]}
            case Rule.EGRESS:
                return {"tags": input_["tags"], "reason": None}
            case Rule.COMMAND:
                raise AssertionError("no command is to be decided here")

    async def aclose(self) -> None:
        """Nothing is held."""
