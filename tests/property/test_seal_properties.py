"""Names open exactly where they were meant, whatever they name."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from resolvers.seal import Seal

SEAL = Seal(bytes(range(32)))
WORDS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5).map(tuple)
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@settings(derandomize=True, deadline=None)
@given(meant_for=WORDS, parts=WORDS)
def test_what_is_sealed_opens(meant_for: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert SEAL.open(meant_for, SEAL.seal(meant_for, parts)) == parts


@settings(derandomize=True, deadline=None)
@given(one=WORDS, other=WORDS, parts=WORDS)
def test_it_opens_nowhere_else(one: tuple[str, ...], other: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert (SEAL.open(other, SEAL.seal(one, parts)) == parts) is (one == other)


@settings(derandomize=True, deadline=None)
@given(meant_for=WORDS, one=WORDS, other=WORDS)
def test_two_things_never_share_a_name(
    meant_for: tuple[str, ...], one: tuple[str, ...], other: tuple[str, ...]
) -> None:
    assert (SEAL.seal(meant_for, one) == SEAL.seal(meant_for, other)) is (one == other)


@settings(derandomize=True, deadline=None)
@given(parts=WORDS, place=st.integers(min_value=0), letter=st.sampled_from(LETTERS))
def test_a_name_with_one_letter_changed_does_not_open(parts: tuple[str, ...], place: int, letter: str) -> None:
    name = SEAL.seal(("id",), parts)
    place %= len(name)
    changed = name[:place] + letter + name[place + 1 :]
    assert (SEAL.open(("id",), changed) is not None) is (changed == name)


@settings(derandomize=True, deadline=None)
@given(guess=st.text(max_size=200) | st.text(LETTERS, max_size=200) | st.binary(max_size=100).map(bytes.hex))
def test_a_guess_never_opens(guess: str) -> None:
    assert SEAL.open(("id",), guess) is None
