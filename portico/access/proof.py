"""What a revision must answer before it counts: to nobody it releases nothing, and it finds no fault with itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from portico.access.bundle import PoliciesRefused
from portico.access.contracts import Contracts
from portico.access.engine import Rule
from portico.records.errors import PolicyUnavailable

ENTRY_POINT: Mapping[Rule, str] = {rule: f"portico.decision.{rule}" for rule in Rule}
"""Where the answer to each rule stands in the policies' document."""

VIOLATIONS = "portico.integrity.violations"
"""The policies' own findings about their tables: a list of sentences, empty when all is well."""

_NOBODY: Mapping[str, Any] = {
    "subject": "nobody",
    "kind": "person",
    "tenant": "nowhere",
    "roles": [],
    "organization": None,
    "npi": None,
    "client": "proof",
    "acr": None,
    "auth_time": None,
    "purposes": [],
}
_CLASS = {"type": "Patient", "relationships": [], "labels": [], "consent": [], "tenant": "match", "attributes": {}}
_WILLING = {"kind": "permit", "purposes": [], "roles": [], "tags": [], "labels": []}

QUESTIONS: Mapping[Rule, Mapping[str, Any]] = {
    Rule.CEILING: {
        "principal": _NOBODY,
        "purpose": "TREAT",
        "action": "read",
        "types": {"Patient": {"Patient.ssn": "IDENTIFIER"}},
    },
    Rule.CLASSES: {
        "principal": _NOBODY,
        "purpose": "TREAT",
        "action": "read",
        "classes": {"nobody": _CLASS, "willing": {**_CLASS, "consent": [_WILLING]}},
    },
    Rule.SCOPE: {"principal": _NOBODY, "purpose": "TREAT", "type": "Patient"},
    Rule.COMMAND: {"principal": _NOBODY, "purpose": "TREAT", "command": "proof", "facts": {}},
    Rule.EGRESS: {"destination": "nowhere", "purpose": "TREAT", "tags": ["IDENTIFIER"], "date": "2025-01-01"},
}
"""One question to each entry point, asked for nobody."""


def check_proof(contracts: Contracts, answers: Mapping[Rule, object], violations: object) -> None:
    """Raises `PoliciesRefused` on violations, and on answers to `QUESTIONS` that are misshapen or release anything."""
    if violations != []:
        found = violations if isinstance(violations, list) else [f"{VIOLATIONS} is no list"]
        raise PoliciesRefused("; ".join(str(violation) for violation in found))
    for rule, question in QUESTIONS.items():
        try:
            answer = contracts.checked_answer(rule, question, answers.get(rule))
        except PolicyUnavailable:
            raise PoliciesRefused(f"{ENTRY_POINT[rule]} gives an answer that breaks its schema") from None
        if _releases(rule, answer):
            raise PoliciesRefused(f"{ENTRY_POINT[rule]} releases something to a principal without roles and purposes")


def _releases(rule: Rule, answer: Mapping[str, Any]) -> bool:
    match rule:
        case Rule.CEILING:
            return bool(answer["Patient"]["tags"] or any(answer["Patient"]["coordinates"].values()))
        case Rule.CLASSES:
            return any(of_class["visible"] for of_class in answer.values())
        case Rule.SCOPE:
            return bool(answer["rows"])
        case Rule.COMMAND:
            return bool(answer["effect"] != "deny")
        case Rule.EGRESS:
            return bool(answer["tags"])
