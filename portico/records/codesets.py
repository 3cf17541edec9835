"""Which codes make a record sensitive, as data: `sensitivity.toml`.

Read once and checked whole: an incomplete or misspelt file is a `Fault` at start, never a surprise later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from portico.records.errors import Fault

SHIPPED: Final = Path(__file__).with_name("sensitivity.toml")

_REMEMBERED: Final = 16_384
_FIELDS: Final = frozenset({"also", "whole", "rest", "codes"})


@dataclass(frozen=True, slots=True)
class _Range:
    """Codes by their beginning, from `first` to `last`, both included and equally long."""

    first: str
    last: str

    @classmethod
    def parse(cls, written: str, *, whole: bool) -> _Range:
        first, dash, last = (written if whole else _plain(written)).partition("-")
        if not first or len(first) != len(last or first) or (dash and not first < last):
            raise ValueError("a range of codes goes from a lower one to a higher one of the same length")
        return cls(first, last or first)

    def holds(self, code: str, *, whole: bool) -> bool:
        if whole and len(code) != len(self.first):
            return False
        return self.first <= code[: len(self.first)] <= self.last


@dataclass(frozen=True, slots=True)
class CodeSet:
    """One code system: what its codes say about sensitivity."""

    whole: bool
    rest: str
    named: Mapping[str, Sequence[str]]
    """Codes that stand for themselves, with their labels."""
    ranges: Sequence[tuple[str, _Range]]

    def labels(self, code: str) -> frozenset[str]:
        """The labels of a code; what the system's others are where it stands nowhere."""
        plain = code.strip() if self.whole else _plain(code)
        found = {label for label, each in self.ranges if each.holds(plain, whole=self.whole)}
        return frozenset(found.union(self.named.get(plain, ())) or (self.rest,))


class CodeSets:
    """All code systems that can be judged, by every name that they have."""

    def __init__(self, systems: Mapping[str, CodeSet]) -> None:
        self._systems = systems
        self.labels_of = lru_cache(maxsize=_REMEMBERED)(self._labels_of)

    def _labels_of(self, system: str, code: str) -> frozenset[str] | None:
        """What a code of a system says: one label at least, `N` for none that restricts. None: can't be judged."""
        found = self._systems.get(system)
        return None if found is None else found.labels(code)

    @classmethod
    def load(cls, path: Path = SHIPPED) -> CodeSets:
        """Read and check code sets. Raises `Fault`, saying what is wrong with them."""
        try:
            return cls._checked(tomllib.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise Fault(f"{path.name} holds no usable code sets: {error}") from error

    @classmethod
    def _checked(cls, document: Mapping[str, Any]) -> CodeSets:
        if document.keys() != {"systems"}:
            raise ValueError("it needs exactly systems")
        systems: dict[str, CodeSet] = {}
        for name, section in document["systems"].items():
            made = _code_set(section)
            for known_as in (name, *_texts(section.get("also", []))):
                if known_as in systems:
                    raise ValueError("a code system is there twice")
                systems[known_as] = made
        return cls(systems)


def _code_set(section: Mapping[str, Any]) -> CodeSet:
    if not section.keys() <= _FIELDS or not isinstance(section["whole"], bool):
        raise ValueError(f"a code system has {', '.join(sorted(_FIELDS))}")
    (rest,) = _texts([section["rest"]])
    whole, named, ranges = section["whole"], dict[str, list[str]](), list[tuple[str, _Range]]()
    for label, codes in section.get("codes", {}).items():
        for written in _texts(codes):
            each = _Range.parse(written, whole=whole)
            if whole and each.first == each.last:
                named.setdefault(each.first, []).append(label)
            else:
                ranges.append((label, each))
    return CodeSet(whole=whole, rest=rest, named=named, ranges=ranges)


def _plain(code: str) -> str:
    """A code without the dot that some write and some don't."""
    return code.strip().replace(".", "").upper()


def _texts(values: object) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError("a list of texts has something else")
    return values
