from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from portico.access.bundle import PoliciesRefused, read_bundle
from portico.access.contracts import Contracts
from portico.access.engine import Rule
from portico.access.proof import QUESTIONS, check_proof
from portico.records.errors import Fault, PolicyUnavailable
from tests.policy.questions import REST, provision

SCHEMAS = read_bundle(Path(__file__).parents[3] / "policies").schemas
CONTRACTS = Contracts(SCHEMAS)
HIDDEN = {"visible": False, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": "no_relationship"}
SHOWN = {"visible": True, "allow": ["PUBLIC"], **REST}
ANSWERS: dict[Rule, Any] = {
    Rule.CEILING: {"Patient": {"tags": [], "coordinates": {"Patient.ssn": False}}},
    Rule.CLASSES: {"nobody": HIDDEN, "willing": HIDDEN},
    Rule.SCOPE: {"rows": []},
    Rule.COMMAND: {"effect": "deny", "reason": "unknown_command", "obligations": []},
    Rule.EGRESS: {"tags": [], "reason": "unknown_destination"},
}


@pytest.mark.parametrize("rule", Rule)
def test_the_questions_of_the_proof_have_their_shape(rule: Rule) -> None:
    CONTRACTS.check_question(rule, QUESTIONS[rule])
    assert CONTRACTS.checked_answer(rule, QUESTIONS[rule], ANSWERS[rule]) == ANSWERS[rule]


@pytest.mark.parametrize("rule", Rule)
def test_a_question_with_more_or_less_in_it_is_a_fault(rule: Rule) -> None:
    with pytest.raises(Fault):
        CONTRACTS.check_question(rule, {**QUESTIONS[rule], "also": "Jane Doe"})
    for member in QUESTIONS[rule]:
        with pytest.raises(Fault):
            CONTRACTS.check_question(rule, {key: value for key, value in QUESTIONS[rule].items() if key != member})


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule is not Rule.EGRESS])
def test_a_principal_with_more_or_less_in_it_is_a_fault(rule: Rule) -> None:
    who = QUESTIONS[rule]["principal"]
    for wrong in ({**who, "patients": ["p-1"]}, {**who, "kind": "robot"}, {**who, "roles": ["a", "a"]}, {}):
        with pytest.raises(Fault):
            CONTRACTS.check_question(rule, {**QUESTIONS[rule], "principal": wrong})
    for claim in who:
        less = {key: value for key, value in who.items() if key != claim}
        with pytest.raises(Fault):
            CONTRACTS.check_question(rule, {**QUESTIONS[rule], "principal": less})


@pytest.mark.parametrize("rule", [Rule.CEILING, Rule.CLASSES])
def test_only_reading_can_be_asked_about(rule: Rule) -> None:
    with pytest.raises(Fault):
        CONTRACTS.check_question(rule, {**QUESTIONS[rule], "action": "write"})


