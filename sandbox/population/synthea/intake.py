"""Takes bundles into a population: who and what they hold is added, and what can't be used is counted."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from sandbox.population.catalog import PHYSICIAN, PRIMARY_CARE
from sandbox.population.model import CareTeamEntry, Claim, Code, Coverage, Person, Population, Visit
from sandbox.population.synthea import care
from sandbox.population.synthea.bundles import Resource, UnusableData, documents, resources
from sandbox.population.synthea.fields import Unusable, id_of, target, text
from sandbox.population.synthea.patients import insured, joined, patient
from sandbox.population.synthea.registry import Registry

_T = TypeVar("_T")

_SHARED: Final = frozenset({"Organization", "Practitioner"})
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
_USED: Final = frozenset({"Patient", "Encounter", "Claim", "ExplanationOfBenefit", "Condition"}) | _SHARED

_Sorted = Mapping[str, list[Resource]]
"""A bundle's resources by type."""


@dataclass(frozen=True, slots=True)
class Intake:
    """A population with the bundles' people added; what was taken in by type; what was not, by type and reason."""

    population: Population
    taken: Mapping[str, int]
    left: Mapping[tuple[str, str], int]


def take_in(population: Population, path: Path) -> Intake:
    """Add the people, organizations, practitioners, visits, claims and coverages of the bundles at `path`.

    Bundles are read twice, so that they may refer to what a later one defines. Raises `UnusableData` where the input
    is hostile, damaged or holds no patient.
    """
    tally, registry = _Tally(), Registry(population)
    for document in documents(path):
        _register(resources(document), registry, tally)
    admission = _Admission(population, registry, tally)
    for document in documents(path):
        admission.admit(_by_type(resources(document) or ()))
    if not admission.people:
        raise UnusableData(f"{path}: no bundle with a usable patient")
    added = replace(
        population,
        organizations=(*population.organizations, *registry.organizations.values()),
        locations=(*population.locations, *registry.locations.values()),
        practitioners=(*population.practitioners, *registry.practitioners.values()),
        people=(*population.people, *admission.people),
        visits=(*population.visits, *admission.visits),
    )
    return Intake(added, dict(tally.taken), dict(tally.left))


@dataclass(frozen=True, slots=True)
class _Tally:
    """What was taken in, and what was left and why."""

    taken: Counter[str] = field(default_factory=Counter)
    left: Counter[tuple[str, str]] = field(default_factory=Counter)

    def attempt(self, kind: str, make: Callable[[], _T]) -> _T | None:
        """What `make` makes of a resource, counted; None where the resource is unusable, counted too."""
        try:
            made = make()
        except Unusable as reason:
            self.left[kind, str(reason)] += 1
            return None
        self.taken[kind] += 1
        return made

    def leave(self, kind: str, reason: str, number: int = 1) -> None:
        if number:
            self.left[kind, reason] += number


def _register(found: list[Resource] | None, registry: Registry, tally: _Tally) -> None:
    """The first reading: what bundles share, and what nothing is made of."""
    if found is None:
        tally.leave("document", "not a FHIR bundle in JSON")
    for kind, group in _by_type(found or ()).items():
        if kind not in _USED:
            tally.leave(kind, "not held by the simulated sources", len(group))
        for resource in group if kind in _SHARED else ():
            tally.attempt(kind, partial(registry.add, resource))


