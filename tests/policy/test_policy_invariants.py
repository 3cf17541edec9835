"""What must hold of every decision, whatever is asked, of the project's matrix and of any other.

A decision never exceeds the ceiling, what is visible is within the scope, the order of anything doesn't matter, and the
two engines agree. A label, a denial or an opt-in more never shows more, and neither does a permit less.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opa_bindings import OpaEngine

from portico.access.bundle import read_bundle
from portico.access.contracts import Contracts
from portico.access.embedded import EmbeddedEngine
from portico.access.engine import PolicyEngine, Rule
from portico.access.masks import Mask
from portico.access.server import ServerEngine
from portico.access.tags import Tag
from tests.policy.engines import POLICIES
from tests.policy.questions import principal, provision

BUNDLE = read_bundle(POLICIES)
CONTRACTS = Contracts(BUNDLE.schemas)
WORDS: Any = BUNDLE.data["portico"]["vocabulary"]  # type: ignore[index,call-overload]  # a table of tables
MATRIX: Any = BUNDLE.data["portico"]["matrix"]  # type: ignore[index,call-overload]  # a table of tables
EXCEPTED = {
    "Patient.ssn": "IDENTIFIER",
    "Patient.mrn": "IDENTIFIER",
    "Patient.identifiers": "IDENTIFIER",
    "Patient.name": "DEMOGRAPHIC",
    "Patient.birthDate": "DEMOGRAPHIC",
    "Patient.address": "CONTACT",
}

ROLES = st.lists(st.sampled_from([*MATRIX, "unknown"]), max_size=4, unique=True)
PURPOSES = st.sampled_from(["TREAT", "HPAYMT", "HOPERAT", "PATRQT", "HRESCH", "ETREAT", "nonsense"])
RELATIONSHIPS = st.lists(st.sampled_from([*WORDS["relationships"]]), max_size=7, unique=True)
LABELS = st.lists(st.sampled_from([*WORDS["labels"], "Q"]), max_size=2, unique=True)
TYPES = st.sampled_from([*WORDS["types"], "Nonsense"])
TAGS = st.sampled_from(Tag).map(str)


def words(*known: str) -> st.SearchStrategy[list[str]]:
    """None, which is all, or up to three, seldom one that nobody knows."""
    return st.just([]) | st.lists(st.sampled_from([*known, *known, "unheard"]), max_size=3, unique=True)


def provisions(*kinds: str) -> st.SearchStrategy[dict[str, Any]]:
    """What patients may say."""
    return st.fixed_dictionaries(
        {
            "kind": st.sampled_from(kinds),
            "purposes": words("TREAT", "HPAYMT", "HRESCH"),
            "roles": words(*MATRIX, "one", "two"),
            "tags": words(*Tag),
            "labels": words("SUD", "PSY", "R"),
        }
    )


CONSENT = st.lists(
    provisions("permit", "permit", "deny", "opt_in"),
    max_size=4,
    # Two that say the same in another order are one: what is asked is a set.
    unique_by=lambda one: json.dumps({part: sorted(words) for part, words in one.items()}, sort_keys=True),
)
CLASSES = st.fixed_dictionaries(
    {
        "type": TYPES,
        "relationships": RELATIONSHIPS,
        "labels": LABELS,
        "consent": CONSENT,
        "tenant": st.sampled_from(["match", "match", "match", "other"]),
        "attributes": st.just({}),
    }
)
WHO = st.builds(
    lambda roles, purposes, kind: principal(*roles, purposes=purposes, kind=kind),
    ROLES,
    st.lists(PURPOSES, max_size=3, unique=True),
    st.sampled_from(["person", "person", "service"]),
)
QUESTIONS = st.fixed_dictionaries(
    {
        "principal": WHO,
        "purpose": PURPOSES,
        "action": st.just("read"),
        "classes": st.dictionaries(st.text(min_size=1, max_size=3), CLASSES, min_size=1, max_size=4),
    }
)

STEP_UPS = st.fixed_dictionaries(
    {
        "acr": st.lists(st.sampled_from(["one", "two", "three"]), min_size=1, unique=True),
        "max_age_seconds": st.integers(1, 3600),
    }
)
GRANTS = st.fixed_dictionaries(
    {
        "of": st.just("anyone") | st.lists(st.sampled_from(["self", "care_team"]), min_size=1, max_size=2, unique=True),
        "see": st.lists(st.sampled_from(["Patient", "Slot"]), min_size=1, max_size=2, unique=True),
        "labels": st.lists(st.sampled_from(["R", "PSY", "SUD"]), max_size=3, unique=True),
        "allow": st.lists(TAGS, max_size=3, unique=True),
        "mask": st.dictionaries(TAGS, st.sampled_from(Mask).map(str), max_size=2),
        "except": st.fixed_dictionaries(
            {
                "allow": st.lists(st.sampled_from([*EXCEPTED]), max_size=2, unique=True),
                "mask": st.dictionaries(st.sampled_from([*EXCEPTED]), st.sampled_from(Mask).map(str), max_size=2),
                "deny": st.dictionaries(st.sampled_from([*EXCEPTED]), st.just("minimum_necessary"), max_size=2),
            }
        ),
        "step_up": st.dictionaries(TAGS | st.sampled_from([*EXCEPTED]), STEP_UPS, max_size=3),
    }
)
PURPOSED = ("TREAT", "HRESCH")
"""Of these two, the second needs a permit."""
ANY_MATRIX = st.fixed_dictionaries(
    {
        role: st.fixed_dictionaries(
            {
                "kind": st.just("person"),
                "purposes": st.fixed_dictionaries({purpose: st.lists(GRANTS, max_size=3) for purpose in PURPOSED}),
            }
        )
        for role in ("one", "two")
    }
)
FACTS = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["Patient", "Slot"]),
        "relationships": st.lists(st.sampled_from(["self", "care_team", "assigned"]), max_size=3, unique=True),
        "labels": st.lists(st.sampled_from(["R", "PSY", "V", "SUD"]), max_size=2, unique=True),
        "consent": CONSENT,
        "tenant": st.just("match"),
        "attributes": st.just({}),
    }
)
RELAXED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def said(answer: object) -> object:
    """An answer whose sets are compared as sets."""
    if isinstance(answer, dict):
        return {key: said(value) for key, value in answer.items()}
    return sorted((said(item) for item in answer), key=json.dumps) if isinstance(answer, list) else answer


def released(answer: dict[str, Any]) -> tuple[set[str], set[str]]:
    """Tags and fields of which anything is released, to somebody who authenticated as asked."""
    fields = {
        field
        for field, override in answer["overrides"].items()
        if override["effect"] != "deny" and EXCEPTED.get(field) not in answer.get("refuse", {})
    }
    return {*answer["allow"], *answer["mask"]}, fields


def assert_within(
    answer: dict[str, Any], facts: dict[str, Any], ceiling: dict[str, Any], scope: dict[str, Any]
) -> None:
    tags, fields = released(answer)
    limit = ceiling[facts["type"]]
    assert tags <= set(limit["tags"])
    for field in fields & EXCEPTED.keys():
        assert limit["coordinates"].get(field, EXCEPTED[field] in limit["tags"])
    if answer["visible"]:
        assert any(
            all(name == "relationship" and set(values) & {*facts["relationships"]} for name, values in row.items())
            for row in scope["rows"]
        )


@RELAXED
@given(question=QUESTIONS)
async def test_no_decision_exceeds_its_ceiling_or_its_scope(engine: PolicyEngine, question: dict[str, Any]) -> None:
    asker = {"principal": question["principal"], "purpose": question["purpose"]}
    answers = (await engine.ask(Rule.CLASSES, question)).result
    types = {facts["type"]: EXCEPTED if facts["type"] == "Patient" else {} for facts in question["classes"].values()}
    ceiling = dict((await engine.ask(Rule.CEILING, {**asker, "action": "read", "types": types})).result)
    for key, facts in question["classes"].items():
        scope = dict((await engine.ask(Rule.SCOPE, {**asker, "type": facts["type"]})).result)
        assert_within(answers[key], facts, ceiling, scope)


@pytest.mark.opa
@RELAXED
@given(
    question=QUESTIONS,
    sent=st.lists(TAGS, unique=True),
    to=st.sampled_from(["fhir", "scheduling", "billing", "x"]),
    day=st.sampled_from(["1999-12-31", "2025-01-01", "2026-07-01"]),
)
async def test_the_two_engines_agree_on_everything(
    embedded: EmbeddedEngine, server: ServerEngine, question: dict[str, Any], sent: list[str], to: str, day: str
) -> None:
    asker = {"principal": question["principal"], "purpose": question["purpose"]}
    types = {facts["type"]: EXCEPTED for facts in question["classes"].values()}
    asked: list[tuple[Rule, dict[str, Any]]] = [
        (Rule.CLASSES, question),
        (Rule.CEILING, {**asker, "action": "read", "types": types}),
        *((Rule.SCOPE, {**asker, "type": type_}) for type_ in types),
        (Rule.COMMAND, {**asker, "command": "book", "facts": {}}),
        (Rule.EGRESS, {"destination": to, "purpose": question["purpose"], "tags": sent, "date": day}),
    ]
    for rule, input_ in asked:
        one, other = await embedded.ask(rule, input_), await server.ask(rule, input_)
        assert said(one.result) == said(other.result)
        assert one.revision == other.revision


@RELAXED
@given(question=QUESTIONS, data=st.data())
async def test_the_order_of_anything_does_not_matter(
    engine: PolicyEngine, question: dict[str, Any], data: st.DataObject
) -> None:
    def shuffled(value: object) -> object:
        match value:
            case dict():
                keys = data.draw(st.permutations(list(value)))
                return {key: shuffled(value[key]) for key in keys}
            case list():
                return [shuffled(item) for item in data.draw(st.permutations(value))]
        return value

    other: Any = shuffled(question)
    one = await engine.ask(Rule.CLASSES, question)
    assert said((await engine.ask(Rule.CLASSES, other)).result) == said(one.result)


@pytest.fixture(scope="module")
def opa_with_any_matrix() -> Iterator[OpaEngine]:
    """The project's rules, to be asked about another matrix."""
    with OpaEngine() as opa:
        for path, source in BUNDLE.modules.items():
            opa.add_policy(path, source)
        opa.add_data(BUNDLE.data)
        yield opa


