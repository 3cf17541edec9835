"""FHIR R4 data types, read from JSON into canonical values.

A wire module: JSON of any shape may come in. What is absent is None; what is there and can't be read raises
`Malformed`, and the caller decides what that costs. One bad entry of a list costs that entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from portico.records.values import Address, Coding, HumanName, Identifier, Period

Json = dict[str, Any]
"""A FHIR element or resource in its JSON form."""

FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")
_INSTANT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2})")
_REFERENCE: Final = re.compile(r"([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")
_IDENTIFIER_TYPE: Final = "http://terminology.hl7.org/CodeSystem/v2-0203"
_FULL_DATE: Final = len("YYYY-MM-DD")
_USUAL_INSTANT: Final = len("YYYY-MM-DDTHH:MM:SSZ")
_TICK: Final = timedelta(microseconds=1)

_NAME_USES: Final = {"official": 0, "usual": 1, None: 2}
_ADDRESS_USES: Final = {"home": 0, "work": 1, None: 2}


class Malformed(Exception):
    """An element that is there can't be read. Carries no value."""


def text(value: Any) -> str | None:
    """A FHIR string or code."""
    return value if isinstance(value, str) and value else None


def element(value: Any) -> Json:
    """One element; empty where there is none."""
    return value if isinstance(value, dict) else {}


def elements(value: Any) -> list[Json]:
    """The elements of a list, without what is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def human_name(value: Any) -> HumanName | None:
    """The current name of a list of HumanName: official before usual before others, never an old one."""
    chosen = _current(elements(value), _NAME_USES)
    if chosen is None:
        return None
    prefixes = _texts(chosen.get("prefix"))
    return HumanName(
        family=text(chosen.get("family")),
        given=_texts(chosen.get("given")),
        prefix=prefixes[0] if prefixes else None,
    )


def address(value: Any) -> Address | None:
    """The current address of a list of Address, home before work before others; or of a single one."""
    chosen = value if isinstance(value, dict) else _current(elements(value), _ADDRESS_USES)
    if not chosen:
        return None
    return Address(
        line=_texts(chosen.get("line")),
        city=text(chosen.get("city")),
        state=text(chosen.get("state")),
        postal_code=text(chosen.get("postalCode")),
        country=text(chosen.get("country")),
    )


def contact(value: Any, system: str) -> str | None:
    """The preferred current contact point of that system (`phone`, `email`): the lowest rank, else the first."""
    chosen, chosen_rank = None, float("inf")
    for each in elements(value):
        if each.get("system") == system and each.get("use") != "old" and text(each.get("value")):
            rank = each.get("rank")
            rank = rank if isinstance(rank, int) else 2**31
            if rank < chosen_rank:
                chosen, chosen_rank = text(each["value"]), rank
    return chosen


def coding(value: Any) -> Coding | None:
    """A Coding."""
    whole = element(value)
    code, display = text(whole.get("code")), text(whole.get("display"))
    if code is None and display is None:
        return None
    return Coding(system=text(whole.get("system")), code=code, display=display)


def concept(value: Any) -> Coding | None:
    """A CodeableConcept's first coding; its text where there is no display, or no coding at all."""
    whole = element(value)
    words = text(whole.get("text"))
    for each in elements(whole.get("coding")):
        found = coding(each)
        if found is not None:
            return found if found.display else Coding(system=found.system, code=found.code, display=words)
    return Coding(display=words) if words else None


def concepts(value: Any) -> tuple[Coding, ...]:
    """A list of CodeableConcept."""
    return tuple(found for each in elements(value) if (found := concept(each)) is not None)


def codes(value: Any) -> list[tuple[str | None, str | None]]:
    """Every code of a CodeableConcept, or of a list of them, after its system.

    Raises `Malformed` where there is something else.
    """
    found = []
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        said = each.get("coding", ()) if isinstance(each, dict) else None
        if not isinstance(said, list | tuple):
            raise Malformed("a coded concept can't be read")
        for one in said:
            if not isinstance(one, dict):
                raise Malformed("a coded concept can't be read")
            found.append((text(one.get("system")), text(one.get("code"))))
    return found