class _Admission:
    """The second reading: one person a bundle, as Synthea writes them, with all their care."""

    def __init__(self, population: Population, registry: Registry, tally: _Tally) -> None:
        self._population = population
        self._registry = registry
        self._tally = tally
        self._known = {name for each in population.people for name in (each.ehr_id, each.mrn)}
        self.people: list[Person] = []
        self.visits: list[Visit] = []

    def admit(self, found: _Sorted) -> None:
        """Take in a bundle's patient, if there is one."""
        patients = found.get("Patient", [])
        self._tally.leave("Patient", "not the first of its bundle", len(patients[1:]))
        person = self._tally.attempt("Patient", lambda: self._patient(patients[0])) if patients else None
        if person is None:
            for kind in _USED - _SHARED - {"Patient"}:
                self._tally.leave(kind, "without a usable patient", len(found.get(kind, ())))
            return
        visits = self._visits(person, found.get("Encounter", []))
        coverages = self._bill(person, visits, found)
        self._tally.taken["Coverage"] += len(coverages)
        self.visits.extend(visits.values())
        team = [
            CareTeamEntry(practitioner=each.practitioner, role=PHYSICIAN, start=each.start) for each in visits.values()
        ]
        since = min((each.start for each in team), default=_LONG_AGO)
        team.append(CareTeamEntry(practitioner=person.general_practitioner, role=PRIMARY_CARE, start=since))
        self.people.append(replace(person, care_team=joined(team), coverages=coverages))

    @property
    def _number(self) -> int:
        """The number of the person who is being admitted: it continues the population's."""
        return len(self._population.people) + len(self.people) + 1

    def _patient(self, resource: Resource) -> Person:
        person = patient(resource, self._population, self._number)
        if not self._known.isdisjoint({person.ehr_id, person.mrn}):
            raise Unusable("somebody has this id or record number already")
        self._known |= {person.ehr_id, person.mrn}
        return person

    def _visits(self, person: Person, encounters: Iterable[Resource]) -> dict[str, Visit]:
        """The visits by the id of their encounter."""
        held: dict[str, Visit] = {}
        for resource in encounters:
            number = len(self._population.visits) + len(self.visits) + len(held) + 1
            made = self._tally.attempt("Encounter", partial(self._visit, resource, person, number, held))
            if made and made.encounter_id:
                held[made.encounter_id] = made
        return held

    def _visit(self, resource: Resource, person: Person, number: int, held: Mapping[str, Visit]) -> Visit:
        if target(resource, "subject") != person.ehr_id:
            raise Unusable("about somebody else than the bundle")
        if id_of(resource) in held:
            raise Unusable("the same one again")
        return care.visit(resource, person, self._registry, number)

    def _bill(self, person: Person, visits: dict[str, Visit], found: _Sorted) -> tuple[Coverage, ...]:
        """Put each visit's claim into it; the coverages by which payers answered."""
        claims = sorted(found.get("Claim", []), key=care.is_pharmacy)
        answers = {name: each for each in found.get("ExplanationOfBenefit", []) if (name := target(each, "claim"))}
        payers = [
            (name, visit.start)
            for each in claims
            if (visit := visits.get(_encounter(each))) and (name := care.payer(answers.get(_id(each))))
        ]
        coverages = insured(self._number, payers)
        problems = self._problems(found.get("Condition", []))
        heard = 0
        for resource in claims:
            answer = answers.get(_id(resource))
            covered = next((each.key for each in coverages if each.payer == care.payer(answer)), None)
            make = partial(_claim, person, resource, answer, visits, problems, covered)
            made = self._tally.attempt("Claim", make)
            if made:
                self._enter(visits, _encounter(resource), made)
                heard += answer is not None
        self._tally.taken["ExplanationOfBenefit"] += heard
        ignored = len(found.get("ExplanationOfBenefit", [])) - heard
        self._tally.leave("ExplanationOfBenefit", "about no claim that is held", ignored)
        return coverages

    def _enter(self, visits: dict[str, Visit], encounter: str, made: Claim) -> None:
        """Put a claim into its visit; a further one into an entry of its own with the visit's number."""
        visit = visits[encounter]
        if visit.claim is None:
            visits[encounter] = replace(visit, claim=made)
            return
        further = replace(made, number=f"{visit.claim.number}-{len(visits)}")
        key = f"{visit.key}-{further.number}"
        visits[further.number] = replace(
            visit, key=key, appointment_id=None, encounter_id=None, encounter_status=None, claim=further
        )

    def _problems(self, conditions: Iterable[Resource]) -> dict[str, Code]:
        """What the bundle's conditions are called, by their id."""
        named: dict[str, Code] = {}
        for resource in conditions:
            made = self._tally.attempt("Condition", partial(care.problem, resource))
            if made:
                named[_id(resource)] = made
        return named


def _claim(
    person: Person,
    resource: Resource,
    answer: Resource | None,
    visits: Mapping[str, Visit],
    problems: Mapping[str, Code],
    coverage: str | None,
) -> Claim:
    visit = visits.get(_encounter(resource))
    if target(resource, "patient") != person.ehr_id:
        raise Unusable("about somebody else than the bundle")
    if visit is None:
        raise Unusable("for no encounter that is held")
    number = int(visit.number.removeprefix("V-"))
    return care.claim(resource, answer, problems, number=number, coverage=coverage)


def _by_type(found: Iterable[Resource]) -> _Sorted:
    kinds: dict[str, list[Resource]] = defaultdict(list)
    for resource in found:
        kinds[text(resource, "resourceType") or "unknown"].append(resource)
    return kinds


def _id(resource: Resource) -> str:
    return text(resource, "id") or ""


def _encounter(claim: Resource) -> str:
    return target(claim, "item", 0, "encounter", 0) or ""
