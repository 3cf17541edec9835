"""One tenant's resources, indexed by what they can be searched by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from sandbox.fhir.datatypes import Json
from sandbox.fhir.dates import matches
from sandbox.fhir.parameters import PARAMETERS, Key, Kind, Parameter, folded, key, plain, split
from sandbox.fhir.resources import Chart
from sandbox.population.model import Population

SUBJECTS = {
    "Patient": "id",
    "Encounter": "subject",
    "Coverage": "beneficiary",
    "CareTeam": "subject",
    "Consent": "patient",
}
"""The types that are about a patient, each with the element that says about whom."""


class Repository:
    """Answers searches from memory. Exact parameters cost a look-up, the others a scan of the type."""

    def __init__(self, population: Population) -> None:
        self._resources: dict[str, list[Json]] = {type_: [] for type_ in PARAMETERS}
        self._found: defaultdict[tuple[str, str, Key], set[int]] = defaultdict(set)
        self._texts: dict[tuple[str, str], list[list[str]]] = {}
        for resource in Chart(population).resources():
            self._resources[resource["resourceType"]].append(resource)
        for type_, parameters in PARAMETERS.items():
            for name, parameter in parameters.items():
                self._index(type_, name, parameter)

    def _index(self, type_: str, name: str, parameter: Parameter) -> None:
        resources = self._resources[type_]
        if parameter.exact:
            for position, resource in enumerate(resources):
                for each in parameter.keys(resource):
                    self._found[type_, name, each].add(position)
        self._texts[type_, name] = [parameter.texts(resource) for resource in resources]

    def search(self, type_: str, conditions: Iterable[tuple[str, str]], sort: Sequence[str]) -> list[Json]:
        """The resources that meet all conditions (parameter, value), in the order of `sort` (`family`, `-_id`)."""
        positions = set(range(len(self._resources[type_])))
        for name, value in conditions:
            positions &= self._matching(type_, name, value)
        ordered = sorted(positions)
        for name in reversed(sort):
            texts = self._texts[type_, name.removeprefix("-")]
            ordered.sort(key=lambda position: min(texts[position], default=""), reverse=name.startswith("-"))
        return [self._resources[type_][position] for position in ordered]

    def _matching(self, type_: str, name: str, value: str) -> set[int]:
        parameter = PARAMETERS[type_][name]
        matching: set[int] = set()
        for part in split(value, ","):
            if parameter.exact:
                matching |= self._found.get((type_, name, key(parameter, part)), set())
            elif parameter.kind is Kind.DATE:
                dates = self._texts[type_, name]
                matching |= {at for at, has in enumerate(dates) if any(matches(date, plain(part)) for date in has)}
            else:
                start = folded(plain(part))
                texts = self._texts[type_, name]
                matching |= {at for at, has in enumerate(texts) if any(text.startswith(start) for text in has)}
        return matching

    def others(self, type_: str, resources: Sequence[Json]) -> list[Json]:
        """As many resources of the type, about nobody whom these are about: what a mistaken EHR would answer."""
        subjects = {self._subject(type_, each) for each in resources}
        strangers = [each for each in self._resources[type_] if self._subject(type_, each) not in subjects]
        return strangers[: len(resources)]

    def _subject(self, type_: str, resource: Json) -> str:
        return str(resource[SUBJECTS[type_]])
