"""Whether two sources speak of the same person: by name, birth date and identifiers, each judged on its own."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from portico.records.people import Person
from portico.records.systems import MEMBER, MRN, SSN

PERSONAL: Final = frozenset({MRN, SSN})
"""Identifiers that belong to one person. Somebody else's never agrees by accident, and two of one system disagree."""

STRONG: Final = PERSONAL | {MEMBER}
"""Identifiers on which a link may rest. A family may share a member number."""

_TOLERANCES: Final = ((8, 2), (4, 1))
"""Names from so many letters on may have so many slips; shorter ones none."""


class Likeness(IntEnum):
    """How far two values agree."""

    NONE = 0
    CLOSE = 1
    """They differ by a slip."""
    SAME = 2


@dataclass(frozen=True, slots=True)
class Profile:
    """A person reduced to what is compared: names without case, accents and punctuation, identifiers without spaces."""

    person: Person
    family: tuple[str, ...]
    given: tuple[str, ...]
    birth_date: str | None
    identifiers: frozenset[tuple[str, str]]
    """Strong ones only, by system and value; values that stand for "unknown" are left out."""

    @classmethod
    def of(cls, person: Person) -> Self:
        """The profile of a person."""
        identifiers = ((found.system, _plain(found.value)) for found in person.identifiers if found.system in STRONG)
        return cls(
            person,
            _words(person.family),
            _words(person.given),
            person.birth_date,
            frozenset((system, value) for system, value in identifiers if _tells_apart(value)),
        )

    def of_system(self, system: str) -> frozenset[str]:
        """The values of one identifier system."""
        return frozenset(value for known, value in self.identifiers if known == system)


def family_likeness(one: Profile, other: Profile) -> Likeness:
    """Of family names: a part of a double name is close, and so is a name with a slip or two."""
    if one.family and other.family and (set(one.family) < set(other.family) or set(other.family) < set(one.family)):
        return Likeness.CLOSE
    return _word_likeness("".join(one.family), "".join(other.family))


def given_likeness(one: Profile, other: Profile) -> Likeness:
    """Of given names: the first ones without the middle ones are close, and so is a name with a slip or two."""
    shorter, longer = sorted((one.given, other.given), key=len)
    if shorter and shorter != longer and longer[: len(shorter)] == shorter:
        return Likeness.CLOSE
    return _word_likeness("".join(shorter), "".join(longer))


def birth_date_likeness(one: Profile, other: Profile) -> Likeness:
    """Of birth dates: one wrong digit, or two neighbours swapped, is close."""
    if not one.birth_date or not other.birth_date:
        return Likeness.NONE
    if one.birth_date == other.birth_date:
        return Likeness.SAME
    digits = [date.replace("-", "") for date in (one.birth_date, other.birth_date)]
    whole = all(len(date) == len("YYYYMMDD") for date in digits)
    return Likeness.CLOSE if whole and slips(*digits) == 1 else Likeness.NONE


def contradict(one: Profile, other: Profile) -> bool:
    """Whether both have an identifier that only one person can have, and not the same."""
    return any(
        one.of_system(system) and other.of_system(system) and not one.of_system(system) & other.of_system(system)
        for system in PERSONAL
    )


def slips(one: str, other: str) -> int:
    """How many slips turn one text into the other: a letter wrong, left out, put in, or swapped with its neighbour.

    The optimal string alignment distance.
    """
    before: list[int] = []
    last = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        current = [row]
        for column, opposite in enumerate(other, start=1):
            cost = min(last[column] + 1, current[-1] + 1, last[column - 1] + (letter != opposite))
            swapped = row > 1 < column and (letter, opposite) == (other[column - 2], one[row - 2])
            current.append(min(cost, before[column - 2] + 1) if swapped else cost)
        before, last = last, current
    return last[-1]


def _word_likeness(one: str, other: str) -> Likeness:
    if not one or not other:
        return Likeness.NONE
    if one == other:
        return Likeness.SAME
    shorter = min(len(one), len(other))
    tolerated = next((tolerance for length, tolerance in _TOLERANCES if shorter >= length), 0)
    near = abs(len(one) - len(other)) <= tolerated and slips(one, other) <= tolerated
    return Likeness.CLOSE if near else Likeness.NONE


def _words(name: str | None) -> tuple[str, ...]:
    """The words of a name; hyphens part them, other punctuation is left out."""
    letters = []
    for letter in unicodedata.normalize("NFKD", name or "").casefold():
        if letter.isalnum():
            letters.append(letter)
        elif letter.isspace() or unicodedata.category(letter) == "Pd":
            letters.append(" ")
    return tuple("".join(letters).split())


def _plain(value: str) -> str:
    return "".join(letter for letter in value.casefold() if letter.isalnum())


def _tells_apart(value: str) -> bool:
    return len(set(value)) > 1