def decide(
    opa: OpaEngine, matrix: Any, roles: list[str], facts: dict[str, Any], purpose: str = "TREAT"
) -> tuple[Any, Any, Any]:
    """Answer, ceiling and scope for one class."""
    question = {
        "principal": principal(*roles, purposes=PURPOSED), "purpose": purpose, "action": "read",
        "classes": {"it": facts}, "type": facts["type"],
        "types": {facts["type"]: EXCEPTED if facts["type"] == "Patient" else {}},
    }  # fmt: skip
    rules = ("classes", "ceiling", "scope")
    query = "; ".join(
        f"{rule} = data.portico.decision.{rule} with input as input.question with data.portico.matrix as input.matrix"
        for rule in rules
    )
    (answers,) = opa.eval_query(query, {"question": question, "matrix": matrix})
    assert CONTRACTS.checked_answer(Rule.CLASSES, question, answers["classes"])
    return answers["classes"]["it"], answers["ceiling"], answers["scope"]


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS, purpose=st.sampled_from(PURPOSED))
def test_of_any_matrix_no_decision_exceeds_its_ceiling_or_its_scope(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any], purpose: str
) -> None:
    answer, ceiling, scope = decide(opa_with_any_matrix, matrix, ["one", "two"], facts, purpose)
    assert_within(answer, facts, ceiling, scope)


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS, data=st.data())
def test_of_any_matrix_the_order_of_rows_and_roles_does_not_matter(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any], data: st.DataObject
) -> None:
    other = {
        role: {**row, "purposes": {"TREAT": data.draw(st.permutations(row["purposes"]["TREAT"]))}}
        for role, row in matrix.items()
    }
    one = decide(opa_with_any_matrix, matrix, ["one", "two"], facts)
    shuffled = {**facts, "consent": data.draw(st.permutations(facts["consent"]))}
    assert said(list(decide(opa_with_any_matrix, other, ["two", "one"], shuffled))) == said(list(one))


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS)
def test_of_any_matrix_what_one_role_denies_by_exception_no_other_role_gives(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any]
) -> None:
    silent = {**facts, "consent": [provision("permit", labels=facts["labels"])]}
    alone = [decide(opa_with_any_matrix, matrix, [role], silent)[0] for role in ("one", "two")]
    both, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], silent)
    assert both["visible"] == any(answer["visible"] for answer in alone)
    assert set(both["allow"]) == {tag for answer in alone for tag in answer["allow"]}
    for answer in alone:
        for field, override in answer["overrides"].items():
            strictest = ("allow", "mask", "deny").index(both["overrides"][field]["effect"])
            assert strictest >= ("allow", "mask", "deny").index(override["effect"])


