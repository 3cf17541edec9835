from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portico.edge.strict_json import DEPTH_LIMIT, AmbiguousJson, parse


def nested(depth: int) -> bytes:
    return b"[" * depth + b"1" + b"]" * depth


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" ",
        b"{",
        b"{}{}",
        b"{} x",
        b"[1,]",
        b"{'a':1}",
        b'{"a":1,"a":1}',
        b'{"a":{"b":[0,{"c":1,"c":2}]}}',
        b'{"a":1,"\\u0061":2}',
        b"NaN",
        b"[-Infinity]",
        b"[1e400]",
        b"[-1e999]",
        b"1" * 21,
        b"1" * 5000,
        b"01",
        b'"\xff"',
        b"\xef\xbb\xbf{}",
        '{"a":1}'.encode("utf-16"),
        b'["\\ud800"]',
        b'{"\\udc00":1}',
        b'["\x00"]',
        b'["\n"]',
        nested(DEPTH_LIMIT + 1),
        b'{"a":' * (DEPTH_LIMIT + 1) + b"1" + b"}" * (DEPTH_LIMIT + 1),
        b"[" * 60_000,
        nested(30_000),
    ],
    ids=lambda text: repr(text[:20]),
)
def test_json_that_parsers_disagree_on_is_refused(text: bytes) -> None:
    with pytest.raises(AmbiguousJson):
        parse(text)


@pytest.mark.parametrize(
    "text",
    [b"null", b" {} ", b"[-0.5e3]", b"9223372036854775807", b'"\\ud83d\\ude00"', '"ß漢"'.encode(), nested(DEPTH_LIMIT)],
)
def test_other_json_means_what_the_standard_library_says(text: bytes) -> None:
    assert parse(text) == json.loads(text)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON.filter(lambda value: "\\ud" not in json.dumps(value)))
def test_whatever_is_unambiguous_survives_unchanged(value: object) -> None:
    assert parse(json.dumps(value).encode()) == value


@given(st.binary(max_size=200))
def test_no_bytes_do_anything_but_parse_or_be_refused(text: bytes) -> None:
    with contextlib.suppress(AmbiguousJson):
        parse(text)