@pytest.mark.parametrize(
    "facts",
    [
        {"tenant": "same"},
        {"attributes": {"status": "booked"}},
        {"labels": "R"},
        {"relationships": [""]},
        {"id": "p-1"},
        {"consent": ["deny"]},
        {"consent": [provision("permit"), provision("permit")]},
        {"consent": [provision("forbid")]},
        {"consent": [{**provision("permit"), "parties": []}]},
        {"consent": [{"kind": "deny", "purposes": [], "roles": [], "tags": []}]},
    ],
)
def test_a_class_with_undeclared_facts_is_a_fault(facts: dict[str, Any]) -> None:
    question = copy.deepcopy(dict(QUESTIONS[Rule.CLASSES]))
    question["classes"]["nobody"] |= facts
    with pytest.raises(Fault):
        CONTRACTS.check_question(Rule.CLASSES, question)


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("answer", [None, True, 1, "allow", [], {"allow": True}, {"result": {}}])
def test_what_has_no_shape_is_no_answer(rule: Rule, answer: object) -> None:
    with pytest.raises(PolicyUnavailable):
        CONTRACTS.checked_answer(rule, QUESTIONS[rule], answer)


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (Rule.CEILING, {}),
        (Rule.CEILING, {**ANSWERS[Rule.CEILING], "Claim": {"tags": [], "coordinates": {}}}),
        (Rule.CEILING, {"Patient": {"tags": [], "coordinates": {"Patient.name": True}}}),
        (Rule.CEILING, {"Patient": {"tags": [], "coordinates": {"Patient.ssn": "true"}}}),
        (Rule.CLASSES, {}),
        (Rule.CLASSES, {"nobody": HIDDEN}),
        (Rule.CLASSES, {"nobody": HIDDEN, "somebody": HIDDEN}),
        (Rule.CLASSES, {"nobody": HIDDEN, "willing": HIDDEN, "somebody": HIDDEN}),
        *(
            (Rule.CLASSES, {"nobody": HIDDEN, "willing": answer})
            for answer in (
                {**SHOWN, "mask": {"PUBLIC": "hash"}},
                *(
                    {**SHOWN, "overrides": {"Patient.ssn": override}}
                    for override in (
                        {},
                        {"effect": "reveal"},
                        {"effect": "mask"},
                        {"effect": "mask", "mask": "sepia"},
                        {"effect": "deny"},
                        {"effect": "allow", "mask": "hash"},
                        {"effect": "allow", "reason": "why_not"},
                        {"effect": "mask", "mask": "hash", "reason": "why_not"},
                    )
                ),
                {**SHOWN, "refuse": {"PUBLIC": "not_consented"}},
                {**SHOWN, "refuse": {"CONTACT": "Jane Doe said so"}},
                {**SHOWN, "refuse": ["CONTACT"]},
                {**SHOWN, "step_up": {"CONTACT": ["aal2"]}},
                {**SHOWN, "step_up": {"CONTACT": {"acr": ["aal2"]}}},
                {**SHOWN, "step_up": {"CONTACT": {"acr": ["aal2"], "max_age_seconds": -1}}},
                {**SHOWN, "step_up": {"everything": {"acr": ["aal2"], "max_age_seconds": 1}}},
                {**SHOWN, "notices": ["part2_redisclosure"]},
                {**SHOWN, "notices": {"part2_redisclosure": ""}},
                {key: value for key, value in SHOWN.items() if key != "refuse"},
                {key: value for key, value in SHOWN.items() if key != "step_up"},
                {key: value for key, value in SHOWN.items() if key != "notices"},
                {**HIDDEN, "refuse": {}},
                {**HIDDEN, "visible": True},
                {**HIDDEN, "allow": ["PUBLIC"]},
            )
        ),
        (Rule.SCOPE, {"rows": [{"relationship": ["self"], "tenant": ["other"]}]}),
        (Rule.SCOPE, {"rows": [{"relationship": []}]}),
        (Rule.SCOPE, {"rows": "all"}),
        (Rule.COMMAND, {"effect": "deny", "obligations": []}),
        (Rule.COMMAND, {"effect": "allow", "reason": "why_not", "obligations": []}),
        (Rule.COMMAND, {"effect": "permit", "obligations": []}),
        (Rule.COMMAND, {"effect": "allow", "obligations": ["step_up"]}),
        (Rule.COMMAND, {"effect": "allow", "obligations": ["pray"], "pray": {}}),
        (Rule.COMMAND, {"effect": "allow", "obligations": [], "limits": {"max_minutes": 60}}),
        (Rule.COMMAND, {"effect": "allow", "obligations": ["limits"], "limits": {}}),
        (Rule.COMMAND, {"effect": "allow", "obligations": ["limits"], "limits": {"max_hours": 1}}),
        (Rule.EGRESS, {"tags": ["PUBLIC"], "reason": "no_agreement"}),
        (Rule.EGRESS, {"tags": ["NONSENSE"], "reason": "no_agreement"}),
        (Rule.EGRESS, {"tags": [], "reason": None}),
        (Rule.EGRESS, {"tags": [], "reason": "Jane Doe"}),
        (Rule.EGRESS, {"tags": []}),
    ],
)
def test_an_answer_that_is_not_about_what_was_asked_is_no_answer(rule: Rule, answer: object) -> None:
    with pytest.raises(PolicyUnavailable):
        CONTRACTS.checked_answer(rule, QUESTIONS[rule], answer)


@pytest.mark.parametrize("name", [f"{rule}.{side}" for rule in Rule for side in ("input", "output")])
def test_a_missing_or_broken_schema_is_refused(name: str) -> None:
    with pytest.raises(PoliciesRefused, match=f"{name}.json: missing"):
        Contracts({key: schema for key, schema in SCHEMAS.items() if key != name})
    with pytest.raises(PoliciesRefused, match=f"{name}.json"):
        Contracts({**SCHEMAS, name: {"type": "nonsense"}})


def test_sound_answers_are_a_proof() -> None:
    check_proof(CONTRACTS, ANSWERS, [])


@pytest.mark.parametrize(
    ("rule", "answer"),
    [
        (Rule.CEILING, {"Patient": {"tags": ["PUBLIC"], "coordinates": {}}}),
        (Rule.CEILING, {"Patient": {"tags": [], "coordinates": {"Patient.ssn": True}}}),
        (Rule.CLASSES, {"nobody": SHOWN, "willing": HIDDEN}),
        (Rule.CLASSES, {"nobody": HIDDEN, "willing": SHOWN}),
        (Rule.SCOPE, {"rows": [{}]}),
        (Rule.SCOPE, {"rows": [{"relationship": ["self"]}]}),
        (Rule.COMMAND, {"effect": "allow", "obligations": []}),
        (Rule.EGRESS, {"tags": ["IDENTIFIER"], "reason": None}),
    ],
)
def test_policies_that_release_something_to_nobody_are_refused(rule: Rule, answer: object) -> None:
    with pytest.raises(PoliciesRefused, match="without roles and purposes"):
        check_proof(CONTRACTS, {**ANSWERS, rule: answer}, [])


@pytest.mark.parametrize("rule", Rule)
def test_policies_that_leave_an_entry_point_unanswered_are_refused(rule: Rule) -> None:
    with pytest.raises(PoliciesRefused, match=f"portico.decision.{rule} gives an answer that breaks its schema"):
        check_proof(CONTRACTS, {key: answer for key, answer in ANSWERS.items() if key != rule}, [])


@pytest.mark.parametrize(
    ("violations", "message"),
    [
        (["a is wrong", "b is wrong"], "a is wrong; b is wrong"),
        (None, "is no list"),
        ({}, "is no list"),
        (True, "is no list"),
    ],
)
def test_policies_that_find_fault_with_themselves_are_refused(violations: object, message: str) -> None:
    with pytest.raises(PoliciesRefused, match=message):
        check_proof(CONTRACTS, ANSWERS, violations)
