"""Consents: what patients told the EHR about who may see what of theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from typing import Final

from sandbox.population.clinic import seeded
from sandbox.population.model import Consent, ConsentRule, Person
from sandbox.population.people import Census
from sandbox.population.planted import PHYSICIAN, Planted

_RESEARCH: Final = ConsentRule(effect="permit", purposes=("HRESCH",))
_NO_RESEARCH: Final = ConsentRule(effect="deny", purposes=("HRESCH",))
_WILLING_SHARE: Final = 0.85
"""Of whoever is not planted; of the others, some say no and some say nothing."""
_REFUSING_SHARE: Final = 0.9
_LAPSED: Final = timedelta(days=30)
_MADE: Final = timedelta(days=400)


def consents(census: Census, people: tuple[Person, ...]) -> tuple[Consent, ...]:
    """Everybody's consents: a permit for research, as a rule."""
    numbers = count(1)
    return tuple(
        Consent(
            ehr_id=f"con-{1000 + number}",
            person=person.key,
            status="active",
            made_at=census.now - _MADE,
            rule=rule,
            exceptions=exceptions,
            start=census.now - _MADE,
            end=end,
        )
        for person in people
        if person.ehr_id is not None
        for (rule, exceptions, end), number in zip(_told(census, person), numbers, strict=False)
    )


_Told = tuple[ConsentRule, tuple[ConsentRule, ...], datetime | None]


def _told(census: Census, person: Person) -> Iterator[_Told]:
    """Rules with their exceptions and their ends."""
    match person.key:
        case Planted.LAPSED:
            yield _RESEARCH, (), census.now - _LAPSED
            return
        case Planted.OPTING_IN:
            treatment = ConsentRule(effect="permit", purposes=("TREAT",), practitioners=(PHYSICIAN,))
            yield ConsentRule(effect="deny"), (treatment,), None
            return
        case Planted.IN_TREATMENT:
            yield (
                ConsentRule(effect="permit", purposes=("TREAT",), labels=("SUD",), practitioners=(PHYSICIAN,)),
                (),
                None,
            )
        case Planted.REFUSING_CLINIC:
            yield ConsentRule(effect="deny", organizations=(person.organization,)), (), None
        case Planted.SELF_PAYER:
            yield ConsentRule(effect="deny", purposes=("HPAYMT",)), (), None
    dice = seeded(census.seed, census.tenant, person.key, "consent").random()
    if person.key in set(Planted) or dice < _WILLING_SHARE:
        yield _RESEARCH, (), None
    elif dice < _REFUSING_SHARE:
        yield _NO_RESEARCH, (), None
