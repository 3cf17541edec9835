"""Claims: what was billed for a visit, and what became of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import Final

from sandbox.population.catalog import OFFICE_VISIT, PROCEDURES, Problem
from sandbox.population.clinic import seeded
from sandbox.population.model import Claim, ClaimLine, Code, Person, Visit
from sandbox.population.planted import Planted

_FATES: Final = (("paid", 62), ("denied", 12), ("submitted", 8), ("accepted", 8), ("pended", 7), ("cancelled", 3))
_PATIENTS_FATES: Final = ("paid", "denied", "pended", "paid")
"""What becomes of the patient persona's claims, in the order of their numbers."""


def claim(person: Person, visit: Visit, problem: Problem, number: int, *, now: datetime) -> Claim:
    """The claim for a visit that took place; its number follows the visit's."""
    chance = seeded(person.key, visit.key, number, visit.start)
    fate = chance.choices([word for word, _ in _FATES], weights=[weight for _, weight in _FATES])[0]
    if person.key == Planted.PATIENT:
        fate = _PATIENTS_FATES[(number - 1) % len(_PATIENTS_FATES)]
    lines = tuple(_line(code, fate, chance) for code in _services(problem, chance))
    created = min(visit.end + timedelta(days=chance.randint(0, 6)), now)
    allowed = sum(line.allowed_cents or 0 for line in lines)
    paid = sum(line.paid_cents or 0 for line in lines)
    return Claim(
        number=f"CLM{3000000 + number}",
        claim_type="professional",
        status=fate,
        created=created.date().isoformat(),
        diagnoses=(problem.diagnosis,),
        lines=lines,
        coverage=person.coverages[0].key if person.coverages else None,
        patient_responsibility_cents=allowed - paid if fate == "paid" else None,
    )


def _services(problem: Problem, chance: Random) -> list[Code]:
    return [problem.procedure or OFFICE_VISIT, *chance.sample(PROCEDURES, chance.randint(0, 2))]


def _line(service: Code, fate: str, chance: Random) -> ClaimLine:
    """A line billed at whole dollars. What its payer allowed and paid stands on a paid one; a denied one has zeros."""
    billed = chance.randrange(40_00, 400_00, 1_00)
    allowed = billed * chance.randint(55, 90) // 100 if fate == "paid" else 0 if fate == "denied" else None
    paid = None if allowed is None else allowed * chance.choice((80, 90, 100)) // 100
    return ClaimLine(service=service, units=1, billed_cents=billed, allowed_cents=allowed, paid_cents=paid)
