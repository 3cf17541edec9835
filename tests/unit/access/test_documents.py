from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.access.documents import Unreadable, parse_json, parse_yaml

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**14), 10**14) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def test_a_table_is_read_as_it_is_written() -> None:
    text = """
    # a comment
    physician:
      kind: person
      labels: ["N", R, minor-confidential]
      rows: 3
      open: true
      note: >-
        folded
        text
      nothing: null
    """
    assert parse_yaml(text) == {
        "physician": {
            "kind": "person",
            "labels": ["N", "R", "minor-confidential"],
            "rows": 3,
            "open": True,
            "note": "folded text",
            "nothing": None,
        }
    }


def test_an_empty_document_is_nothing() -> None:
    assert parse_yaml("") is None
    assert parse_yaml("# only a comment\n") is None


@pytest.mark.parametrize(
    "word",
    ["yes", "No", "on", "OFF", "y", "Y", "n", "N", "~", "0x10", "010", "1_000", "1:30", "1.5", ".inf", "2020-01-01",
     "True", "NULL", "", "=", "1e3", "0b1", "+1", "9999999999999999"],
)  # fmt: skip
def test_a_word_that_parsers_read_differently_has_to_be_quoted(word: str) -> None:
    with pytest.raises(Unreadable, match=r"line 2: .*quote it"):
        parse_yaml(f"a: 1\nb: {word}\n")
    assert parse_yaml(f'b: "{word}"') == {"b": word}


def test_such_a_word_is_refused_as_a_key_too() -> None:
    with pytest.raises(Unreadable, match="quote it"):
        parse_yaml("labels:\n  N: normal\n")
    with pytest.raises(Unreadable, match="must be text"):
        parse_yaml("1: one\n")
    assert parse_yaml('"N": normal') == {"N": "normal"}


def test_a_repeated_key_is_refused_and_named() -> None:
    with pytest.raises(Unreadable, match="line 3: repeated key physician"):
        parse_yaml("physician: 1\nnurse: 2\nphysician: 3\n")


@pytest.mark.parametrize(
    "text",
    ["a: &x 1\nb: *x", "a: &x 1", "base: &b {x: 1}\nc:\n  <<: *b", "a: !!str 1", "a: !!binary aGk=", "a: !own {}",
     "a: !!set {x}", "a: 1\n---\nb: 2", "a: b: c", "a: [", "\ta: 1", "a: *nowhere", 'a: !!int "5"', "a: !!seq {}"],
)  # fmt: skip
def test_what_a_table_does_not_need_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        parse_yaml(text)


def test_a_document_nested_without_end_is_refused() -> None:
    with pytest.raises(Unreadable):
        parse_yaml("[" * 40 + "]" * 40)
    with pytest.raises(Unreadable):
        parse_json("[" * 200_000 + "]" * 200_000)


@given(JSON)
def test_json_is_read_as_it_is_written(value: object) -> None:
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    ['{"a": 1, "a": 2}', '{"a": {"b": 1, "c": 2, "b": 3}}', "NaN", "[Infinity]", "-Infinity", "1e400", "-1e400", "",
     "{", "<html>", b"\xff", '{"a": 1} {}', "undefined"],
)  # fmt: skip
def test_json_with_surprises_is_refused(text: str | bytes) -> None:
    with pytest.raises(Unreadable):
        parse_json(text)
