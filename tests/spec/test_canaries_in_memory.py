"""Every value in the sources is unique: whatever a persona is answered, it holds what is theirs and nothing else.

Each persona's whole reachable graph is fetched: every root list with all its pages, every field, and from each record
every edge and the edges behind it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson
import pytest

from sandbox.population.canary import Canary, canaries
from tests.house import MemoryHouse, memory_house
from tests.oracles.leak import Needles
from tests.oracles.recorded import unrecorded
from tests.spec.served_world import SchemaText, World, held

PERSONAS = (
    "patient", "guardian", "physician", "front-desk", "biller",
    "researcher", "auditor", "operator", "website", "other-clinic",
)  # fmt: skip
ROOTS = {
    "patients": "Patient",
    "appointments": "Appointment",
    "claims": "Claim",
    "slots": "Slot",
    "practitioners": "Practitioner",
}
PAGE = 10
DATED = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Haul:
    """All that one persona could get hold of, byte for byte."""

    world: World
    answers: list[bytes]
    needles: Needles
    """Every canary of both tenants."""
    canaries: Mapping[str, Canary]
    """Those of the persona's own tenant."""
    may: frozenset[str]
    """Those of them that the policy releases."""

    @cached_property
    def served(self) -> frozenset[str]:
        """Every canary in the answers, however it is written."""
        return frozenset(self.needles.found_in(b"\n".join(self.answers)))

    @cached_property
    def leaked(self) -> frozenset[str]:
        """Every canary of which they hold anything, and should not."""
        return frozenset(self.needles.leaked_in(b"\n".join(self.answers), self.may))


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house(size=30, canary=True) as running:
        yield running


@pytest.fixture(scope="module")
def needles(house: MemoryHouse) -> Needles:
    return Needles({text for population in house.populations.values() for text in canaries(population)})


@pytest.fixture(scope="module", params=PERSONAS)
async def haul(house: MemoryHouse, needles: Needles, request: pytest.FixtureRequest) -> Haul:
    world = World(house, house.personas[request.param])
    may = needles.found_in(await _released(world))
    return Haul(world, await _everything(world), needles, canaries(world.population), frozenset(may))


def _queries(text: SchemaText) -> Iterator[tuple[str, str]]:
    """Each root list with its records, all that their edges lead to, and from patients what that leads to."""
    for root, type_name in ROOTS.items():
        values = _values(text, type_name)
        near = [(edge, text.target(type_name, edge) or "") for edge in text.edges(type_name)]
        if type_name != "Patient":
            yield root, " ".join([values, *(_led(text, type_name, edge, _values(text, to)) for edge, to in near)])
            continue
        for edge, to in near:
            far = [_led(text, to, one, _values(text, text.target(to, one) or "")) for one in text.edges(to)]
            yield root, f"{values} {_led(text, type_name, edge, ' '.join([_values(text, to), *far]))}"


def _values(text: SchemaText, type_name: str) -> str:
    chosen = text.selection(type_name).split(" ")
    edges = text.edges(type_name)
    first = next((chosen.index(part) for part in chosen if part.partition("(")[0] in edges), len(chosen))
    return " ".join(chosen[:first])


def _led(text: SchemaText, type_name: str, edge: str, inside: str) -> str:
    return (
        f"{edge}(first: 8) {{ edges {{ cursor node {{ {inside} }} }} }}"
        if text.many(type_name, edge)
        else (f"{edge} {{ {inside} }}")
    )


async def _everything(world: World) -> list[bytes]:
    answers: list[bytes] = []
    for root, selection in _queries(world.text):
        query = f"""query ($after: String) {{ {root}(first: {PAGE}, after: $after) {{
          pageInfo {{ hasNextPage endCursor }} edges {{ cursor node {{ {selection} }} }} }} }}"""
        after, more = None, True
        while more:
            body = (await world.house.answer(world.persona.name, query, after=after)).body
            answers.append(body)
            found = orjson.loads(body)["data"][root]
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    others = f"{{ viewer {{ {_values(world.text, 'Viewer')} }} sources {{ {_values(world.text, 'Source')} }} }}"
    answers.append((await world.house.answer(world.persona.name, others)).body)
    return answers


async def _released(world: World) -> bytes:
    """What the policy releases of every record; a shift moves the dates in a value and leaves the rest."""
    released: list[Any] = []
    for record in world.records:
        if not await world.visible(record):
            continue
        effects = await world.effects(world.facts(record))
        assert effects is not None
        said = {field: effects[field].said for field in world.text.values(record.type.value)}
        released += [held(record, field) for field, effect in said.items() if effect in ("allow", "mask shift")]
    return orjson.dumps(released, default=str)


def _may_be_a_shifted_date(haul: Haul, token: str) -> bool:
    """A shifted date may happen to be another's; that every date is shifted by something is proven elsewhere."""
    return haul.world.persona.name == "researcher" and DATED.match(token) is not None


async def test_no_canary_outside_a_personas_rights_is_in_any_byte_of_its_answers(haul: Haul) -> None:
    leaked = haul.leaked & haul.canaries.keys()
    assert {text for text in leaked if not _may_be_a_shifted_date(haul, text)} == set()


async def test_every_canary_inside_a_personas_rights_is_in_its_answers(haul: Haul) -> None:
    missing = (haul.may & haul.canaries.keys()) - haul.served
    assert {text for text in missing if not _may_be_a_shifted_date(haul, text)} == set()


async def test_no_canary_of_the_other_tenant_is_in_any_byte(haul: Haul) -> None:
    """But those that both tenants have alike: days and amounts, counted from the same beginnings."""
    foreign = haul.needles.texts - haul.canaries.keys()
    assert len(foreign) > 500
    assert {text for text in haul.leaked & foreign if not DATED.match(text)} == set()


async def test_nothing_that_belongs_to_no_coordinate_is_ever_served(haul: Haul) -> None:
    """Visit numbers and other sources' ids and misspellings of a person are for joining alone."""
    internal = {text for text, canary in haul.canaries.items() if not canary.coordinates}
    assert len(internal) > 100
    assert {text for text in internal & haul.served if not DATED.match(text)} == set()


async def test_no_audit_row_holds_a_canary(house: MemoryHouse, haul: Haul) -> None:
    written = haul.needles.leaked_in(b"\n".join(entry.encode() for entry in house.trail.entries))
    assert len(house.trail.entries) >= len(haul.answers)
    assert {text for text in written if not DATED.match(text)} == set()


async def test_what_was_read_is_accounted_for_in_the_audit(house: MemoryHouse, haul: Haul) -> None:
    persona = haul.world.persona
    patients = {
        person.key: await house.patient_id(person.key, persona.tenant)
        for person in haul.world.population.people
        if person.ehr_id
    }
    own = [entry for entry in house.trail.entries if entry.subject == persona.subject]
    read = {text for text in haul.served & haul.may if not DATED.match(text)}
    assert unrecorded(read & haul.canaries.keys(), haul.canaries, patients, own) == set()


async def test_those_who_may_see_nobody_got_nothing_that_is_anybodys(haul: Haul) -> None:
    nobody = {"auditor", "operator", "website"}
    assert (not haul.may & haul.canaries.keys()) == (haul.world.persona.name in nobody)
    told = {coordinate.partition(".")[0] for canary in haul.canaries.values() for coordinate in canary.coordinates}
    assert told <= {record.type.value for record in haul.world.records}
