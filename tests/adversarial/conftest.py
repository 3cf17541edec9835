"""The house as it is in production, for every test of a module: it explains nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from sandbox.population.canary import canaries
from tests.adversarial.binding import unrelated_physician
from tests.house import MemoryHouse, memory_house, whole_again
from tests.oracles.leak import Needles
from tests.spec.served_world import SchemaText, schema_text

__all__ = ["house", "whole_again"]


@pytest.fixture(scope="module")
async def house() -> AsyncIterator[MemoryHouse]:
    """Everybody whom the cases name may ask, every value is a canary."""
    async with memory_house(explain=False, canary=True) as running:
        other = unrelated_physician(running.personas["physician"], running.populations["riverbend"])
        yield replace(running, personas={**running.personas, other.name: other})


@pytest.fixture(scope="module")
def needles(house: MemoryHouse) -> Needles:
    """Every canary of both tenants."""
    return Needles({text for population in house.populations.values() for text in canaries(population)})


@pytest.fixture(scope="module")
def text(house: MemoryHouse) -> SchemaText:
    """The schema and its tags."""
    return schema_text(house.schema.sdl)
