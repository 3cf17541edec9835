"""A proof that nothing leaks proves nothing where the search is blind."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest

from tests.oracles.leak import PIECE_LENGTH, Needles

TOKEN, TWIN = "Cnry0123456789abcdef", "Cnry0123456789abcdex"
DAY, PHONE, INSTANT = "1930-01-18", "+1-555-1007919", "2031-05-06T07:08"

DRESSES: list[Callable[[str], str]] = [
    str,
    str.upper,
    str.swapcase,
    lambda text: text[::-1],
    lambda text: base64.b64encode(f"id:{text}".encode()).decode(),
    lambda text: base64.urlsafe_b64encode(f"a:{text};b".encode()).rstrip(b"=").decode(),
    lambda text: text.encode().hex(),
    lambda text: "".join(f"%{letter:02x}" for letter in text.encode()),
    lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
]


@pytest.fixture(scope="module")
def needles() -> Needles:
    return Needles([TOKEN, TWIN, DAY, PHONE, INSTANT])


@pytest.mark.parametrize("dress", DRESSES)
@pytest.mark.parametrize("text", [TOKEN, DAY, PHONE, INSTANT])
def test_a_text_is_found_whole_in_every_dress(needles: Needles, dress: Callable[[str], str], text: str) -> None:
    haystack = f'{{"data":{{"x":"prefix{dress(text)}"}}}}'.encode()
    assert needles.found_in(haystack) == {text}
    assert text in needles.leaked_in(haystack)


@pytest.mark.parametrize("dress", DRESSES)
def test_a_part_that_only_one_text_has_is_found_in_every_dress(needles: Needles, dress: Callable[[str], str]) -> None:
    part = TOKEN[-PIECE_LENGTH:]
    assert needles.pieces_in(f"before {dress(part)} after".encode()) == {TOKEN}
    assert needles.found_in(f"before {dress(part)} after".encode()) == set()


def test_a_part_that_two_texts_share_is_no_ones(needles: Needles) -> None:
    assert needles.pieces_in(TOKEN[:PIECE_LENGTH].encode()) == set()
    assert needles.pieces_in(b"2031-05-06T0") == set()


def test_a_shorter_part_is_none(needles: Needles) -> None:
    assert needles.leaked_in(TOKEN[-PIECE_LENGTH + 1 :].encode()) == set()


def test_what_is_permitted_is_no_leak_and_everything_else_is(needles: Needles) -> None:
    haystack = f"{TOKEN} {DAY}".encode()
    assert needles.leaked_in(haystack, {TOKEN, DAY}) == set()
    assert needles.leaked_in(haystack, {TOKEN}) == {DAY}


def test_nothing_is_found_in_nothing(needles: Needles) -> None:
    assert needles.leaked_in(b"") == set()
    assert Needles([]).leaked_in(TOKEN.encode()) == set()
