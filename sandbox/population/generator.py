"""Makes a synthetic population: the same seed, size and reference instant give the same people to the byte."""

from __future__ import annotations

from datetime import UTC, datetime, time
from functools import cache

from faker import Faker

from sandbox.population.canary import brand
from sandbox.population.clinic import found
from sandbox.population.consents import consents
from sandbox.population.diary import Diary
from sandbox.population.model import Population
from sandbox.population.people import Census, guardianships, keys, person
from sandbox.population.visits import visits


def generate(
    tenant: str, *, seed: int, size: int, now: datetime | None = None, canary: bool = False
) -> Population:  # fmt: skip
    """A clinic group with `size` patients, whose history lies before `now` (aware; default: today at 00:00 UTC).

    The planted people come first, so a population of at least `len(Planted)` has them all. Ids and identifiers
    depend on a person's place alone and are the same in every tenant: whatever mixes tenants up, mixes people up.
    With `canary` every value is unique in the population (`canaries` tells whose it is).
    """
    now = (now or datetime.combine(datetime.now(UTC).date(), time(), tzinfo=UTC)).astimezone(UTC)
    faker = _faker()
    faker.seed_instance(f"{seed}/{tenant}")
    clinic = found(tenant, size=size, faker=faker)
    census = Census(tenant=tenant, seed=seed, now=now, clinic=clinic, faker=faker)
    people = tuple(person(census, key, number) for number, key in enumerate(keys(size), 1))
    diary = Diary(census)
    made = visits(census, people, diary)
    population = Population(
        tenant=tenant,
        organizations=clinic.organizations,
        locations=clinic.locations,
        practitioners=clinic.practitioners,
        people=people,
        visits=made,
        slots=diary.slots(),
        guardianships=guardianships(now, frozenset(keys(size))),
        consents=consents(census, people),
    )
    return brand(population, seed=seed, now=now) if canary else population


@cache
def _faker() -> Faker:
    """The one provider of American names and places; it is seeded anew for every person."""
    return Faker("en_US", use_weighting=False)
