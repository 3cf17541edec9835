"""FHIR R4 data types, read from their shapes into canonical values.

A wire module: JSON of any shape may come in. What is absent is None; what is there and can't be read raises
`Malformed`, and the caller decides what that costs. One bad entry of a list costs that entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TypeVar

from connectors.fhir import shapes
from connectors.fhir.shapes import CodeableConcept, many, one
from portico.records.values import Address, Coding, HumanName, Identifier, Period

Json = dict[str, Any]
"""A FHIR element or resource in its JSON form."""

FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T(?!24)\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_REFERENCE: Final = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_IDENTIFIER_TYPE: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_FULL_DATE: Final = len("YYYY-MM-DD")
_USUAL_INSTANT: Final = len("YYYY-MM-DDTHH:MM:SSZ")
_TICK: Final = timedelta(microseconds=1)

_NAME_USES: Final = {"official": 0, "usual": 1, None: 2}
_ADDRESS_USES: Final = {"home": 0, "work": 1, None: 2}

_Used = TypeVar("_Used", shapes.HumanName, shapes.Address)


class Malformed(Exception):
    """An element that is there can't be read. Carries no value."""


def text(value: Any) -> str | None:
    """A FHIR string or code."""
    return value if value.__class__ is str and value else None


def element(value: Any) -> Json:
    """One element that is read whole; empty where there is none."""
    return value if isinstance(value, dict) else {}


def elements(value: Any) -> list[Json]:
    """The elements of a list that are read whole, without what is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def human_name(value: Any) -> HumanName | None:
    """The current name of a list of HumanName: official before usual before others, never an old one."""
    chosen = _current(many(value, shapes.HumanName), _NAME_USES)
    if chosen is None:
        return None
    prefixes = _texts(chosen.prefix)
    return HumanName(family=text(chosen.family), given=_texts(chosen.given), prefix=prefixes[0] if prefixes else None)


def address(value: Any) -> Address | None:
    """The current address of a list of Address, home before work before others; or of a single one."""
    chosen = value if isinstance(value, shapes.Address) else _current(many(value, shapes.Address), _ADDRESS_USES)
    if chosen is None:
        return None
    return Address(
        line=_texts(chosen.line),
        city=text(chosen.city),
        state=text(chosen.state),
        postal_code=text(chosen.postal_code),
        country=text(chosen.country),
    )


def contact(value: Any, system: str) -> str | None:
    """The preferred current contact point of that system (`phone`, `email`): the lowest rank, else the first."""
    chosen, chosen_rank = None, float("inf")
    for each in many(value, shapes.ContactPoint):
        if each.system == system and each.use != "old" and text(each.value):
            rank = each.rank if isinstance(each.rank, int) else 2**31
            if rank < chosen_rank:
                chosen, chosen_rank = text(each.value), rank
    return chosen


def coding(value: Any) -> Coding | None:
    """A Coding."""
    if value.__class__ is not shapes.Coding:
        return None
    code, display = text(value.code), text(value.display)
    if code is None and display is None:
        return None
    return Coding(system=text(value.system), code=code, display=display)


def concept(value: Any) -> Coding | None:
    """A CodeableConcept's first coding; its text where there is no display, or no coding at all."""
    whole = one(value, CodeableConcept)
    words = text(whole.text)
    for each in many(whole.coding, shapes.Coding):
        found = coding(each)
        if found is not None:
            return found if found.display else Coding(system=found.system, code=found.code, display=words)
    return Coding(display=words) if words else None


def concepts(value: Any) -> tuple[Coding, ...]:
    """A list of CodeableConcept."""
    found = (concept(each) for each in many(value, CodeableConcept))
    return tuple(each for each in found if each is not None)


def codings(value: Any) -> list[shapes.Coding]:
    """Every Coding of a CodeableConcept, or of a list of them. Raises `Malformed` where there is something else."""
    found: list[shapes.Coding] = []
    for each in value if value.__class__ is list else () if value is None else (value,):
        said = each.coding if each.__class__ is CodeableConcept else None
        if said.__class__ is not list:
            raise Malformed("a coded concept can't be read")
        for one_said in said:
            if one_said.__class__ is not shapes.Coding:
                raise Malformed("a coded concept can't be read")
            found.append(one_said)
    return found


