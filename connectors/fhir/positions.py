"""Where a search goes on: after a row, told by what the row is ordered by and its id, and by nothing else."""

from __future__ import annotations

import unicodedata
from typing import Any, Final

from msgspec import Struct

from connectors.fhir.datatypes import FHIR_ID, Malformed, text
from connectors.fhir.shapes import HumanName, many
from portico.records.errors import UnsupportedPredicate

ORDER_ELEMENTS: Final = {"id": "id", "family": "name", "birth_date": "birthDate"}
"""What has to be asked for to know where a row stands in an order."""

_KEY_LENGTH: Final = 200
"""Characters of a value that count for its place. Rows that agree in so many stand as their ids do."""


class Position(Struct, frozen=True, gc=False):
    """After the row with this id, whose value in the order is `key`: empty where it has none, or the order is by id.

    Written as `id key`, or `id` where there is no key: an id has no space in it.
    """

    id: str
    key: str = ""

    def __str__(self) -> str:
        return f"{self.id} {self.key}" if self.key else self.id

    @classmethod
    def parse(cls, written: str) -> Position:
        """The position that `str` wrote. Raises `UnsupportedPredicate` for anything else."""
        id_, space, key = written.partition(" ")
        if not FHIR_ID.fullmatch(id_) or (space and not key):
            raise UnsupportedPredicate("a position that this connector never gave")
        return cls(id_, key)

    @classmethod
    def of(cls, resource: Any, order: str) -> Position:
        """Where a resource stands in an order. Raises `Malformed` where it has no id."""
        id_ = resource.id
        if not isinstance(id_, str) or not FHIR_ID.fullmatch(id_):
            raise Malformed("a resource has no id")
        match order:
            case "family":
                families = [_folded(name.family) for name in many(resource.name, HumanName) if text(name.family)]
                return cls(id_, min(families) if families else "")
            case "birth_date":
                return cls(id_, (text(resource.birth_date) or "")[:_KEY_LENGTH])
        return cls(id_)

    def precedes(self, other: Position, *, descending: bool) -> bool:
        """Whether `other` stands after this one. Names are compared without regard to case and accents."""
        here, there = (self.key, self.id), (other.key, other.id)
        return there < here if descending else here < there


def _folded(name: str) -> str:
    plain = name.casefold()
    if plain.isascii():
        return plain[:_KEY_LENGTH]
    letters = unicodedata.normalize("NFD", plain)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))[:_KEY_LENGTH]