def assert_no_more(after: dict[str, Any], before: dict[str, Any]) -> None:
    """What is shown `after` was shown before, and as fully."""
    assert before["visible"] or not after["visible"]
    assert set(after["allow"]) <= set(before["allow"])
    tags, fields = released(after)
    tags_before, fields_before = released(before)
    assert tags <= tags_before
    assert fields <= fields_before


@RELAXED
@given(
    matrix=ANY_MATRIX,
    facts=FACTS,
    more=provisions("deny", "opt_in"),
    purpose=st.sampled_from(PURPOSED),
)
def test_of_any_matrix_another_denial_or_opt_in_never_shows_more(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any], more: dict[str, Any], purpose: str
) -> None:
    said_something = {**facts, "consent": facts["consent"] or [provision("permit", purposes=["TREAT"])]}
    before, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], said_something, purpose)
    stricter = {**said_something, "consent": [*said_something["consent"], more]}
    assert_no_more(decide(opa_with_any_matrix, matrix, ["one", "two"], stricter, purpose)[0], before)


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS, more=provisions("permit"), purpose=st.sampled_from(PURPOSED))
def test_of_any_matrix_another_permit_never_shows_less_and_lifts_no_denial(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any], more: dict[str, Any], purpose: str
) -> None:
    before, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], facts, purpose)
    permitted = {**facts, "consent": [*facts["consent"], more]}
    after, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], permitted, purpose)
    assert_no_more(before, after)
    alone, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], {**facts, "consent": []}, "TREAT")
    if purpose == "TREAT" and not {"SUD"} & {*facts["labels"]}:
        assert_no_more(after, alone)


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS)
def test_of_any_matrix_for_an_opt_in_purpose_nothing_shows_without_a_permit(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any]
) -> None:
    unpermitted = {**facts, "consent": [one for one in facts["consent"] if one["kind"] != "permit"]}
    answer, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], unpermitted, "HRESCH")
    assert not answer["visible"] or facts["type"] == "Slot"


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS)
def test_of_any_matrix_a_step_up_asks_only_for_what_some_row_asks_for(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any]
) -> None:
    answer, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], facts)
    rows = [row for role in matrix.values() for row in role["purposes"]["TREAT"]]
    for what, asked in answer.get("step_up", {}).items():
        demands = [row["step_up"][what] for row in rows if what in row["step_up"]]
        assert set(asked["acr"]) <= {way for demand in demands for way in demand["acr"]}
        assert asked["max_age_seconds"] >= min(demand["max_age_seconds"] for demand in demands)
        assert "." not in what or what.startswith(f"{facts['type']}.")


@RELAXED
@given(matrix=ANY_MATRIX, facts=FACTS, more=st.sampled_from(["R", "PSY", "V", "Q"]))
def test_of_any_matrix_another_label_never_shows_more(
    opa_with_any_matrix: OpaEngine, matrix: dict[str, Any], facts: dict[str, Any], more: str
) -> None:
    """But a permit that names labels is for records that carry them."""
    about_any = [one for one in facts["consent"] if one["kind"] != "permit" or not one["labels"]]
    facts = {**facts, "consent": about_any or [provision("permit")]}
    before, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], facts)
    labelled = {**facts, "labels": sorted({*facts["labels"], more})}
    after, _, _ = decide(opa_with_any_matrix, matrix, ["one", "two"], labelled)
    assert before["visible"] or not after["visible"]
    assert set(after["allow"]) <= set(before["allow"])
