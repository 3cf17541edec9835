"""Decisions are asked once for what they depend on, and remembered under nothing less."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from portico.access.decisions import DecisionClass, Decisions, Tally
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.masks import Mask
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.access.rulings import ALLOW, Decision, Effect, Ruling
from portico.access.tags import Coordinate, Tag
from portico.records.errors import PolicyUnavailable
from portico.records.references import Tenant
from tests.changed import replace
from tests.policy.questions import REST

PATIENT = DecisionClass("Patient", frozenset({"self"}))
OPEN = {"visible": True, "allow": ["PUBLIC"], **REST}
SHUT = {"visible": False, "allow": ["PUBLIC"], "mask": {}, "deny": {}, "overrides": {}, "reason": "no_relationship"}
NAME = Coordinate("Patient.name", "name", Tag.DEMOGRAPHIC, edge=False)
SSN = Coordinate("Patient.ssn", "ssn", Tag.IDENTIFIER, edge=False)


class ScriptedEngine:
    """A policy engine that answers every class alike, and notes what it was asked."""

    def __init__(self, answer: Mapping[str, Any] | None = None) -> None:
        self.answer = dict(answer or OPEN)
        self.ceiling: dict[str, Any] = {}
        self.scope: dict[str, Any] = {"rows": []}
        self.revision = "r1"
        self.answering: str | None = None
        self.questions: list[tuple[Rule, Mapping[str, Any]]] = []
        self.missing = 0

    @property
    def status(self) -> PolicyStatus:
        return PolicyStatus(revision=self.revision)

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        self.questions.append((rule, input_))
        result: Mapping[str, Any]
        match rule:
            case Rule.CLASSES:
                keys = list(input_["classes"])
                result = dict.fromkeys(keys[: len(keys) - self.missing], self.answer)
            case Rule.CEILING:
                result = self.ceiling
            case _:
                result = self.scope
        return Verdict(result, self.answering or self.revision, f"d{len(self.questions)}")

    async def aclose(self) -> None:
        """Nothing is held."""


def _caller(purpose: Purpose = Purpose.TREATMENT, **claims: Any) -> Caller:
    fields: dict[str, Any] = {
        "subject": "usr-1",
        "kind": PrincipalKind.PERSON,
        "tenant": Tenant("riverbend"),
        "roles": frozenset({"physician"}),
        "purposes": frozenset({Purpose.TREATMENT, Purpose.EMERGENCY}),
        "client": "workstation",
        "organization": "org-1",
        "npi": "1",
        "acr": "aal2",
        "auth_time": 1,
        "expires_at": 10,
        **claims,
    }
    return Caller(principal=Principal(**fields), purpose=purpose, request_id="q", deadline=0)


async def _decide(decisions: Decisions, caller: Caller, *classes: DecisionClass) -> dict[DecisionClass, Decision]:
    return await decisions.classes(caller, classes, Tally())


async def test_all_classes_of_a_level_are_one_question() -> None:
    engine = ScriptedEngine()
    tally = Tally()
    classes = [DecisionClass("Patient", frozenset({name})) for name in ("self", "guardian", "care_team")]
    decided = await Decisions(engine).classes(_caller(), classes, tally)
    assert set(decided) == set(classes)
    assert (len(engine.questions), tally.calls) == (1, 1)


async def test_what_is_known_is_not_asked_again_and_is_cited_again() -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    await _decide(decisions, _caller(), PATIENT)
    tally = Tally()
    await decisions.classes(_caller(), [PATIENT], tally)
    assert (len(engine.questions), tally.calls) == (1, 0)
    assert (tally.decision_ids, tally.revisions) == ({"d1"}, {"r1"})


async def test_only_unknown_classes_are_asked() -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    other = replace(PATIENT, labels=frozenset({"PSY"}))
    await _decide(decisions, _caller(), PATIENT)
    await _decide(decisions, _caller(), PATIENT, other)
    _, question = engine.questions[1]
    assert [one["labels"] for one in question["classes"].values()] == [["PSY"]]


async def test_no_class_is_no_question() -> None:
    engine = ScriptedEngine()
    assert await _decide(Decisions(engine), _caller()) == {}
    assert engine.questions == []


CHANGES: dict[str, dict[str, Any]] = {
    "subject": {"subject": "usr-2"},
    "kind": {"kind": PrincipalKind.SERVICE},
    "tenant": {"tenant": Tenant("harbor")},
    "roles": {"roles": frozenset({"biller"})},
    "purposes": {"purposes": frozenset({Purpose.TREATMENT})},
    "client": {"client": "portal"},
    "organization": {"organization": None},
    "npi": {"npi": "2"},
    "acr": {"acr": "aal1"},
    "auth_time": {"auth_time": 2},
    "purpose": {"purpose": Purpose.EMERGENCY},
}


@pytest.mark.parametrize("what", CHANGES)
async def test_a_decision_is_asked_anew_when_anything_that_it_depends_on_differs(what: str) -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    for caller in (_caller(), _caller(**CHANGES[what])):
        await _decide(decisions, caller, PATIENT)
        await decisions.scope(caller, "Patient", Tally())
        await decisions.ceiling(caller, [("Patient", NAME)], Tally())
    assert len(engine.questions) == 6


async def test_a_decision_does_not_depend_on_what_the_policies_are_not_told() -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    for caller in (_caller(), _caller(expires_at=99), _caller(patients=frozenset({"pt-1"}))):
        await _decide(decisions, replace(caller, request_id="other", deadline=7), PATIENT)
    assert len(engine.questions) == 1
    assert "patients" not in engine.questions[0][1]["principal"]


async def test_a_new_revision_is_asked_anew() -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    await _decide(decisions, _caller(), PATIENT)
    engine.revision = "r2"
    await _decide(decisions, _caller(), PATIENT)
    assert len(engine.questions) == 2


async def test_an_answer_of_a_newer_revision_is_remembered_under_that_revision() -> None:
    """The policies may change between the question and the answer."""
    engine = ScriptedEngine()
    decisions = Decisions(engine)
    engine.answering = "r2"
    decided = await _decide(decisions, _caller(), PATIENT)
    assert decided[PATIENT].revision == "r2"
    engine.answering = None
    await _decide(decisions, _caller(), PATIENT)
    assert len(engine.questions) == 2
    engine.revision = "r2"
    await _decide(decisions, _caller(), PATIENT)
    assert len(engine.questions) == 2


async def test_a_class_never_holds_an_id() -> None:
    facts = DecisionClass("Claim", frozenset({"self"}), frozenset({"R"})).facts()
    assert facts == {
        "type": "Claim",
        "relationships": ["self"],
        "labels": ["R"],
        "consent": [],
        "tenant": "match",
        "attributes": {},
    }


async def test_a_missing_key_is_a_denial_of_everything() -> None:
    engine = ScriptedEngine()
    engine.missing = 1
    with pytest.raises(PolicyUnavailable):
        await _decide(Decisions(engine), _caller(), PATIENT, replace(PATIENT, type="Claim"))


async def test_memory_is_bounded_and_forgets_the_longest_unused() -> None:
    engine = ScriptedEngine()
    decisions = Decisions(engine, capacity=2)
    one, two, three = (replace(PATIENT, type=name) for name in ("Claim", "Coverage", "Encounter"))
    for class_ in (one, two, one, three):
        await _decide(decisions, _caller(), class_)
    assert len(engine.questions) == 3
    await _decide(decisions, _caller(), one)
    assert len(engine.questions) == 3
    await _decide(decisions, _caller(), two)
    assert len(engine.questions) == 4


def _answer(**parts: Any) -> dict[str, Any]:
    return {**OPEN, **parts}


@pytest.mark.parametrize(
    ("answer", "coordinate", "ruling"),
    [
        (_answer(allow=["DEMOGRAPHIC"]), NAME, ALLOW),
        (_answer(), NAME, Ruling(Effect.DENY, reason="not_permitted")),
        (_answer(deny={"DEMOGRAPHIC": "why"}, allow=["DEMOGRAPHIC"]), NAME, Ruling(Effect.DENY, reason="why")),
        (_answer(mask={"IDENTIFIER": "last4"}, allow=["IDENTIFIER"]), SSN, Ruling(Effect.MASK, mask=Mask.LAST4)),
        (_answer(mask={"IDENTIFIER": "last4"}, deny={"IDENTIFIER": "no"}), SSN, Ruling(Effect.DENY, reason="no")),
        (_answer(mask={"IDENTIFIER": "sepia"}, allow=["IDENTIFIER"]), SSN, Ruling(Effect.DENY, reason="unknown_mask")),
        (_answer(overrides={"Patient.ssn": {"effect": "allow"}}, deny={"IDENTIFIER": "no"}), SSN, ALLOW),
        (
            _answer(overrides={"Patient.ssn": {"effect": "deny", "reason": "no"}}, allow=["IDENTIFIER"]),
            SSN,
            Ruling(Effect.DENY, reason="no"),
        ),
        (
            _answer(overrides={"Patient.ssn": {"effect": "mask", "mask": "hash"}}, allow=["IDENTIFIER"]),
            SSN,
            Ruling(Effect.MASK, mask=Mask.HASH),
        ),
        (
            _answer(overrides={"Patient.ssn": {"effect": "mask", "mask": "sepia"}}, allow=["IDENTIFIER"]),
            SSN,
            Ruling(Effect.DENY, reason="unknown_effect"),
        ),
        (
            _answer(overrides={"Patient.ssn": {"effect": "reveal"}}, allow=["IDENTIFIER"]),
            SSN,
            Ruling(Effect.DENY, reason="unknown_effect"),
        ),
        (_answer(overrides={"Patient.ssn": {"effect": "deny"}}), SSN, Ruling(Effect.DENY, reason="unknown_effect")),
        (_answer(overrides={"Claim.ssn": {"effect": "allow"}}), SSN, Ruling(Effect.DENY, reason="not_permitted")),
        ({**SHUT, "allow": ["DEMOGRAPHIC"]}, NAME, Ruling(Effect.DENY, reason="not_visible")),
        (
            {**SHUT, "overrides": {"Patient.name": {"effect": "allow"}}},
            NAME,
            Ruling(Effect.DENY, reason="not_visible"),
        ),
    ],
)
async def test_denial_outweighs_a_mask_and_a_mask_release_and_silence_is_denial(
    answer: dict[str, Any], coordinate: Coordinate, ruling: Ruling
) -> None:
    decided = await _decide(Decisions(ScriptedEngine(answer)), _caller(), PATIENT)
    assert decided[PATIENT].ruling(coordinate) == ruling
    assert decided[PATIENT].in_full(coordinate) is (ruling.effect is Effect.ALLOW)


@pytest.mark.parametrize("visible", [None, 1, "true", [True]])
async def test_only_true_is_visible(visible: object) -> None:
    decided = await _decide(Decisions(ScriptedEngine({**OPEN, "visible": visible})), _caller(), PATIENT)
    assert decided[PATIENT].visible is False


@pytest.mark.parametrize(
    ("ceiling", "covered"),
    [
        ({"Patient": {"tags": ["DEMOGRAPHIC"], "coordinates": {}}}, {"Patient.name"}),
        ({"Patient": {"tags": ["DEMOGRAPHIC", "IDENTIFIER"], "coordinates": {"Patient.ssn": False}}}, {"Patient.name"}),
        ({"Patient": {"tags": [], "coordinates": {"Patient.ssn": True}}}, {"Patient.ssn"}),
        ({"Patient": {"tags": [], "coordinates": {"Patient.ssn": 1}}}, set()),
        ({"Claim": {"tags": ["DEMOGRAPHIC"], "coordinates": {}}}, set()),
        ({}, set()),
    ],
)
async def test_a_ceiling_covers_what_it_says_by_tag_or_by_name_and_nothing_else(
    ceiling: dict[str, Any], covered: set[str]
) -> None:
    engine = ScriptedEngine()
    engine.ceiling = ceiling
    found = await Decisions(engine).ceiling(_caller(), [("Patient", NAME), ("Patient", SSN)], Tally())
    assert {one.name for one in (NAME, SSN) if found.covers(one)} == covered == found.coordinates


async def test_the_ceiling_is_asked_for_the_selected_coordinates_by_type() -> None:
    engine = ScriptedEngine()
    await Decisions(engine).ceiling(_caller(), [("Patient", SSN), ("Patient", NAME)], Tally())
    rule, question = engine.questions[0]
    assert rule is Rule.CEILING
    assert question["types"] == {"Patient": {"Patient.name": "DEMOGRAPHIC", "Patient.ssn": "IDENTIFIER"}}
    assert question["principal"]["roles"] == ["physician"]
    assert question["purpose"] == "TREAT"


@pytest.mark.parametrize(
    ("rows", "everyone", "relationships"),
    [
        ([], False, frozenset()),
        ([{}], True, frozenset()),
        ([{"relationship": ["self"]}, {"relationship": ["guardian", "self"]}], False, frozenset({"self", "guardian"})),
        ([{"relationship": ["self"]}, {}], True, frozenset({"self"})),
        ([{"relationship": []}], False, frozenset()),
    ],
)
async def test_a_scope_is_the_union_of_its_rows(rows: list[Any], everyone: bool, relationships: frozenset[str]) -> None:
    engine = ScriptedEngine()
    engine.scope = {"rows": rows}
    scope = await Decisions(engine).scope(_caller(), "Patient", Tally())
    assert (scope.everyone, scope.relationships) == (everyone, relationships)
    assert scope.empty is (not everyone and not relationships)


@pytest.mark.parametrize(
    "row", [{"moon": "full"}, {"relationship": ["self"], "moon": "full"}, {"relationship": "self"}]
)
async def test_a_row_that_is_not_understood_is_no_scope_at_all(row: dict[str, Any]) -> None:
    engine = ScriptedEngine()
    engine.scope = {"rows": [{"relationship": ["self"]}, row]}
    with pytest.raises(PolicyUnavailable):
        await Decisions(engine).scope(_caller(), "Patient", Tally())
