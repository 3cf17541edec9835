"""Whether a record keeps to a condition of the search that found it, as far as it says.

A source is asked for rows that meet a condition; a row that says of itself that it doesn't was not asked for. A value
that is absent meets no condition. Only a time may be there and not readable (a vendor's wall clock in a zone that its
mapping doesn't know); where a record has none, nothing is held against it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from portico.records.references import Reference
from portico.records.search import Condition, Op
from portico.records.types import Record
from portico.records.values import HumanName, Identifier

_ATTRIBUTES: Final = {
    "family": "name",
    "given": "name",
    "identifier": "identifiers",
    "organization": "managing_organization",
}
"""The attributes behind the names of the search vocabulary, where they differ."""

_UNASKED: Final = {"patient": "subject"}
"""The attributes that are on every record."""

_UNREADABLE: Final = frozenset({"start"})
"""What a source may have judged by although the record can't say it."""

_LETTERS: Final = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "æ": "ae", "œ": "oe", "þ": "th"})
"""Letters that search engines take for others, though Unicode doesn't take them apart."""


def judged_by(conditions: Iterable[Condition]) -> frozenset[str]:
    """The attributes of a record that say whether it meets the conditions."""
    fields = {condition.field for condition in conditions} - _UNASKED.keys()
    return frozenset(_ATTRIBUTES.get(field, field) for field in fields)


def judge(conditions: Iterable[Condition]) -> Callable[[Record], list[Condition]]:
    """A function that gives the conditions that a record doesn't meet; none where it is what was asked for.

    Names are compared as sources do: without regard to case, accents and punctuation, from the start of any word.
    """
    tests = [(condition, _test(condition)) for condition in conditions]
    return lambda record: [condition for condition, kept in tests if not kept(record)]


def begins(text: str, start: str) -> bool:
    """Whether a word of the text begins like this, as sources that fold letters see it."""
    return _begins(text, _folded(start))


def _begins(text: str, beginning: str) -> bool:
    words = [_folded(word) for word in text.split()]
    return any("".join(words[place:]).startswith(beginning) for place in range(max(1, len(words))))


def _test(condition: Condition) -> Callable[[Record], bool]:
    """Whether a record keeps to a condition: made once, for as many records as there are."""
    field, meets = condition.field, _comparison(condition)
    attribute = _UNASKED.get(field) or _ATTRIBUTES.get(field, field)

    def kept(record: Record) -> bool:
        value: object = getattr(record, attribute, None)
        if value.__class__ is str:
            return meets(value)
        if value.__class__ is Reference:
            return meets(value.value)
        values = _values(value, field)
        return any(map(meets, values)) if values else field in _UNREADABLE

    return kept


def _comparison(condition: Condition) -> Callable[[str | datetime], bool]:
    """Whether a value is one that the condition asks for."""
    match condition.op:
        case Op.IN:
            return frozenset[str | datetime](condition.values).__contains__
        case Op.PREFIX:
            beginning = _folded(condition.values[0])
            return lambda value: _begins(str(value), beginning)
        case Op.FROM:
            first = _written(condition.values[0])
            return lambda value: _written(value) >= first
        case Op.BEFORE:
            end = _written(condition.values[0])
            return lambda value: _written(value) < end


def _values(value: object, field: str) -> tuple[str | datetime, ...]:
    """What an attribute says under a name of the search vocabulary; nothing where it says nothing."""
    match value:
        case HumanName():
            return value.given if field == "given" else (value.family,) if value.family else ()
        case tuple():
            return tuple(each.value for each in value if isinstance(each, Identifier))
        case datetime() | str():
            return (value,)
    return ()


def _written(value: str | datetime) -> str:
    """Instants in UTC and to the microsecond, so that text is in the order of time; dates stay as they are."""
    if isinstance(value, str):
        return _written(datetime.fromisoformat(value)) if "T" in value else value
    return value.astimezone(UTC).isoformat(timespec="microseconds")


def _folded(text: str) -> str:
    plain = text.casefold()
    if plain.isascii() and plain.isalnum():
        return plain
    letters = unicodedata.normalize("NFKD", plain.translate(_LETTERS))
    return "".join(letter for letter in letters if letter.isalnum())
