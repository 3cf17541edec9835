"""Finding canaries in bytes, however they are dressed: cased, reversed, escaped, in base64 or in hexadecimal."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes

from sandbox.population.canary import canaries, minute
from sandbox.population.model import Population

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){8,}")
_ESCAPE = re.compile(rb"\\u([0-9a-fA-F]{4})")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d")
_AMOUNT = re.compile(rb"\d+\.\d\d")
"""Backwards, a clock's seconds may say the same."""
_CLOCK = timedelta(hours=2)


def telling(populations: Iterable[Population]) -> Mapping[str, frozenset[str]]:
    """Every canary with the coordinates that may show it, but for those that any clock or diary could tell as well."""
    found: dict[str, frozenset[str]] = {}
    openings: set[str] = set()
    for population in populations:
        openings |= {minute(instant) for slot in population.slots for instant in (slot.start, slot.end)}
        for text, canary in canaries(population).items():
            found[text] = found.get(text, frozenset()) | set(canary.coordinates)
    now = datetime.now(UTC)

    def is_told_anyway(text: str) -> bool:
        by_clock = _INSTANT.fullmatch(text) and abs(datetime.fromisoformat(f"{text}+00:00") - now) < _CLOCK
        return text in openings or bool(by_clock)

    return {text: coordinates for text, coordinates in found.items() if not is_told_anyway(text)}


class Needles:
    """Texts to look for, all at once, regardless of case and direction."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text.casefold().encode(): text for text in texts}
        tree: dict[int, Any] = {}
        for needle in self._texts:
            for spelling in (needle,) if _AMOUNT.fullmatch(needle) else (needle, needle[::-1]):
                branch = tree
                for letter in spelling:
                    branch = branch.setdefault(letter, {})
                branch[-1] = {}
        self.texts = frozenset(self._texts.values())
        self._pattern = re.compile(b"(?=(" + _branches(tree) + b"))")

    def found_in(self, haystack: bytes) -> set[str]:
        """The texts that occur in some dress."""
        return {text for view in _views(haystack) for text in self._plainly_in(view.lower())}

    def _plainly_in(self, view: bytes) -> Iterator[str]:
        for match in self._pattern.finditer(view):
            longest = match[1]
            for end in range(len(longest), 0, -1):
                for spelling in (longest[:end], longest[:end][::-1]):
                    if spelling in self._texts:
                        yield self._texts[spelling]


def _branches(tree: Mapping[int, Any]) -> bytes:
    """A pattern of all words in a tree, the longest first."""
    ends = -1 in tree
    words = [re.escape(bytes([letter])) + _branches(rest) for letter, rest in tree.items() if letter != -1]
    if not words:
        return b""
    if len(words) == 1 and not ends:
        return words[0]
    return b"(?:" + b"|".join(words) + b")" + (b"?" if ends else b"")


def _views(haystack: bytes) -> Iterator[bytes]:
    yield haystack
    yield unquote_to_bytes(haystack)
    yield _ESCAPE.sub(lambda match: chr(int(match[1], 16)).encode(errors="replace"), haystack)
    yield b"\n".join(_decoded(haystack))


def _decoded(haystack: bytes) -> Iterator[bytes]:
    """What every run of letters says as base64, wherever its quartets may begin, and as hexadecimal."""
    for run in set(_BASE64.findall(haystack)):
        letters = run.replace(b"-", b"+").replace(b"_", b"/")
        for start in range(4):
            part = letters[start : len(letters) - ((len(letters) - start) % 4 == 1)]
            with suppress(binascii.Error):
                yield base64.b64decode(part + b"=" * (-len(part) % 4))
    for run in set(_HEX.findall(haystack)):
        yield bytes.fromhex(run.decode())
