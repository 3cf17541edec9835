"""Every value in the sources is unique: whatever a persona is answered, it holds what is theirs and nothing else.

Each persona's whole reachable graph is fetched: every root list with all its pages, every field, and from each record
every edge and the edges behind it.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from portico.records.references import RecordType
from sandbox.population.canary import canaries
from tests.house import MemoryHouse, memory_house
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
BASE64 = re.compile(rb"[A-Za-z0-9_\-+/]{16,}={0,2}")
SHAPES = re.compile(
    r"cnry[0-9a-f]{15}[0-9a-fxy]"  # whatever can be any text
    r"|\d{4}-\d\d-\d\d(?:t\d\d:\d\d)?"  # days and instants
    r"|\+1-555-\d{7}|\d{3}-\d\d-\d{4}"  # telephone and social security numbers
    r"|\d+\.\d\d"  # amounts
)
"""What canaries look like, case-folded; whether they all do is a test of its own."""
DATED = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Haul:
    """All that one persona could get hold of, byte for byte."""

    world: World
    answers: list[bytes]
    served: frozenset[str]
    """Every token in them that looks like a canary, however it is written."""
    may: frozenset[str]
    """Every such token in what the policy releases."""


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house(size=30, canary=True) as running:
        yield running


@pytest.fixture(scope="module", params=PERSONAS)
async def haul(house: MemoryHouse, request: pytest.FixtureRequest) -> Haul:
    world = World(house, house.personas[request.param])
    answers = await _everything(world)
    return Haul(world, answers, _tokens_of(answers), _tokens(await _released(world)))


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


async def _released(world: World) -> str:
    """What the policy releases of every record; a shift moves the dates in a value and leaves the rest."""
    released: list[Any] = []
    for record in world.records:
        if not await world.visible(record):
            continue
        effects = await world.effects(world.facts(record))
        assert effects is not None
        said = {field: effects[field].said for field in world.text.values(record.type.value)}
        released += [held(record, field) for field, effect in said.items() if effect in ("allow", "mask shift")]
    return orjson.dumps(released, default=str).decode()


def _tokens(text: str) -> frozenset[str]:
    return frozenset(SHAPES.findall(text.casefold()))


def _tokens_of(answers: list[bytes]) -> frozenset[str]:
    """The tokens of the answers as they are, and of every part of them that could be Base64, decoded."""
    found = _tokens(b"\n".join(answers).decode())
    for part in {part for answer in answers for part in BASE64.findall(answer)}:
        for altchars in (b"-_", b"+/"):
            try:
                decoded = base64.b64decode(part + b"=" * (-len(part) % 4), altchars=altchars)
            except (binascii.Error, ValueError):
                continue
            found |= _tokens(decoded.decode("latin-1"))
    return found


def _is_own(haul: Haul, text: str) -> bool:
    return _tokens(text) <= haul.may


def _may_be_a_shifted_date(haul: Haul, token: str) -> bool:
    """A shifted date may happen to be another's; that every date is shifted by something is proven elsewhere."""
    return haul.world.persona.name == "researcher" and DATED.match(token) is not None


async def test_no_canary_outside_a_personas_rights_is_in_any_byte_of_its_answers(haul: Haul) -> None:
    everything = {token for text in canaries(haul.world.population) for token in _tokens(text)}
    leaked = (everything - haul.may) & haul.served
    assert {token for token in leaked if not _may_be_a_shifted_date(haul, token)} == set()


async def test_every_canary_inside_a_personas_rights_is_in_its_answers(haul: Haul) -> None:
    missing = [text for text in canaries(haul.world.population) if _is_own(haul, text) and not _served(haul, text)]
    assert [text for text in missing if not _may_be_a_shifted_date(haul, text)] == []


def _served(haul: Haul, text: str) -> bool:
    return _tokens(text) <= haul.served


async def test_no_canary_of_the_other_tenant_is_in_any_byte(haul: Haul) -> None:
    """But those that both tenants have alike: days and amounts, counted from the same beginnings."""
    other = next(name for name in haul.world.house.populations if name != haul.world.persona.tenant)
    own = {token for text in canaries(haul.world.population) for token in _tokens(text)}
    foreign = {token for text in canaries(haul.world.house.populations[other]) for token in _tokens(text)} - own
    assert len(foreign) > 500
    assert {token for token in foreign & haul.served if not DATED.match(token)} == set()


async def test_nothing_that_belongs_to_no_coordinate_is_ever_served(haul: Haul) -> None:
    """Visit numbers and other sources' ids and misspellings of a person are for joining alone."""
    internal = [text for text, canary in canaries(haul.world.population).items() if not canary.coordinates]
    assert len(internal) > 100
    assert [text for text in internal if _tokens(text) & haul.served and not DATED.match(text)] == []


async def test_no_audit_row_holds_a_canary(house: MemoryHouse, haul: Haul) -> None:
    written = _tokens(b"\n".join(entry.encode() for entry in house.trail.entries).decode())
    assert len(house.trail.entries) >= len(haul.answers)
    everything = {token for text in canaries(haul.world.population) for token in _tokens(text)}
    assert {token for token in everything & written if not DATED.match(token)} == set()


async def test_every_canary_has_a_shape_that_would_be_noticed(house: MemoryHouse) -> None:
    for population in house.populations.values():
        assert [text for text in canaries(population) if not _tokens(text)] == []
    assert _tokens("AbCnry0123456789ABCDEF+1-555-1234567x900-51-0001") == {
        "cnry0123456789abcdef", "+1-555-1234567", "900-51-0001",
    }  # fmt: skip
    smuggled = base64.urlsafe_b64encode(b"x" * 7 + b"Cnry0123456789abcdef" + b"y").rstrip(b"=")
    assert _tokens_of([b'{"cursor":"' + smuggled + b'"}']) == {"cnry0123456789abcdef"}


async def test_those_who_may_see_nobody_got_nothing_that_is_anybodys(haul: Haul) -> None:
    shares = [text for text in canaries(haul.world.population) if _is_own(haul, text)]
    nobody = {"auditor", "operator", "website"}
    assert (not shares) == (haul.world.persona.name in nobody)
    types = {record.type for record in haul.world.records}
    assert types == set(RecordType) - {RecordType.VIEWER, RecordType.SOURCE}
