"""LEAK0: finding canaries in bytes, whole or in part, however they are dressed.

Dresses: any case, backwards, URL-encoded, JSON-escaped, base64, hexadecimal. A part counts from `PIECE_LENGTH`
characters on, if it is a part of no other text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_to_bytes

from sandbox.population.canary import canaries, minute
from sandbox.population.model import Population

PIECE_LENGTH = 12
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
    """Texts to look for, all at once. Making one costs time; looking takes a second or so for some megabytes."""

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
        self._pieces = _pieces(self._texts)

    def found_in(self, haystack: bytes) -> set[str]:
        """The texts that occur whole, in some dress."""
        return {text for view in _views(haystack) for text in self._plainly_in(view.lower())}

    def pieces_in(self, haystack: bytes) -> set[str]:
        """The texts of which a part occurs that no other text has, in some dress."""
        pieces = self._pieces
        found: set[str] = set()
        for view in map(bytes.lower, _views(haystack)):
            for place in range(len(view) - PIECE_LENGTH + 1):
                piece = view[place : place + PIECE_LENGTH]
                if piece in pieces:
                    found.add(pieces[piece])
        return found

    def leaked_in(self, haystack: bytes, permitted: AbstractSet[str] = frozenset()) -> set[str]:
        """The texts that occur, whole or in part, beyond the permitted ones: none, if nothing leaks."""
        return (self.found_in(haystack) | self.pieces_in(haystack)) - permitted

    def _plainly_in(self, view: bytes) -> Iterator[str]:
        for match in self._pattern.finditer(view):
            longest = match[1]
            for end in range(len(longest), 0, -1):
                for spelling in (longest[:end], longest[:end][::-1]):
                    if spelling in self._texts:
                        yield self._texts[spelling]


def _pieces(texts: Mapping[bytes, str]) -> Mapping[bytes, str]:
    """Every part of a text by which it is told from all others, both ways round; instants share all of theirs."""
    owner: dict[bytes, str | None] = {}
    for needle, text in texts.items():
        if _INSTANT.fullmatch(text):
            continue
        for spelling in (needle, needle[::-1]):
            for place in range(len(spelling) - PIECE_LENGTH + 1):
                piece = spelling[place : place + PIECE_LENGTH]
                owner[piece] = text if owner.get(piece, text) == text else None
    return {piece: text for piece, text in owner.items() if text is not None}


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
    for view in (
        unquote_to_bytes(haystack),
        _ESCAPE.sub(lambda match: chr(int(match[1], 16)).encode(errors="replace"), haystack),
        b"\n".join(_decoded(haystack)),
    ):
        if view != haystack:
            yield view


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