def identifiers(value: Any, canonical: Mapping[str, str]) -> tuple[Identifier, ...]:
    """A list of Identifier with canonical systems; unknown systems stay, old and incomplete identifiers don't."""
    found = []
    for each in many(value, shapes.Identifier):
        system, name = text(each.system), text(each.value)
        if system and name and each.use != "old":
            kind = _identifier_type(each.type)
            found.append(Identifier(system=canonical.get(system, system), value=name, type=kind))
    return tuple(found)


def identifier_values(value: Any, canonical: Mapping[str, str], wanted: str) -> list[str]:
    """The current values of a list of Identifier in one canonical system."""
    return [name for each in many(value, shapes.Identifier) if (name := _current_value(each, canonical, wanted))]


def identifier_value(value: Any, canonical: Mapping[str, str], wanted: str) -> str | None:
    """The first of them."""
    for each in value if value.__class__ is list else ():
        if each.__class__ is shapes.Identifier and (name := _current_value(each, canonical, wanted)):
            return name
    return None


def _current_value(identifier: shapes.Identifier, canonical: Mapping[str, str], wanted: str) -> str | None:
    is_wanted = canonical.get(str(identifier.system)) == wanted and identifier.use != "old"
    return text(identifier.value) if is_wanted else None


def reference(value: Any, type_: str, base: str) -> str | None:
    """The id that a Reference to a resource of that type on this server names; None for any other reference.

    `base` is the server's base URL with a slash at its end. Contained, logical and foreign references lead nowhere.
    """
    return reference_reader(type_, base)(value)


def reference_reader(type_: str, base: str) -> Callable[[Any], str | None]:
    """`reference` for many References, of which the same may come again and again: each is read once."""
    known: dict[str, str | None] = {}

    def read(value: Any) -> str | None:
        target = value.reference if value.__class__ is shapes.Reference else None
        if target.__class__ is not str:
            return None
        if target not in known:
            found = _REFERENCE.fullmatch(target.removeprefix(base))
            known[target] = found[2] if found is not None and found[1] == type_ else None
        return known[target]

    return read


def day(value: Any) -> str | None:
    """A FHIR date, of any precision."""
    if value is None:
        return None
    if not isinstance(value, str) or not (_is_full_date(value) or _DATE.fullmatch(value)):
        raise Malformed("a date is not a date")
    try:
        date.fromisoformat(value if len(value) == _FULL_DATE else f"{value}-01-01"[:10])
    except ValueError:
        raise Malformed("a date is not a date") from None
    return value


def period(value: Any) -> Period | None:
    """A Period. A day, month or year spans all of it, in UTC."""
    if value is None:
        return None
    if value.__class__ is not shapes.Period:
        raise Malformed("a period is not an element")
    if value.start is None and value.end is None:
        return None
    return Period(start=_instant(value.start, at_end=False), end=_instant(value.end, at_end=True))


def _instant(value: Any, *, at_end: bool) -> datetime | None:
    if value is None:
        return None
    try:
        if value.__class__ is str:
            if len(value) == _USUAL_INSTANT and value[4::3] == "--T::Z" and value[11:13] != "24":
                return datetime.fromisoformat(value)  # of all that looks so, it takes nothing but a second in UTC
            if _INSTANT.fullmatch(value):
                return datetime.fromisoformat(value).astimezone(UTC)
        first = str(day(value))
        year, month, *rest = (int(part) for part in f"{first}-01-01"[:10].split("-"))
        start = datetime(year, month, rest[0], tzinfo=UTC)
        if not at_end:
            return start
        following = {4: (year + 1, 1), 7: (year + month // 12, month % 12 + 1)}.get(len(first))
        after = datetime(*following, 1, tzinfo=UTC) if following else start + timedelta(days=1)
    except (ValueError, OverflowError):
        raise Malformed("an instant is not an instant") from None
    return after - _TICK


def _is_full_date(value: str) -> bool:
    """Whether a text is `....-..-..`: of all that looks so, `date.fromisoformat` takes nothing but a date."""
    return len(value) == _FULL_DATE and value[4::3] == "--"


def _current(candidates: Sequence[_Used], uses: Mapping[str | None, int]) -> _Used | None:
    if len(candidates) == 1 and candidates[0].use != "old":
        return candidates[0]
    current = [each for each in candidates if each.use != "old"]
    return min(current, key=lambda each: uses.get(text(each.use), len(uses)), default=None)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple([each for each in value if each.__class__ is str and each]) if value.__class__ is list else ()


def _identifier_type(value: Any) -> str | None:
    for each in many(one(value, CodeableConcept).coding, shapes.Coding):
        if each.system == _IDENTIFIER_TYPE:
            return text(each.code)
    return None
