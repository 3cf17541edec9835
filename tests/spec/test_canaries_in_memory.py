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
from decimal import Decimal
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
TOKEN = re.compile(rb"[A-Za-z0-9_\-+/]{16,}={0,2}")
DATED = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass
class Haul:
    """All that one persona could get hold of, byte for byte."""

    world: World
    answers: list[bytes]
    may: str
    """Everything that the policy releases in full, as text."""


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    async with memory_house(canary=True) as running:
        yield running


@pytest.fixture(scope="module", params=PERSONAS)
async def haul(house: MemoryHouse, request: pytest.FixtureRequest) -> Haul:
    world = World(house, house.personas[request.param])
    return Haul(world, await _everything(world), await _released_in_full(world))


def _queries(text: SchemaText) -> Iterator[tuple[str, str]]:
    """For each root list and each edge of its records: all values of the record, of what the edge leads to, and of
    what that leads to."""
    for root, type_name in ROOTS.items():
        values = _values(text, type_name)
        for edge in text.edges(type_name):
            target = text.target(type_name, edge) or ""
            behind = " ".join(
                _led(text, target, further, _values(text, text.target(target, further) or ""))
                for further in text.edges(target)
            )
            inside = _led(text, type_name, edge, f"{_values(text, target)} {behind}")
            yield root, f"{values} {inside}"
        if not text.edges(type_name):
            yield root, values


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
        query = f"""query ($after: String) {{ {root}(first: {PAGE}, after: $after) {{ pageInfo {{ hasNextPage endCursor }}
          edges {{ cursor node {{ {selection} }} }} }} }}"""
        after, more = None, True
        while more:
            body = (await world.house.answer(world.persona.name, query, after=after)).body
            answers.append(body)
            found = orjson.loads(body)["data"][root]
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    others = f"{{ viewer {{ {_values(world.text, 'Viewer')} }} sources {{ {_values(world.text, 'Source')} }} }}"
    answers.append((await world.house.answer(world.persona.name, others)).body)
    return answers


async def _released_in_full(world: World) -> str:
    released: list[Any] = []
    for record in world.records:
        if not await world.visible(record):
            continue
        effects = await world.effects(world.facts(record))
        assert effects is not None
        fields = [field for field in world.text.values(record.type.value) if effects[field].said == "allow"]
        released += [held(record, field) for field in fields]
    return orjson.dumps(released, default=_spelt).decode()


def _spelt(value: object) -> str:
    assert isinstance(value, Decimal)
    return str(value)


def _everything_hidden_in(answers: list[bytes]) -> bytes:
    """The answers as they are, folded, and with every token that could be Base64 decoded."""
    raw = b"\n".join(answers)
    decoded = [raw, raw.lower()]
    for token in set(TOKEN.findall(raw)):
        for altchars in (b"-_", b"+/"):
            try:
                decoded.append(base64.b64decode(token + b"=" * (-len(token) % 4), altchars=altchars))
            except (binascii.Error, ValueError):
                continue
    return b"\n".join(decoded)


def _own(haul: Haul) -> dict[str, bool]:
    """Every canary of the persona's tenant, and whether the policy releases it."""
    return {text: text in haul.may for text in canaries(haul.world.population)}


def _shifted(haul: Haul, text: str) -> bool:
    """A shifted date may happen to be another's: that no date is shifted by nothing is proven elsewhere."""
    return haul.world.persona.name == "researcher" and DATED.match(text) is not None


async def test_no_canary_outside_a_personas_rights_is_in_any_byte_of_its_answers(haul: Haul) -> None:
    hidden = _everything_hidden_in(haul.answers)
    for text, released in _own(haul).items():
        if released or _shifted(haul, text):
            continue
        assert text.encode() not in hidden
        assert text.lower().encode() not in hidden


async def test_every_canary_inside_a_personas_rights_is_in_its_answers(haul: Haul) -> None:
    raw = b"\n".join(haul.answers)
    missing = [text for text, released in _own(haul).items() if released and text.encode() not in raw]
    assert missing == []


async def test_no_canary_of_the_other_tenant_is_in_any_byte(haul: Haul) -> None:
    hidden = _everything_hidden_in(haul.answers)
    (other,) = [name for name in haul.world.house.populations if name != haul.world.persona.tenant]
    own = canaries(haul.world.population)
    for text in canaries(haul.world.house.populations[other]):
        if text not in own and text not in haul.may and not DATED.match(text):
            assert text.encode() not in hidden


async def test_nothing_that_belongs_to_no_coordinate_is_ever_served(haul: Haul) -> None:
    """Visit numbers and other sources' ids and misspellings of a person are for joining alone."""
    hidden = _everything_hidden_in(haul.answers)
    internal = [text for text, canary in canaries(haul.world.population).items() if not canary.coordinates]
    assert len(internal) > 100
    assert [text for text in internal if text.encode() in hidden and not DATED.match(text)] == []


async def test_no_audit_row_holds_a_canary(house: MemoryHouse, haul: Haul) -> None:
    written = b"\n".join(entry.encode() for entry in house.trail.entries)
    assert len(house.trail.entries) >= len(haul.answers)
    assert [text for text in _own(haul) if text.encode() in written and not DATED.match(text)] == []


async def test_the_haul_is_what_it_should_be(haul: Haul) -> None:
    """Those who may see nobody got nothing that is anybody's; the others got plenty."""
    shares = sum(_own(haul).values())
    nobody = {"auditor", "operator", "website"}
    assert (shares == 0) == (haul.world.persona.name in nobody)
    types = {record.type for record in haul.world.records}
    assert types == set(RecordType) - {RecordType.VIEWER, RecordType.SOURCE}
