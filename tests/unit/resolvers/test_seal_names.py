"""Opaque names: only what was sealed for a place opens there."""

from __future__ import annotations

import base64

import pytest

from resolvers.seal import MAX_NAME_LENGTH, Seal

SECRET = bytes(range(32))
HERE = ("id", "riverbend")
PARTS = ("Patient", "portico", "7e3f")


@pytest.fixture(scope="module")
def seal() -> Seal:
    return Seal(SECRET)


def test_a_name_opens_where_it_was_meant(seal: Seal) -> None:
    assert seal.open(HERE, seal.seal(HERE, PARTS)) == PARTS


def test_the_same_thing_has_the_same_name_each_time_and_in_every_process(seal: Seal) -> None:
    assert seal.seal(HERE, PARTS) == seal.seal(HERE, PARTS) == Seal(SECRET).seal(HERE, PARTS)


@pytest.mark.parametrize("elsewhere", [("id", "harbor"), ("cursor", "riverbend"), ("id",), ("idr", "iverbend"), ()])
def test_a_name_opens_nowhere_else(seal: Seal, elsewhere: tuple[str, ...]) -> None:
    assert seal.open(elsewhere, seal.seal(HERE, PARTS)) is None


def test_a_name_of_another_secret_does_not_open(seal: Seal) -> None:
    assert seal.open(HERE, Seal(bytes(32)).seal(HERE, PARTS)) is None


def test_parts_are_never_confused_with_one_another(seal: Seal) -> None:
    split = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("1:a", "bc")]
    assert len({seal.seal(HERE, parts) for parts in split}) == len(split)
    assert [seal.open(HERE, seal.seal(HERE, parts)) for parts in split] == split


def test_a_name_tells_nothing_of_what_it_names(seal: Seal) -> None:
    name = seal.seal(HERE, ("Patient", "ehr", "pt-1001"))
    raw = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
    for telling in (b"pt-1001", b"Patient", b"ehr", b"riverbend"):
        assert telling not in raw
    assert "pt-1001" not in name


def test_a_changed_letter_closes_a_name(seal: Seal) -> None:
    name = seal.seal(HERE, PARTS)
    for place, letter in enumerate(name):
        changed = name[:place] + ("A" if letter != "A" else "B") + name[place + 1 :]
        assert seal.open(HERE, changed) is None, place


@pytest.mark.parametrize(
    "spoil",
    [
        lambda name: name[:-1],
        lambda name: name[1:],
        lambda name: name + "A",
        lambda name: name + "=",
        lambda name: name + "==",
        lambda name: name + "\n",
        lambda name: " " + name,
        lambda name: name.replace("-", "+").replace("_", "/") + "=",
        lambda name: name.swapcase(),
        lambda name: name[::-1],
        lambda name: name * 2,
        lambda name: name + "\x00",
        lambda name: "\N{FULLWIDTH LATIN CAPITAL LETTER A}" + name,
        lambda name: name.replace("A", "\N{CYRILLIC CAPITAL LETTER A}") + "\N{CYRILLIC CAPITAL LETTER A}",
        lambda _: "",
        lambda _: "A",
        lambda _: "AAAA" * 8,
        lambda _: "null",
        lambda _: "../../etc",
        lambda _: "A" * 10_240,
        lambda _: "\ud800",
    ],
)
def test_what_was_not_issued_does_not_open(seal: Seal, spoil: object) -> None:
    assert callable(spoil)
    for parts in (PARTS, ("Claim", "billing", "C-1")):
        assert seal.open(HERE, spoil(seal.seal(HERE, parts))) is None


def test_other_spellings_of_the_same_bytes_are_no_names(seal: Seal) -> None:
    """The last letter of unpadded Base64 may carry bits that decode to nothing."""
    for size in range(1, 4):
        name = seal.seal(HERE, ("x" * size,))
        raw = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4))
        alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        spellings = [
            name[:-1] + letter
            for letter in alphabet
            if base64.urlsafe_b64decode(name[:-1] + letter + "=" * (-len(name) % 4)) == raw
        ]
        assert [spelling for spelling in spellings if seal.open(HERE, spelling) is not None] == [name]


def test_a_name_too_long_to_be_read_is_never_issued(seal: Seal) -> None:
    longest = next(
        size for size in range(MAX_NAME_LENGTH, 0, -1) if (size + len(f"{size}:") + 16) * 4 <= MAX_NAME_LENGTH * 3
    )
    assert seal.open(HERE, seal.seal(HERE, ("x" * longest,))) == ("x" * longest,)
    with pytest.raises(ValueError, match="too long"):
        seal.seal(HERE, ("x" * (longest + 4),))


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(bytes(31))
