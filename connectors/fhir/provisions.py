"""What one provision of a Consent is about, in comparable words: whom, what for, which data, when.

Nothing may be left out: an element that isn't known could change what a provision means.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

from connectors.fhir import datatypes, shapes
from connectors.fhir.attributes import Reading
from connectors.fhir.datatypes import Json, element
from connectors.fhir.mapping import Code
from connectors.fhir.shapes import fitted
from portico.records import systems
from portico.records.consent import ConsentKind
from portico.records.values import Period

_READ: Final = frozenset(
    {"action", "actor", "class", "code", "extension", "id", "period", "provision", "purpose", "securityLabel", "type"}
)
_ACTOR_READ: Final = frozenset({"extension", "id", "reference", "role"})
_TYPES: Final = {"permit": ConsentKind.PERMIT, "deny": ConsentKind.DENY}

_T = TypeVar("_T")


class NotUnderstood(Exception):
    """Something of a consent can't be understood."""


@dataclass(frozen=True, slots=True)
class Actors:
    """Those whom a provision concerns: in one of these roles, and one of these parties. Empty sets are everyone."""

    roles: frozenset[str] = frozenset()
    parties: frozenset[str] = frozenset()


EVERYONE: Final = (Actors(),)
ALWAYS: Final = Period()


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a provision is about. Empty sets are everything; of several `actors`, any."""

    actors: tuple[Actors, ...] = EVERYONE
    purposes: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    period: Period = ALWAYS


class Provisions:
    """Reads provisions, with the NPIs of the practitioners that references lead to.

    Raises `NotUnderstood`, and `datatypes.Malformed` for a period that is none.
    """

    def __init__(self, npis: Mapping[str, str], reading: Reading) -> None:
        self._npis = npis
        self._reading = reading
        self._words = reading.mapping.consents

    def kind(self, provision: Json) -> ConsentKind | None:
        """Whether it permits or denies; None where it doesn't say."""
        type_ = provision.get("type")
        if type_ is not None and type_ not in _TYPES:
            raise NotUnderstood
        return None if type_ is None else _TYPES[type_]

    def terms(self, provision: Json) -> Terms:
        """What it is about."""
        if provision.keys() - _READ:
            raise NotUnderstood
        actions = all_elements(provision.get("action"))
        if actions and not any(code in self._words.actions for each in actions for _, code in codes_of(each)):
            raise NotUnderstood
        classes, labels = self._words.classes, self._reading.mapping.labels
        tags = [_word(code, classes) for code in _pairs(provision.get("class"))]
        tags += [_word_among(codes_of(each), classes) for each in all_elements(provision.get("code"))]
        return Terms(
            actors=self._actors(all_elements(provision.get("actor"))),
            purposes=frozenset(_word(code, self._words.purposes) for code in _pairs(provision.get("purpose"))),
            tags=frozenset[str]().union(*tags),
            labels=frozenset(_word(code, labels) for code in _pairs(provision.get("securityLabel"))),
            period=period_of(provision) or ALWAYS,
        )

    def _actors(self, actors: Collection[Json]) -> tuple[Actors, ...]:
        """Those who are only named, those who only have a role, and each who is named in a role."""
        parties, roles, both = set[str](), set[str](), list[Actors]()
        for actor in actors:
            if actor.keys() - _ACTOR_READ:
                raise NotUnderstood
            role = _word_among(codes_of(actor["role"]), self._words.roles) if "role" in actor else ""
            reference = element(actor.get("reference"))
            if role and not {"reference", "identifier"} & reference.keys():
                roles.add(role)
            elif role:
                both.append(Actors(frozenset({role}), frozenset({self._party(reference)})))
            else:
                parties.add(self._party(reference))
        groups = [Actors(parties=frozenset(parties))] if parties else []
        groups += [Actors(roles=frozenset(roles))] if roles else []
        return (*groups, *both) or EVERYONE

    def _party(self, reference: Json) -> str:
        """A practitioner by NPI, an organization by the EHR's id. Nobody else can be told from a token."""
        base, shape = self._reading.base, fitted(reference, shapes.Reference)
        practitioner = datatypes.reference(shape, "Practitioner", base)
        if practitioner is not None and practitioner in self._npis:
            return f"npi {self._npis[practitioner]}"
        organization = datatypes.reference(shape, "Organization", base)
        if organization is not None:
            return f"organization {organization}"
        canonical = self._reading.mapping.canonical_systems
        identifiers = fitted([reference.get("identifier")], shapes.Identifier)
        named = datatypes.identifier_values(identifiers, canonical, systems.NPI)
        if "reference" in reference or len(named) != 1:
            raise NotUnderstood
        return f"npi {named[0]}"


def walk(root: Json) -> Iterator[Json]:
    """A provision and all within it, however deep."""
    waiting = [root]
    while waiting:
        provision = waiting.pop()
        yield provision
        waiting += datatypes.elements(provision.get("provision"))


def period_of(provision: Json) -> Period | None:
    """When it holds. Raises `datatypes.Malformed` for a period that is none."""
    return datatypes.period(fitted(provision.get("period"), shapes.Period))


def all_elements(value: object) -> list[Json]:
    """The elements of a list, of which none may be anything else."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise NotUnderstood
    return value


def codes_of(concept: object) -> list[Code]:
    """System and code of each coding of a CodeableConcept; none where there is no concept."""
    if concept is not None and not isinstance(concept, dict):
        raise NotUnderstood
    return _pairs(element(concept).get("coding"))


def _pairs(codings: object) -> list[Code]:
    found = []
    for each in all_elements(codings):
        system, code = each.get("system", ""), each.get("code")
        if not isinstance(system, str) or not isinstance(code, str):
            raise NotUnderstood
        found.append((system, code))
    return found


def _word(code: Code, words: Mapping[Code, _T]) -> _T:
    if code not in words:
        raise NotUnderstood
    return words[code]


def _word_among(codes: Collection[Code], words: Mapping[Code, _T]) -> _T:
    """What a concept means: its codings are translations of each other."""
    return _word(next((code for code in codes if code in words), ("", "")), words)
