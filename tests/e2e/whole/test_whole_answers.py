"""Whoever walks through all that they can reach reads exactly what they have a right to, in whatever dress."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from sandbox.identity.personas import Persona
from sandbox.population.model import Population
from tests.e2e.whole.rights import Rights
from tests.e2e.whole.walk import Walk
from tests.oracles.leak import Needles, telling

PERSONAS = (
    "patient", "guardian", "physician", "front-desk", "biller",
    "researcher", "auditor", "privacy-officer", "operator", "website", "other-clinic",
)  # fmt: skip
TENANTS = {"other-clinic": "harbor"}
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


@pytest.fixture(scope="module")
def canaries(populations: Mapping[str, Population]) -> Mapping[str, frozenset[str]]:
    return telling(populations.values())


@pytest.fixture(scope="module")
def needles(canaries: Mapping[str, frozenset[str]]) -> Needles:
    return Needles(canaries)


@pytest.fixture(scope="module", params=PERSONAS)
def persona(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def answered(persona: str, walks: Mapping[str, Walk]) -> bytes:
    """Every byte of what a persona was answered, headers included."""
    return b"\n".join(reply.header_bytes + reply.body for reply in walks[persona].replies)


@pytest.fixture(scope="module")
def read(answered: bytes, needles: Needles) -> set[str]:
    """Every canary in it."""
    return needles.found_in(answered)


def test_no_byte_of_an_answer_tells_what_its_reader_has_no_right_to(
    persona: str,
    answered: bytes,
    needles: Needles,
    rights: Mapping[str, Rights],
    canaries: Mapping[str, frozenset[str]],
) -> None:
    right = rights[persona]
    assert len(canaries.keys() - right.texts) > len(canaries) / 3
    # A date that was moved may fall on somebody else's; that it was moved, the policies' own tests prove.
    told = needles.leaked_in(answered, right.texts)
    leaked = {text for text in told if not (_DAY.match(text) and canaries[text] & right.moved)}
    assert {text: sorted(canaries[text]) for text in leaked} == {}


def test_the_walk_misses_nothing_that_its_reader_has_a_right_to(
    persona: str, read: set[str], rights: Mapping[str, Rights], populations: Mapping[str, Population]
) -> None:
    own = telling([populations[TENANTS.get(persona, "riverbend")]])
    assert (rights[persona].texts & own.keys()) - read == set()


def test_every_persona_walks(cast: Mapping[str, Persona]) -> None:
    assert set(PERSONAS) == cast.keys()


def test_personas_without_patients_have_a_right_to_no_canary(
    rights: Mapping[str, Rights], canaries: Mapping[str, frozenset[str]]
) -> None:
    without = {name for name, right in rights.items() if not right.texts & canaries.keys()}
    assert without == {"auditor", "privacy-officer", "operator", "website"}


def test_no_walk_met_an_error_other_than_a_denial(walks: Mapping[str, Walk]) -> None:
    errors = [error for walk in walks.values() for reply in walk.replies for error in reply.json().get("errors", ())]
    assert {error["extensions"]["code"] for error in errors} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
