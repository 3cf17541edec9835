from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.billing import parameters, wire

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
BINDS = st.builds(
    wire.Bind,
    NAMES,
    NAMES,
    st.lists(st.sampled_from([0, 1])).map(tuple),
    st.lists(st.none() | st.binary()).map(tuple),
    st.just(b"\0\1\0\1"),
)


def stream(data: bytes) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@given(BINDS)
def test_a_bind_is_taken_apart_and_put_together_again(bind: wire.Bind) -> None:
    assert wire.Bind.decode(bind.encode().body) == bind


@given(st.lists(TEXTS))
def test_a_text_array_is_taken_apart_and_put_together_again(values: list[str]) -> None:
    data = parameters.text_array(values)
    assert parameters.decode(data, 1009, binary=True) == values


@pytest.mark.parametrize(
    ("formats", "binary"), [((), [False, False]), ((1,), [True, True]), ((0,), [False, False]), ((0, 1), [False, True])]
)
def test_one_format_may_speak_for_all_parameters(formats: tuple[int, ...], binary: list[bool]) -> None:
    bind = wire.Bind("", "", formats, (b"", b""), b"")
    assert [bind.is_binary(index) for index in range(2)] == binary


@pytest.mark.parametrize(
    ("data", "oid", "binary", "expected"),
    [
        (None, 25, True, None),
        (b"ros\xc3\xa9", 25, True, "rosé"),
        (b"42", 23, False, "42"),
        (b"\xff\xff\xff\xfe", 23, True, -2),
        (b"\0\0\0\0\0\0\0\7", 20, True, 7),
        (b"\0\3", 21, True, 3),
        (b"\1", 16, True, "true"),
        (b"\0", 16, True, "false"),
        (b"\0\0\x25\x52", 1082, True, "2026-02-27"),
        (b"\xca\xfe", 0, True, "cafe"),
        (b"\0\0\0\0\0\0\0\0\0\0\0\x19", 1009, True, []),
        (b"\0\0\0\1\0\0\0\1\0\0\0\x17\0\0\0\2\0\0\0\1\0\0\0\4\0\0\0\5\xff\xff\xff\xff", 1007, True, [5, None]),
    ],
)
def test_parameters_read_as_json_has_them(data: bytes | None, oid: int, binary: bool, expected: object) -> None:
    assert parameters.decode(data, oid, binary=binary) == expected


async def test_messages_follow_each_other_on_the_stream() -> None:
    messages = [wire.query("select 1"), wire.execute("p"), wire.Message(b"X", b"")]
    reader = stream(b"".join(message.encode() for message in messages))
    assert [await wire.read_message(reader) for _ in messages] == messages
    with pytest.raises(EOFError):
        await wire.read_message(reader)


@pytest.mark.parametrize("length", [-1, 3, wire.MESSAGE_LIMIT_BYTES + 5])
async def test_a_message_of_an_impossible_length_is_refused(length: int) -> None:
    with pytest.raises(wire.ProtocolViolation):
        await wire.read_message(stream(b"Q" + length.to_bytes(4, "big", signed=True)))


async def test_a_startup_message_tells_its_parameters() -> None:
    startup = wire.Startup(wire.PROTOCOL, b"user\0reader\0database\0billing\0\0")
    read = await wire.read_startup(stream(startup.encode()))
    assert read == startup
    assert read.parameters() == {"user": "reader", "database": "billing"}


def test_an_error_carries_its_state_and_words() -> None:
    message = wire.error("53300", "too many", severity="FATAL")
    assert message.kind == b"E"
    assert message.body == b"SFATAL\0VFATAL\0C53300\0Mtoo many\0\0"
