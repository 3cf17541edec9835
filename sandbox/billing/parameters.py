"""Values of bound parameters, between the wire's bytes and what a test wants to read.

Source: PostgreSQL's send and receive functions (`array_send`, `textsend`, `int4send`, `date_send`, `boolsend`).
"""

from __future__ import annotations

import struct
from datetime import date, timedelta
from typing import Final

TEXT: Final = 25
_TEXTS: Final = frozenset({18, 19, TEXT, 1042, 1043})
_INTEGERS: Final = {21: "!h", 23: "!i", 20: "!q", 26: "!I"}
_BOOLEAN: Final = 16
_DATE: Final = 1082
_ARRAYS: Final = {1000: 16, 1005: 21, 1007: 23, 1016: 20, 1009: TEXT, 1014: 1042, 1015: 1043, 1182: _DATE}
_EPOCH: Final = date(2000, 1, 1)

Scalar = str | int | None
Argument = Scalar | list[Scalar]


def decode(data: bytes | None, oid: int, *, binary: bool) -> Argument:
    """A parameter as JSON has it: dates in ISO 8601, what has no known type in hexadecimal digits."""
    if data is None:
        return None
    if not binary:
        return data.decode()
    if oid in _ARRAYS:
        return [_scalar(item, _ARRAYS[oid]) for item in items(data)]
    return _scalar(data, oid)


def is_text_array(oid: int) -> bool:
    """Whether an oid is that of an array of texts."""
    return _ARRAYS.get(oid) in _TEXTS


def items(data: bytes) -> list[bytes | None]:
    """The elements of a one-dimensional binary array."""
    dimensions, _, _ = struct.unpack_from("!iiI", data)
    if dimensions == 0:
        return []
    count, _ = struct.unpack_from("!ii", data, 12)
    at = 20
    found: list[bytes | None] = []
    for _ in range(count):
        (length,) = struct.unpack_from("!i", data, at)
        at += 4
        found.append(None if length < 0 else data[at : at + length])
        at += max(length, 0)
    return found


def text_array(values: list[str]) -> bytes:
    """A binary text array."""
    if not values:
        return struct.pack("!iiI", 0, 0, TEXT)
    head = struct.pack("!iiIii", 1, 0, TEXT, len(values), 1)
    encoded = [value.encode() for value in values]
    return head + b"".join(struct.pack("!i", len(item)) + item for item in encoded)


def _scalar(data: bytes | None, oid: int) -> Scalar:
    if data is None:
        return None
    if oid in _TEXTS:
        return data.decode()
    if oid in _INTEGERS:
        return int(struct.unpack(_INTEGERS[oid], data)[0])
    if oid == _BOOLEAN:
        return "true" if data == b"\1" else "false"
    if oid == _DATE:
        return (_EPOCH + timedelta(days=struct.unpack("!i", data)[0])).isoformat()
    return data.hex()
