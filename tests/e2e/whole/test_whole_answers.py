"""Whoever walks through all that they can reach reads exactly what they have a right to, in whatever dress."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sandbox.population.model import Population
from tests.e2e.whole.haystack import Needles, telling
from tests.e2e.whole.rights import Rights
from tests.e2e.whole.walk import Walk

PERSONAS = (
    "patient", "guardian", "physician", "front-desk", "biller",
    "researcher", "auditor", "operator", "website", "other-clinic",
)  # fmt: skip
TENANTS = {"other-clinic": "harbor"}


@pytest.fixture(scope="module")
def canaries(populations: Mapping[str, Population]) -> Mapping[str, frozenset[str]]:
    return telling(populations.values())


@pytest.fixture(scope="module", params=PERSONAS)
def persona(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def _told(walk: Walk) -> bytes:
    return b"\n".join(reply.header_bytes + reply.body for reply in walk.replies)


def test_no_byte_of_an_answer_tells_what_its_reader_has_no_right_to(
    persona: str, walks: Mapping[str, Walk], rights: Mapping[str, Rights], canaries: Mapping[str, frozenset[str]]
) -> None:
    right = rights[persona]
    # A date that was moved may fall on somebody else's; that it was moved, the policies' own tests prove.
    forbidden = {
        text for text, places in canaries.items() if text not in right.texts and not _only_moved(text, places, right)
    }
    assert len(forbidden) > len(canaries) / 3
    leaked = Needles(forbidden).found_in(_told(walks[persona]))
    assert {text: sorted(canaries[text]) for text in leaked} == {}


def _only_moved(text: str, places: frozenset[str], right: Rights) -> bool:
    return text[:4].isdigit() and text[4:5] == "-" and bool(places & right.moved)


def test_the_walk_misses_nothing_that_its_reader_has_a_right_to(
    persona: str, walks: Mapping[str, Walk], rights: Mapping[str, Rights], populations: Mapping[str, Population]
) -> None:
    own = telling([populations[TENANTS.get(persona, "riverbend")]])
    granted = rights[persona].texts & own.keys()
    assert granted - Needles(granted | {"no canary at all"}).found_in(_told(walks[persona])) == set()


def test_personas_without_patients_have_a_right_to_no_canary(
    rights: Mapping[str, Rights], canaries: Mapping[str, frozenset[str]]
) -> None:
    without = {name for name, right in rights.items() if not right.texts & canaries.keys()}
    assert without == {"auditor", "operator", "website"}


def test_no_walk_met_an_error_other_than_a_denial(walks: Mapping[str, Walk]) -> None:
    errors = [error for walk in walks.values() for reply in walk.replies for error in reply.json().get("errors", ())]
    assert {error["extensions"]["code"] for error in errors} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
