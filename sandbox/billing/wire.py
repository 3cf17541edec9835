"""Messages of the PostgreSQL wire protocol 3.0: read, taken apart and written.

Source: PostgreSQL documentation, part "Frontend/Backend Protocol", chapter "Message Formats".
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

PROTOCOL: Final = 196608
CANCEL_REQUEST: Final = 80877102
SSL_REQUEST: Final = 80877103
GSSENC_REQUEST: Final = 80877104

MESSAGE_LIMIT_BYTES: Final = 64 * 1024 * 1024

_HEAD: Final = struct.Struct("!ci")
"""A message's type, and its length from there on."""
_READ_BYTES: Final = 64 * 1024

CLEARTEXT_PASSWORD: Final = struct.pack("!cii", b"R", 8, 3)
AUTHENTICATION_OK: Final = struct.pack("!cii", b"R", 8, 0)


class ProtocolViolation(Exception):
    """The other side sent what the protocol doesn't allow."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message: its type byte and what follows the length."""

    kind: bytes
    body: bytes

    def encode(self) -> bytes:
        """The message as it stands on the wire."""
        return _HEAD.pack(self.kind, len(self.body) + 4) + self.body


@dataclass(frozen=True, slots=True)
class Startup:
    """The first message of a connection, which has no type byte. `code` is a protocol version or a request."""

    code: int
    body: bytes

    def encode(self) -> bytes:
        """The message as it stands on the wire."""
        return struct.pack("!ii", len(self.body) + 8, self.code) + self.body

    def parameters(self) -> dict[str, str]:
        """The settings that the client starts the session with: `user`, `database` and so on."""
        words = [word.decode() for word in self.body.rstrip(b"\0").split(b"\0")]
        return dict(zip(words[::2], words[1::2], strict=False))


async def read_startup(reader: asyncio.StreamReader) -> Startup:
    """The first message. Raises IncompleteReadError at the end of the stream."""
    length, code = struct.unpack("!ii", await reader.readexactly(8))
    return Startup(code, await reader.readexactly(_checked(length - 8)))


async def read_message(reader: asyncio.StreamReader) -> Message:
    """The next message. Raises IncompleteReadError at the end of the stream."""
    kind, length = _HEAD.unpack(await reader.readexactly(_HEAD.size))
    return Message(kind, await reader.readexactly(_checked(length - 4)))


async def read_messages(reader: asyncio.StreamReader) -> AsyncIterator[list[Message]]:
    """The messages to the end of the stream, as many at a time as have arrived whole."""
    pending = bytearray()
    while arrived := await reader.read(_READ_BYTES):
        pending += arrived
        yield _split(pending)


def _split(pending: bytearray) -> list[Message]:
    """Take the whole messages off the front of what is pending."""
    found: list[Message] = []
    start = 0
    while start + _HEAD.size <= len(pending):
        kind, length = _HEAD.unpack_from(pending, start)
        body = start + _HEAD.size
        end = body + _checked(length - 4)
        if end > len(pending):
            break
        found.append(Message(kind, bytes(pending[body:end])))
        start = end
    del pending[:start]
    return found


def _checked(length: int) -> int:
    if not 0 <= length <= MESSAGE_LIMIT_BYTES:
        raise ProtocolViolation("a message of an impossible length")
    return length


def error(sqlstate: str, message: str, severity: str = "ERROR") -> Message:
    """An ErrorResponse."""
    fields = {"S": severity, "V": severity, "C": sqlstate, "M": message}
    return Message(b"E", b"".join(f"{key}{value}\0".encode() for key, value in fields.items()) + b"\0")


def execute(portal: str) -> Message:
    """An Execute of all rows of a portal."""
    return Message(b"E", portal.encode() + b"\0" + struct.pack("!i", 0))


def query(sql: str) -> Message:
    """A Query: one statement without parameters, asked and answered in text."""
    return Message(b"Q", sql.encode() + b"\0")


def parameter_types(body: bytes) -> tuple[int, ...]:
    """The type oids of a ParameterDescription."""
    (count,) = struct.unpack_from("!h", body)
    return struct.unpack_from(f"!{count}I", body, 2)


@dataclass(frozen=True, slots=True)
class Parse:
    """A Parse: a statement's text under a name, with the oids of the parameters that the client types itself."""

    name: str
    sql: str
    types: tuple[int, ...]

    @classmethod
    def decode(cls, body: bytes) -> Parse:
        """Take a Parse apart."""
        name, sql, rest = body.split(b"\0", 2)
        return cls(name.decode(), sql.decode(), parameter_types(rest))


@dataclass(frozen=True, slots=True)
class Bind:
    """A Bind: a portal over a prepared statement, with its parameters as they stand on the wire."""

    portal: str
    statement: str
    formats: tuple[int, ...]
    values: tuple[bytes | None, ...]
    result_formats: bytes

    @classmethod
    def decode(cls, body: bytes) -> Bind:
        """Take a Bind apart."""
        portal, statement, rest = body.split(b"\0", 2)
        (count,) = struct.unpack_from("!h", rest)
        formats = struct.unpack_from(f"!{count}h", rest, 2)
        at = 2 + 2 * count
        (count,) = struct.unpack_from("!h", rest, at)
        at += 2
        values: list[bytes | None] = []
        for _ in range(count):
            (length,) = struct.unpack_from("!i", rest, at)
            at += 4
            values.append(None if length < 0 else rest[at : at + length])
            at += max(length, 0)
        return cls(portal.decode(), statement.decode(), formats, tuple(values), rest[at:])

    def encode(self) -> Message:
        """The Bind as a message."""
        parts = [self.portal.encode(), b"\0", self.statement.encode(), b"\0"]
        parts.append(struct.pack(f"!h{len(self.formats)}h", len(self.formats), *self.formats))
        parts.append(struct.pack("!h", len(self.values)))
        parts += [_sized(value) for value in self.values]
        return Message(b"B", b"".join(parts) + self.result_formats)

    def is_binary(self, index: int) -> bool:
        """Whether a parameter stands in binary; one format may speak for all, none means text."""
        if len(self.formats) > 1:
            return self.formats[index] == 1
        return self.formats == (1,)


def _sized(value: bytes | None) -> bytes:
    """A value behind its length; NULL has the length -1."""
    return struct.pack("!i", -1) if value is None else struct.pack("!i", len(value)) + value
