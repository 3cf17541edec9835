"""What a persona may read of a population, value by value: from the truth and the engine's own word alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from portico.access.engine import PolicyEngine
from sandbox.identity.personas import Persona
from sandbox.population.canary import minute
from sandbox.population.model import Population
from tests.house import MemoryHouse
from tests.spec.served_world import World, held

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT")


@dataclass(frozen=True)
class SchemaInForce:
    """The schema as it is committed."""

    sdl: str


@dataclass(frozen=True)
class Premises:
    """What a `World` needs of a house: no house at all."""

    schema: SchemaInForce
    populations: Mapping[str, Population]
    engine: PolicyEngine


def world_of(sdl: str, populations: Mapping[str, Population], engine: PolicyEngine, persona: Persona) -> World:
    """One tenant's truth as a persona may see it."""
    premises = Premises(SchemaInForce(sdl), populations, engine)
    return World(cast(MemoryHouse, premises), persona)  # it asks for the schema, the populations and the engine only


@dataclass(frozen=True)
class Rights:
    """What a persona may be shown of anybody at all."""

    texts: frozenset[str]
    """The texts, as they are."""
    moved: frozenset[str]
    """The coordinates whose dates are moved for them."""
    coordinates: frozenset[str]
    """The coordinates of which they may see anything, masked or not."""


async def rights_of(world: World) -> Rights:
    """A persona's rights to every record of their tenant."""
    texts: set[str] = set()
    moved: set[str] = set()
    coordinates: set[str] = set()
    for record in world.records:
        type_ = record.type.value
        effects = (await world.effects(world.facts(record)) or {}) if await world.visible(record) else {}
        coordinates |= {f"{type_}.{field}" for field, effect in effects.items() if effect.denied is None}
        for field in world.text.values(type_) if effects else ():
            effect = effects[field]
            if effect.said == "allow":
                texts.update(_leaves(held(record, field)))
            elif effect.mask == "shift":
                moved.add(f"{type_}.{field}")
                texts.update(text for text in _leaves(held(record, field)) if not _DATE.match(text))
    return Rights(frozenset(texts), frozenset(moved), frozenset(coordinates))


def _leaves(value: Any) -> Iterator[str]:
    """Every text in a value, as canaries are spelled."""
    match value:
        case dict():
            for one in value.values():
                yield from _leaves(one)
        case list():
            for one in value:
                yield from _leaves(one)
        case str():
            yield value
            if _INSTANT.match(value):
                yield minute(datetime.fromisoformat(value))
        case bool() | int() | None:
            return
        case _:
            yield f"{value:.2f}"
