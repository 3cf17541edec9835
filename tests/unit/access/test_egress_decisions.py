"""What a destination may be told is asked once a day for a purpose, and nothing is told without an answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import pytest

from portico.access.decisions import Decisions, Egress, Tally
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.access.tags import ALL_TAGS, Tag
from portico.records.errors import PolicyUnavailable
from portico.records.references import Tenant

REGISTERED = ["PUBLIC", "SCHEDULING"]


class RegisterEngine:
    """A policy engine that knows one destination, and notes what it was asked."""

    def __init__(self) -> None:
        self.revision = "r1"
        self.questions: list[Mapping[str, Any]] = []
        self.failure: Exception | None = None

    @property
    def status(self) -> PolicyStatus:
        return PolicyStatus(revision=self.revision)

    async def ask(self, rule: Rule, input_: Mapping[str, Any]) -> Verdict:
        assert rule is Rule.EGRESS
        self.questions.append(input_)
        if self.failure is not None:
            raise self.failure
        tags = [tag for tag in input_["tags"] if tag in REGISTERED]
        reason = None if len(tags) == len(input_["tags"]) else "tag_not_registered"
        return Verdict({"tags": tags, "reason": reason}, self.revision, f"d{len(self.questions)}")

    async def aclose(self) -> None:
        """Nothing is held."""


class Calendar:
    """A day that a test can turn."""

    def __init__(self) -> None:
        self.day = date(2025, 6, 1)

    def __call__(self) -> date:
        return self.day


def _caller(purpose: Purpose = Purpose.TREATMENT, subject: str = "usr-1", tenant: str = "riverbend") -> Caller:
    principal = Principal(
        subject=subject,
        kind=PrincipalKind.PERSON,
        tenant=Tenant(tenant),
        roles=frozenset({"physician"}),
        purposes=frozenset(Purpose),
        client="workstation",
        expires_at=10,
    )
    return Caller(principal=principal, purpose=purpose, request_id="q", deadline=0)


async def test_the_question_states_the_destination_the_purpose_the_tags_and_the_day() -> None:
    engine = RegisterEngine()
    decisions, tally = Decisions(engine, today=Calendar()), Tally()
    egress = await decisions.egress(_caller(), "scheduling", {Tag.SCHEDULING, Tag.IDENTIFIER}, tally)
    question = {"destination": "scheduling", "purpose": "TREAT", "tags": ["IDENTIFIER", "SCHEDULING"]}
    assert engine.questions == [{**question, "date": "2025-06-01"}]
    assert (egress.tags, egress.reason) == ({Tag.SCHEDULING}, "tag_not_registered")
    assert (tally.calls, tally.decision_ids, tally.revisions) == (1, {"d1"}, {"r1"})


async def test_what_was_answered_is_remembered_for_everyone_and_cited_again() -> None:
    engine = RegisterEngine()
    decisions = Decisions(engine, today=Calendar())
    first = await decisions.egress(_caller(), "scheduling", ALL_TAGS, Tally())
    tally = Tally()
    again = await decisions.egress(_caller(subject="usr-2", tenant="harbor"), "scheduling", ALL_TAGS, tally)
    assert again == first
    assert (len(engine.questions), tally.calls, tally.decision_ids) == (1, 0, {"d1"})


async def test_another_destination_purpose_day_set_of_tags_or_revision_is_another_question() -> None:
    engine, calendar = RegisterEngine(), Calendar()
    decisions = Decisions(engine, today=calendar)

    async def ask(purpose: Purpose = Purpose.TREATMENT, to: str = "lab", tags: frozenset[Tag] = ALL_TAGS) -> int:
        await decisions.egress(_caller(purpose), to, tags, Tally())
        return len(engine.questions)

    assert await ask() == 1
    assert await ask(Purpose.PAYMENT) == 2
    assert await ask(to="scheduling") == 3
    assert await ask(tags=frozenset({Tag.PUBLIC})) == 4
    calendar.day += timedelta(days=1)
    assert await ask() == 5
    engine.revision = "r2"
    assert await ask() == 6
    assert await ask() == 6


async def test_decisions_of_two_revisions_don_t_go_together() -> None:
    engine, tally = RegisterEngine(), Tally()
    decisions = Decisions(engine, today=Calendar())
    await decisions.egress(_caller(), "scheduling", ALL_TAGS, tally)
    engine.revision = "r2"
    with pytest.raises(PolicyUnavailable):
        await decisions.egress(_caller(), "scheduling", ALL_TAGS, tally)


async def test_an_engine_that_does_not_answer_clears_nothing() -> None:
    engine = RegisterEngine()
    engine.failure = PolicyUnavailable()
    with pytest.raises(PolicyUnavailable):
        await Decisions(engine).egress(_caller(), "scheduling", ALL_TAGS, Tally())


def test_a_request_is_refused_unless_all_that_it_tells_may_be_told() -> None:
    egress = Egress(frozenset({Tag.PUBLIC, Tag.SCHEDULING}), "tag_not_registered", "d", "r")
    assert egress.refusal({Tag.PUBLIC}) is None
    assert egress.refusal({Tag.PUBLIC, Tag.SCHEDULING}) is None
    assert egress.refusal({Tag.PUBLIC, Tag.IDENTIFIER}) == "tag_not_registered"
    assert Egress(frozenset(), "no_agreement", "d", "r").refusal({Tag.PUBLIC}) == "no_agreement"


def test_what_was_not_asked_about_is_refused_though_all_that_was_is_cleared() -> None:
    assert Egress(frozenset({Tag.PUBLIC}), None, "d", "r").refusal({Tag.CLINICAL}) == "tag_not_registered"
