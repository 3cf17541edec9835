"""What a source that means harm, or somebody without a token, can set in motion."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest

from connectors.scrutiny import POSITION_LIMIT_BYTES, refuse_foreign_hits
from portico.edge.application import application
from portico.edge.memory import Echo, KnownTokens
from portico.edge.metrics import Metrics
from portico.records.errors import SourceInvalid
from portico.records.references import RecordType
from portico.records.search import Hit, Page, Search
from portico.records.types import Patient
from resolvers.criteria import Ordering
from resolvers.pages import Cursors, ListArguments
from tests.house import EHR, MemoryHouse, only

SEARCH = Search(type=RecordType.PATIENT, order="id", limit=10)


@pytest.fixture
def patient(house: MemoryHouse) -> Patient:
    held = house.sources[house.caller("physician").principal.tenant][EHR].__dict__["_records"]
    record = only(held[RecordType.PATIENT], RecordType.PATIENT)[0]
    assert isinstance(record, Patient)
    return record


@pytest.mark.parametrize("letter", ["x", "\N{SNOWMAN}"])
def test_a_position_too_long_to_be_sealed_is_the_sources_fault(patient: Patient, letter: str) -> None:
    """A next link may be as long as a source likes; whoever follows it has to get it back."""
    fits = letter * (POSITION_LIMIT_BYTES // len(letter.encode()))
    refuse_foreign_hits(EHR, SEARCH, Page((Hit(patient, fits),), more=True))
    with pytest.raises(SourceInvalid):
        refuse_foreign_hits(EHR, SEARCH, Page((Hit(patient, fits + letter),), more=True))


@pytest.mark.parametrize("letter", ["x", '"', "\N{SNOWMAN}"])
def test_the_longest_position_comes_back_from_its_cursor(house: MemoryHouse, letter: str) -> None:
    position = ("birth_date", letter * (POSITION_LIMIT_BYTES // len(letter.encode()) // (2 if letter == '"' else 1)))
    arguments = ListArguments(first=10, after=None, conditions=(), ordering=Ordering("birth_date"))
    caller = house.caller("physician")
    cursor = Cursors(house.seal, caller, lambda: ("Patient",), arguments).make(position)
    again = ListArguments(first=5, after=cursor, conditions=(), ordering=Ordering("birth_date"))
    assert Cursors(house.seal, caller, lambda: ("Patient",), again).read() == position


@dataclass
class Probed:
    """A server whose readiness waits for a gate, and counts how often it was asked."""

    asked: int = 0
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    async def readiness(self) -> Sequence[str]:
        self.asked += 1
        self.begun.set()
        await self.gate.wait()
        return []

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx2.AsyncClient]:
        app = application(executor=Echo(), verifier=KnownTokens({}), readiness=self.readiness, metrics=Metrics())
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://portico") as client:
            yield client


async def test_a_crowd_of_anonymous_probes_asks_the_database_once() -> None:
    probed = Probed()
    async with probed.client() as client:
        probes = [asyncio.create_task(client.get("/health/ready")) for _ in range(50)]
        await probed.begun.wait()
        probed.gate.set()
        assert {(await probe).status_code for probe in probes} == {200}
    assert probed.asked == 1


async def test_a_probe_that_goes_away_leaves_the_others_their_answer() -> None:
    probed = Probed()
    async with probed.client() as client:
        first, second = (asyncio.create_task(client.get("/health/ready")) for _ in range(2))
        await probed.begun.wait()
        first.cancel()
        await asyncio.wait({first})
        probed.gate.set()
        assert (await second).status_code == 200
        assert (await client.get("/health/ready")).status_code == 200
    assert probed.asked == 2
