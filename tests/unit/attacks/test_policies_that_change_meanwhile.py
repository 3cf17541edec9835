"""A request is decided by one revision of the policies, whatever is edited while it is answered."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from portico.access.engine import Rule, Verdict
from tests.house import MemoryHouse, memory_house

LIST = "{ patients(first: 2) { edges { node { phone } } } }"


def _answered_earlier(house: MemoryHouse, rules: Collection[Rule], *, without: str | None = None) -> None:
    """These rules are answered by an earlier revision, whose ceiling left one tag out."""

    def twist(rule: Rule, verdict: Verdict) -> Verdict:
        if rule not in rules:
            return verdict
        result = verdict.result
        if rule is Rule.CEILING and without is not None:
            result = {
                type_: {"tags": [tag for tag in rights["tags"] if tag != without], "coordinates": {}}
                for type_, rights in result.items()
            }
        return Verdict(result, "earlier", verdict.decision_id)

    house.engine.twist = twist


async def test_what_an_earlier_ceiling_left_out_is_not_served_as_absent() -> None:
    """The source was never asked for it, so null would say that there is none."""
    async with memory_house() as house:
        _answered_earlier(house, {Rule.CEILING}, without="CONTACT")
        answer = await house.ask("physician", LIST)
        assert answer["data"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["POLICY_UNAVAILABLE"]
        assert house.trail.entries == []


@pytest.mark.parametrize("rule", [Rule.CEILING, Rule.SCOPE, Rule.CLASSES, Rule.EGRESS])
async def test_decisions_of_two_revisions_release_nothing_together(rule: Rule) -> None:
    async with memory_house() as house:
        _answered_earlier(house, {rule})
        answer = await house.ask("physician", LIST)
        assert answer["data"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["POLICY_UNAVAILABLE"]


async def test_decisions_of_one_revision_do_and_the_audit_row_names_it() -> None:
    async with memory_house() as house:
        _answered_earlier(house, {Rule.CEILING, Rule.SCOPE, Rule.CLASSES, Rule.EGRESS})
        answer = await house.ask("physician", LIST)
        assert len(answer["data"]["patients"]["edges"]) == 2
        assert house.trail.entries[-1].policy_revision == "earlier"


async def test_the_next_request_is_decided_by_the_new_revision() -> None:
    async with memory_house() as house:
        _answered_earlier(house, {Rule.CEILING})
        assert (await house.ask("physician", LIST))["data"] is None
        house.engine.twist = lambda _, verdict: verdict
        answer = await house.ask("physician", LIST)
        assert all(edge["node"]["phone"] for edge in answer["data"]["patients"]["edges"])
        assert house.trail.entries[-1].policy_revision == house.engine.revision
