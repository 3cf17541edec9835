"""The shapes of questions and answers, from the same JSON Schemas with which OPA type-checks the policies.

A question that breaks its shape is a bug of Portico; an answer that breaks its shape, or isn't about exactly what was
asked, is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import fastjsonschema

from portico.access.bundle import PoliciesRefused, schema_check
from portico.access.documents import Json
from portico.access.engine import Rule
from portico.records.errors import Fault, PolicyUnavailable

_OVERRIDES = {"allow": {"effect"}, "mask": {"effect", "mask"}, "deny": {"effect", "reason"}}
"""What an override says, by its effect."""


class Contracts:
    """The schemas of all entry points, compiled."""

    def __init__(self, schemas: Mapping[str, Json]) -> None:
        """Raises `PoliciesRefused` where a schema is missing or broken."""
        self._inputs = {rule: _compiled(schemas, f"{rule}.input") for rule in Rule}
        self._outputs = {rule: _compiled(schemas, f"{rule}.output") for rule in Rule}

    def check_question(self, rule: Rule, input_: Mapping[str, Any]) -> None:
        """Raises `Fault` on a question that the policies are not written for."""
        try:
            self._inputs[rule](input_)
        except fastjsonschema.JsonSchemaValueException as error:
            raise Fault(f"a question to {rule} breaks its schema ({error.rule})") from None

    def checked_answer(self, rule: Rule, input_: Mapping[str, Any], answer: object) -> Mapping[str, Any]:
        """The answer, if it has its shape and answers what was asked; raises `PolicyUnavailable` if not."""
        try:
            self._outputs[rule](answer)
        except fastjsonschema.JsonSchemaValueException:
            raise PolicyUnavailable from None
        if not isinstance(answer, Mapping) or not _answers(rule, input_, answer):
            raise PolicyUnavailable
        return answer


def _answers(rule: Rule, input_: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    match rule:
        case Rule.CEILING:
            return answer.keys() == input_["types"].keys() and all(
                of_type["coordinates"].keys() <= input_["types"][type_].keys() for type_, of_type in answer.items()
            )
        case Rule.CLASSES:
            return answer.keys() == input_["classes"].keys() and all(map(_unambiguous, answer.values()))
        case Rule.EGRESS:
            sendable, asked = set(answer["tags"]), set(input_["tags"])
            return sendable <= asked and (sendable == asked or answer["reason"] is not None)
        case Rule.COMMAND:
            return set(answer["obligations"]) == answer.keys() - {"effect", "reason", "obligations"}
        case Rule.SCOPE:
            return True


def _unambiguous(of_class: Mapping[str, Any]) -> bool:
    """A tag has at most one effect, what is refused is not released, and an override has what belongs to its effect."""
    released = [*of_class["allow"], *of_class["mask"]]
    effects = [*released, *of_class["deny"]]
    return (
        len(effects) == len(set(effects))
        and not set(released) & set(of_class.get("refuse", ()))
        and all(override.keys() == _OVERRIDES[override["effect"]] for override in of_class["overrides"].values())
    )


def _compiled(schemas: Mapping[str, Json], name: str) -> Callable[[object], object]:
    if name not in schemas:
        raise PoliciesRefused(f"schemas/{name}.json: missing")
    return schema_check(name, schemas[name])