def identifiers(value: Any, canonical: Mapping[str, str]) -> tuple[Identifier, ...]:
    """A list of Identifier with canonical systems; unknown systems stay, old and incomplete identifiers don't."""
    found = []
    for each in elements(value):
        system, name = each.get("system"), each.get("value")
        if isinstance(system, str) and isinstance(name, str) and system and name and each.get("use") != "old":
            kind = _identifier_type(each.get("type"))
            found.append(Identifier(system=canonical.get(system, system), value=name, type=kind))
    return tuple(found)


def identifier_values(value: Any, canonical: Mapping[str, str], wanted: str) -> list[str]:
    """The current values of a list of Identifier in one canonical system."""
    return [*_identifier_values(value, canonical, wanted)]


def identifier_value(value: Any, canonical: Mapping[str, str], wanted: str) -> str | None:
    """The first of them."""
    return next(_identifier_values(value, canonical, wanted), None)


def _identifier_values(value: Any, canonical: Mapping[str, str], wanted: str) -> Iterator[str]:
    for each in value if isinstance(value, list) else ():
        if isinstance(each, dict) and canonical.get(str(each.get("system"))) == wanted and each.get("use") != "old":
            name = text(each.get("value"))
            if name is not None:
                yield name


def reference(value: Any, type_: str, base: str) -> str | None:
    """The id that a Reference to a resource of that type on this server names; None for any other reference.

    `base` is the server's base URL with a slash at its end. Contained, logical and foreign references lead nowhere.
    """
    target = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(target, str):
        return None
    return _referred(target, type_, base)


def reference_reader(type_: str, base: str) -> Callable[[Any], str | None]:
    """`reference` for many References, of which the same may come again and again: those are read once."""
    known: dict[str, str | None] = {}

    def read(value: Any) -> str | None:
        target = value.get("reference") if isinstance(value, dict) else None
        if not isinstance(target, str):
            return None
        if target not in known:
            known[target] = _referred(target, type_, base)
        return known[target]

    return read


def _referred(target: str, type_: str, base: str) -> str | None:
    found = _REFERENCE.fullmatch(target.removeprefix(base))
    return found[2] if found is not None and found[1] == type_ else None


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
    if not isinstance(value, dict):
        raise Malformed("a period is not an element")
    start, end = value.get("start"), value.get("end")
    if start is None and end is None:
        return None
    return Period(start=_instant(start, at_end=False), end=_instant(end, at_end=True))


def _instant(value: Any, *, at_end: bool) -> datetime | None:
    if value is None:
        return None
    try:
        if isinstance(value, str) and (_is_usual_instant(value) or _INSTANT.fullmatch(value)):
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


def _is_usual_instant(value: str) -> bool:
    """Whether a text is `....-..-..T..:..:..Z`: of all that is so long, only that is read of it as ISO 8601."""
    return len(value) == _USUAL_INSTANT and value[4::3] == "--T::Z"


def _is_full_date(value: str) -> bool:
    """Whether a text is `....-..-..`, of which the same is true."""
    return len(value) == _FULL_DATE and value[4::3] == "--"


def _current(candidates: Sequence[Json], uses: Mapping[str | None, int]) -> Json | None:
    if len(candidates) == 1 and candidates[0].get("use") != "old":
        return candidates[0]
    current = [each for each in candidates if each.get("use") != "old"]
    return min(current, key=lambda each: uses.get(text(each.get("use")), len(uses)), default=None)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str) and each) if isinstance(value, list) else ()


def _identifier_type(value: Any) -> str | None:
    codings = value.get("coding") if isinstance(value, dict) else None
    for each in codings if isinstance(codings, list) else ():
        if isinstance(each, dict) and each.get("system") == _IDENTIFIER_TYPE:
            return text(each.get("code"))
    return None
