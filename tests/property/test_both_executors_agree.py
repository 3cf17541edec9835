"""Plans and graphql-core do the same: they answer, ask, decide, fail and record alike, whatever is asked.

Random operations, with sources that fail and values that break their type among them, are executed by both.
`EXECUTOR_OPERATIONS` asks more of them.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

import pytest

from graph.levels import Levels
from tests.worlds import deviations
from tests.worlds.agreement import Agreement, Disagreement, Pair, paired
from tests.worlds.features import ALL
from tests.worlds.troubles import FAILURES

OPERATIONS: Final = int(os.environ.get("EXECUTOR_OPERATIONS", "20000"))

SHARES: Final = {
    ("physician", "TREAT"): 3_500,
    ("physician", "ETREAT"): 1_700,
    ("patient", "PATRQT"): 2_600,
    ("guardian", "PATRQT"): 2_200,
    ("front-desk", "HOPERAT"): 2_600,
    ("biller", "HPAYMT"): 2_600,
    ("researcher", "HRESCH"): 2_600,
    ("auditor", "HOPERAT"): 600,
    ("privacy-officer", "HOPERAT"): 600,
    ("operator", "HOPERAT"): 400,
    ("website", "HOPERAT"): 300,
    ("other-clinic", "TREAT"): 300,
}
"""Of 20,000 operations, how many each asks."""

OUTCOMES: Final = (
    "data", "no data", "UNAUTHORIZED_FIELD_OR_TYPE", "BAD_ARGUMENT", "INTERNAL", "SOURCE_UNAVAILABLE",
    "SOURCE_INVALID", "SOURCE_TIMEOUT", "STORE_UNAVAILABLE", "POLICY_UNAVAILABLE", "COST_EXCEEDED", "broken values",
    "none", "null for a variable", "no value for a variable", "a page after a cursor", "by batch",
)  # fmt: skip
LEAST: Final = 10
"""How often each feature, trouble and outcome must have occurred in 20,000 operations."""


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with paired() as running:
        yield running


@pytest.fixture(scope="module")
def agreed(pair: Pair) -> Callable[[str, str], Agreement]:
    """Somebody's share of the operations, asked once."""

    @cache
    def ask(persona: str, purpose: str) -> Agreement:
        agreement = Agreement(pair, persona, purpose)
        agreement.ask(share(persona, purpose))
        return agreement

    return ask


def share(persona: str, purpose: str) -> int:
    return max(1, OPERATIONS * SHARES[persona, purpose] // 20_000)


def test_the_shares_are_everybodys_and_twenty_thousand(pair: Pair) -> None:
    assert sum(SHARES.values()) == 20_000
    personas = pair.planned.house.personas
    assert SHARES.keys() == {(name, purpose) for name, one in personas.items() for purpose in one.purposes}


@pytest.mark.parametrize(("persona", "purpose"), SHARES)
def test_both_executors_answer_ask_decide_and_record_alike(
    agreed: Callable[[str, str], Agreement], persona: str, purpose: str
) -> None:
    assert agreed(persona, purpose).asked >= share(persona, purpose)


def test_everything_that_can_be_written_and_go_wrong_occurred(agreed: Callable[[str, str], Agreement]) -> None:
    met = sum((agreed(*who).met for who in SHARES), Counter[str]())
    least = LEAST * OPERATIONS // 20_000
    few = {name: met[name] for name in (*ALL, *OUTCOMES, *(one.name for one in FAILURES)) if met[name] < least}
    assert few == {}


@pytest.mark.parametrize("deviation", deviations.ALL, ids=lambda one: one.__name__)
def test_the_comparison_finds_a_deviation_within_a_few_shares(deviation: type[Levels]) -> None:
    persona, purpose = "physician", "TREAT"
    with paired(deviations.executing(deviation)) as deviating, pytest.raises(Disagreement):
        Agreement(deviating, persona, purpose, shrink=False).ask(4 * SHARES[persona, purpose])
