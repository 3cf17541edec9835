"""Objects of an answer: what the encoder writes of them, and how a place in them is found."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from graph.rows import below, encode, put, row_class

KEYS = ("__typename", "class", "f0", "_", "id", "encode")


def test_a_row_is_an_object_with_its_keys_in_their_order() -> None:
    row = row_class(KEYS)(*range(len(KEYS)))
    assert encode(row) == orjson.dumps(dict(zip(KEYS, range(len(KEYS)), strict=True)))


def test_a_row_without_keys_is_an_empty_object() -> None:
    assert encode([row_class(())(), row_class(())()]) == b"[{},{}]"


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_found_and_put(key: str) -> None:
    row = row_class(KEYS)(*KEYS)
    assert below(row, key) == key
    put(row, key, None)
    assert orjson.loads(encode(row)) == {one: None if one == key else one for one in KEYS}


def test_lists_and_mappings_are_gone_through_alike() -> None:
    inner = row_class(("b",))([{"c": 1}])
    container: Any = {"a": inner}
    assert below(below(below(below(container, "a"), "b"), 0), "c") == 1
    put(below(container, "a"), "b", 2)
    put(container, "d", [None])
    put(container["d"], 0, 3)
    assert encode(container) == b'{"a":{"b":2},"d":[3]}'


@pytest.mark.parametrize(
    ("instant", "written"),
    [
        (datetime(2026, 1, 5, 12, tzinfo=UTC), "2026-01-05T12:00:00Z"),
        (datetime(2026, 1, 5, 12, 0, 0, 1, tzinfo=UTC), "2026-01-05T12:00:00.000001Z"),
        (datetime(1, 1, 1, tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999999Z"),
    ],
)
def test_an_instant_in_utc_is_written_as_iso_8601_with_z(instant: datetime, written: str) -> None:
    assert encode(instant) == f'"{written}"'.encode()
    assert instant.isoformat().replace("+00:00", "Z") == written


@pytest.mark.parametrize("text", ["", "é\u2028\U0001f600", '"\\/\b\f\n\r\t\x00\x1f\x7f', "</script>"])
def test_texts_come_back_as_they_were(text: str) -> None:
    assert orjson.loads(encode({"a": text})) == {"a": text}
