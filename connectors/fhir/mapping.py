"""The mapping of one kind of EHR, as data: identifier systems, security labels and status codes.

Read once from TOML and checked whole: an incomplete or misspelt mapping is a `Fault` at start, never a surprise later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeVar

from portico.records import systems
from portico.records.consent import ConsentKind
from portico.records.errors import Fault
from portico.records.types import CoverageStatus, EncounterStatus, Gender

VISIT: Final = "urn:portico:visit"
"""The visit number that all of a group's systems share."""
SITE: Final = "urn:portico:site"
"""The clinic group's site code."""

SHIPPED: Final = Path(__file__).with_name("mapping.toml")

_CANONICAL: Final = {
    "mrn": systems.MRN,
    "ssn": systems.SSN,
    "npi": systems.NPI,
    "member": systems.MEMBER,
    "drivers_license": systems.DRIVERS_LICENSE,
    "visit": VISIT,
    "site": SITE,
}
_SECTIONS: Final = frozenset(
    {"version", "identifiers", "labels", "gender", "encounter_status", "coverage_status", "care_team", "consent"}
)
_CONSENT_SECTIONS: Final = frozenset({"in_force", "actions", "scopes", "bases", "purposes", "roles", "classes"})
_PRIVACY: Final = {"privacy": True, "other": False}
_Word = TypeVar("_Word", bound=StrEnum)


Code = tuple[str, str]
"""A code system and a code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentMapping:
    """What the words of the EHR's consents mean; what is missing can't be understood."""

    in_force: frozenset[str]
    actions: frozenset[str]
    privacy_scopes: Mapping[Code, bool]
    """Whether a scope is about who may see what."""
    bases: Mapping[Code, ConsentKind]
    """What a policy rule does where no provision says otherwise: permit or deny."""
    purposes: Mapping[Code, str]
    roles: Mapping[Code, str]
    """A role of the policies' matrix; an empty one is whoever is named."""
    classes: Mapping[Code, frozenset[str]]
    """The tags of what a class of information is made of."""

    @classmethod
    def checked(cls, section: Mapping[str, Any]) -> ConsentMapping:
        """The mapping's section on consents. Raises ValueError, TypeError or KeyError."""
        if section.keys() != _CONSENT_SECTIONS:
            raise ValueError(f"consent needs exactly {', '.join(sorted(_CONSENT_SECTIONS))}")
        return cls(
            in_force=frozenset(_texts(section["in_force"])),
            actions=frozenset(_texts(section["actions"])),
            privacy_scopes={code: _PRIVACY[word] for code, word in _codes(section["scopes"]).items()},
            bases={code: ConsentKind(word) for code, word in _codes(section["bases"]).items()},
            purposes=_words_of(section["purposes"]),
            roles=_words_of(section["roles"]),
            classes={code: frozenset(_texts(tags)) for code, tags in _codes(section["classes"]).items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FhirMapping:
    """What the EHR's words mean. Lookups are by the EHR's word; what is missing is unknown."""

    version: str
    canonical_systems: Mapping[str, str]
    """The EHR's identifier system to the canonical one."""
    own_systems: Mapping[str, str]
    """The canonical identifier system to the one by which the EHR is searched."""
    labels: Mapping[Code, str]
    """Security label system and code to the canonical label."""
    genders: Mapping[str, Gender]
    encounter_statuses: Mapping[str, EncounterStatus]
    coverage_statuses: Mapping[str, CoverageStatus]
    care_teams_in_force: frozenset[str]
    consents: ConsentMapping

    @classmethod
    def load(cls, path: Path = SHIPPED) -> FhirMapping:
        """Read and check a mapping. Raises `Fault`, saying what is wrong with it."""
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
            return cls._checked(document)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Fault(f"{path.name} is no usable FHIR mapping: {error}") from error

    @classmethod
    def _checked(cls, document: Mapping[str, Any]) -> FhirMapping:
        if document.keys() != _SECTIONS:
            raise ValueError(f"it needs exactly {', '.join(sorted(_SECTIONS))}")
        if document["identifiers"].keys() != _CANONICAL.keys():
            raise ValueError(f"identifiers are exactly {', '.join(sorted(_CANONICAL))}")
        if not isinstance(document["version"], str) or not document["version"]:
            raise ValueError("version is a text")
        systems_of = {name: _texts(owns) for name, owns in document["identifiers"].items()}
        named = [(own, name) for name, owns in systems_of.items() for own in owns]
        if len(dict(named)) != len(named):
            raise ValueError("an identifier system stands for two things")
        return cls(
            version=document["version"],
            canonical_systems={own: _CANONICAL[name] for own, name in named},
            own_systems={_CANONICAL[name]: owns[0] for name, owns in systems_of.items()},
            labels=_words_of(document["labels"]),
            genders=_words(document["gender"], Gender),
            encounter_statuses=_words(document["encounter_status"], EncounterStatus),
            coverage_statuses=_words(document["coverage_status"], CoverageStatus),
            care_teams_in_force=frozenset(_texts(document["care_team"]["in_force"])),
            consents=ConsentMapping.checked(document["consent"]),
        )


def _words(table: Mapping[str, str], enum: type[_Word]) -> dict[str, _Word]:
    return {code: enum(word) for code, word in table.items()}


def _codes(systems_: Mapping[str, Mapping[str, Any]]) -> dict[Code, Any]:
    """What stands under each code of each system."""
    return {(system, code): found for system, codes in systems_.items() for code, found in codes.items()}


def _words_of(systems_: Mapping[str, Mapping[str, Any]]) -> dict[Code, str]:
    found = _codes(systems_)
    return dict(zip(found, _texts([*found.values()]), strict=True))


def _texts(values: object) -> list[str]:
    """A list of texts, with at least one."""
    if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
        raise ValueError("a list of texts has something else, or nothing")
    return values
