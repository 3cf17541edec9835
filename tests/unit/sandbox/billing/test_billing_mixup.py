from __future__ import annotations

import pytest

from sandbox.billing.mixup import Mixup
from tests.contract.small_population import small_population

POPULATION = small_population()
MIXUP = Mixup(POPULATION)
SUBSCRIBERS = [person.billing.id for person in POPULATION.people if person.billing]
PEOPLE = {person.key for person in POPULATION.people if person.billing}
BILLED = [visit for visit in POPULATION.visits if visit.claim and visit.person in PEOPLE]
OWNERS = {visit.claim.number: visit.person for visit in BILLED if visit.claim} | {
    visit.number: visit.person for visit in BILLED
}


@pytest.mark.parametrize("asked", [SUBSCRIBERS[:1], SUBSCRIBERS[2:4], [*SUBSCRIBERS[:1], "nobody"]])
def test_subscribers_are_taken_for_others(asked: list[str]) -> None:
    swapped = MIXUP.swap(asked)
    assert len(swapped) == len(asked)
    assert set(swapped) <= set(SUBSCRIBERS) - set(asked)


@pytest.mark.parametrize("attribute", ["claim", "visit"])
def test_claims_and_visits_are_taken_for_those_of_other_people(attribute: str) -> None:
    for visit in BILLED:
        assert visit.claim
        key = visit.claim.number if attribute == "claim" else visit.number
        (swapped,) = MIXUP.swap([key])
        assert OWNERS[swapped] != OWNERS[key]
        assert (swapped in {each.number for each in BILLED}) is (attribute == "visit")


@pytest.mark.parametrize("asked", [[], ["nobody"], SUBSCRIBERS])
def test_where_nobody_else_is_left_nothing_is_swapped(asked: list[str]) -> None:
    assert MIXUP.swap(asked) == asked
