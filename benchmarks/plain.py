"""A population in which a billing clerk sees every patient of their clinic group and all that happened to them.

Nothing is labelled, nobody has said anything about their data, and every source agrees on who is who: then servers
that ask no policy give the same answers as Portico, and what they cost can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from portico.records.sensitivity import NORMAL, labels_of
from sandbox.population.model import Alias, Code, Person, Population, Visit


def plain(population: Population) -> Population:
    """The population without what policies would leave out, or Portico could not join."""
    people = tuple(_agreed(person) for person in population.people if _known(person))
    keys = {person.key for person in people}
    return replace(
        population,
        people=people,
        visits=tuple(visit for visit in population.visits if visit.person in keys and not _sensitive(visit)),
        guardianships=tuple(one for one in population.guardianships if one.child in keys),
        consents=(),
    )


def _known(person: Person) -> bool:
    return person.ehr_id is not None and person.replaced_by is None


def _agreed(person: Person) -> Person:
    return replace(
        person, labels=(), scheduling=_alias(person, person.scheduling), billing=_alias(person, person.billing)
    )


def _alias(person: Person, alias: Alias | None) -> Alias | None:
    if alias is None:
        return None
    return replace(
        alias, family=person.family, given=person.given, birth_date=person.birth_date, mrn=person.mrn, member_id=None
    )


def _sensitive(visit: Visit) -> bool:
    codes = ((code.system, code.code) for code in _codes(visit))
    return labels_of(codes, set_by_source=frozenset(visit.labels)) - {NORMAL} != frozenset()


def _codes(visit: Visit) -> Iterator[Code]:
    yield visit.service
    yield from visit.reasons
    if visit.claim is not None:
        yield from visit.claim.diagnoses
        yield from (line.service for line in visit.claim.lines)
