"""Search parameters of FHIR R4: what this EHR can be asked, and how values are read and compared.

After https://hl7.org/fhir/R4/search.html: repeated parameters are a conjunction, values between commas a disjunction,
strings match by prefix without regard to case and accents, dates by the span that their precision leaves open.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sandbox.fhir.datatypes import Json
from sandbox.fhir.refusals import Refusal

Key = tuple[str | None, str | None]
"""What tokens and references are found by: system (or type) and code (or id); None stands for any."""


class Kind(StrEnum):
    """FHIR SearchParamType, as far as this EHR has it."""

    TOKEN = "token"  # noqa: S105  # FHIR's word for a coded value, no secret
    REFERENCE = "reference"
    STRING = "string"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: its kind and the elements that it looks at (`name.given`; lists are looked through)."""

    kind: Kind
    paths: tuple[str, ...]

    @property
    def exact(self) -> bool:
        """Whether values are found by `Key`."""
        return self.kind in {Kind.TOKEN, Kind.REFERENCE}

    def elements(self, resource: Json) -> Iterator[Any]:
        """The elements that this parameter looks at."""
        for path in self.paths:
            yield from _walk(resource, path.split("."))

    def keys(self, resource: Json) -> Iterator[Key]:
        """Every key by which the resource is found, for tokens and references."""
        for element in self.elements(resource):
            for system, code in _coded(element) if self.kind is Kind.TOKEN else _referred(element):
                yield from ((system or "", code), (None, code), (system or "", None))

    def texts(self, resource: Json) -> list[str]:
        """The resource's values, comparable: strings folded, dates as they are."""
        texts = [str(element) for element in self.elements(resource)]
        return [folded(text) for text in texts] if self.kind is Kind.STRING else texts


def _table(**parameters: str) -> dict[str, Parameter]:
    """Search parameters, written `name="kind path path"`."""
    table = {"_id": Parameter(Kind.TOKEN, ("id",))}
    for name, written in parameters.items():
        kind, *paths = written.split()
        table[name if name.startswith("_") else name.replace("_", "-")] = Parameter(Kind(kind), tuple(paths))
    return table


PARAMETERS: dict[str, dict[str, Parameter]] = {
    "Patient": _table(
        identifier="token identifier",
        family="string name.family",
        given="string name.given",
        name="string name.family name.given name.prefix",
        birthdate="date birthDate",
        gender="token gender",
        organization="reference managingOrganization",
        general_practitioner="reference generalPractitioner",
    ),
    "Practitioner": _table(
        identifier="token identifier",
        family="string name.family",
        given="string name.given",
        name="string name.family name.given name.prefix",
        active="token active",
    ),
    "Organization": _table(name="string name"),
    "Location": _table(
        identifier="token identifier", name="string name", organization="reference managingOrganization"
    ),
    "Encounter": _table(
        identifier="token identifier",
        patient="reference subject",
        subject="reference subject",
        practitioner="reference participant.individual",
        status="token status",
    ),
    "Coverage": _table(
        identifier="token identifier",
        beneficiary="reference beneficiary",
        patient="reference beneficiary",
        status="token status",
    ),
    "CareTeam": _table(
        patient="reference subject",
        subject="reference subject",
        participant="reference participant.member",
        status="token status",
    ),
    "Consent": _table(
        patient="reference patient",
        status="token status",
        _lastUpdated="date meta.lastUpdated",
    ),
}
"""The search parameters of each type."""

MANDATORY: dict[str, frozenset[str]] = {
    "Encounter": frozenset({"status", "class"}),
    "Coverage": frozenset({"status", "beneficiary", "payor"}),
    "Consent": frozenset({"status", "scope", "category"}),
}
"""Elements that FHIR requires of a type: they come along whatever `_elements` says, so that resources stay valid."""


def folded(text: str) -> str:
    """Text without case and accents, as FHIR compares strings."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def split(text: str, separator: str) -> list[str]:
    """The parts between unescaped separators; the parts stay escaped."""
    if "\\" not in text:
        return text.split(separator)
    parts, escaped = [""], False
    for letter in text:
        if letter == separator and not escaped:
            parts.append("")
            continue
        parts[-1] += letter
        escaped = letter == "\\" and not escaped
    return parts


def plain(text: str) -> str:
    """The text without FHIR's escapes of comma, bar, dollar and backslash."""
    letters, escaped = [], False
    for letter in text:
        escaped = letter == "\\" and not escaped
        if not escaped:
            letters.append(letter)
    return "".join(letters)


def key(parameter: Parameter, text: str) -> Key:
    """The key that a value asks for: `code`, `system|code`, `|code`, `system|`; `id`, `Type/id`."""
    if parameter.kind is Kind.REFERENCE:
        type_, slash, id_ = plain(text).rpartition("/")
        return (type_ if slash else None, id_)
    parts = [plain(part) for part in split(text, "|")]
    if len(parts) == 1:
        return (None, parts[0])
    if len(parts) > 2:  # noqa: PLR2004  # a system and a code
        raise Refusal(400, "value", "a token has one bar at most; others are escaped")
    return (parts[0], parts[1] or None)


def _walk(element: Any, path: list[str]) -> Iterator[Any]:
    if isinstance(element, list):
        for each in element:
            yield from _walk(each, path)
    elif not path:
        yield element
    elif isinstance(element, dict) and path[0] in element:
        yield from _walk(element[path[0]], path[1:])


def _coded(element: Any) -> Iterator[tuple[str | None, str]]:
    """System and code of an Identifier, a CodeableConcept, a Coding, a code or a boolean."""
    match element:
        case bool():
            yield None, str(element).lower()
        case str():
            yield None, element
        case {"coding": [*codings]}:
            for each in codings:
                yield from _coded(each)
        case {"value": str(value)}:
            yield element.get("system"), value
        case {"code": str(code)}:
            yield element.get("system"), code


def _referred(element: Any) -> Iterator[tuple[str | None, str]]:
    match element:
        case {"reference": str(text)}:
            type_, _, id_ = text.rpartition("/")
            yield type_, id_
