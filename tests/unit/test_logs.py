from __future__ import annotations

import io
import logging
import re
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from portico import logs

CANARY = "Xaverine Quillfeather"


def fail() -> None:
    raise ValueError(CANARY) from KeyError(CANARY)


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    logs.configure("info", stream)
    try:
        yield stream
    finally:
        logs.configure("info")
        root.handlers[:] = handlers
        root.setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    assert CANARY not in written.getvalue()
    return [orjson.loads(line) for line in written.getvalue().splitlines()]


def test_a_line_is_json_with_its_event_level_and_time(written: io.StringIO) -> None:
    logs.logger().info("source_called", source="ehr", milliseconds=3.5, count=2)

    [line] = lines(written)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("at"))
    assert line == {"event": "source_called", "level": "info", "source": "ehr", "milliseconds": 3.5, "count": 2}


def test_unknown_keys_are_dropped(written: io.StringIO) -> None:
    logs.logger().warning(
        "source_called", source="ehr", patient=CANARY, query=CANARY, token=CANARY, **{"sub ject": CANARY}
    )

    [line] = lines(written)
    assert line.keys() == {"event", "level", "at", "source"}


def test_an_exception_is_its_type_and_place_without_its_message(written: io.StringIO) -> None:
    try:
        fail()
    except ValueError as error:
        logs.logger().exception("request_failed")
        logs.logger().warning("request_failed", exc_info=error)

    for line in lines(written):
        assert line["exception"] == "ValueError"
        assert re.fullmatch(r"tests/unit/test_logs.py:\d+", line["place"])


def test_a_value_that_is_no_json_is_told_by_its_type(written: io.StringIO) -> None:
    logs.logger().info("source_called", source=ValueError(CANARY))

    assert lines(written)[0]["source"] == "ValueError"


def test_lines_below_the_level_are_not_written(written: io.StringIO) -> None:
    logs.logger().debug("source_called")
    logging.getLogger("aiohttp").info("hello")

    assert lines(written) == []


def test_of_what_a_library_logs_only_the_place_is_told(written: io.StringIO) -> None:
    logging.getLogger("asyncpg").warning("%s was here", CANARY)
    logging.getLogger("asyncpg").error(CANARY)
    logging.getLogger("asyncpg").log(35, CANARY)

    told = lines(written)
    assert [line["level"] for line in told] == ["warning", "error", "warning"]
    assert {(line["event"], line["logger"]) for line in told} == {("library_logged", "asyncpg")}
    assert all(re.fullmatch(r"tests/unit/test_logs.py:\d+", line["place"]) for line in told)


def test_of_a_librarys_exception_only_the_type_and_place_are_told(written: io.StringIO) -> None:
    try:
        fail()
    except ValueError:
        logging.getLogger("asyncio").exception("Task exception was never retrieved: %r", CANARY)

    [line] = lines(written)
    assert (line["exception"], line["level"]) == ("ValueError", "error")


def test_a_place_is_a_file_without_the_machines_folders() -> None:
    with pytest.raises(ValueError, match=CANARY) as ours:
        fail()
    with pytest.raises(re.error) as theirs:
        re.compile("(")

    assert re.fullmatch(r"tests/unit/test_logs.py:\d+", logs.place_of(ours.tb))
    assert re.fullmatch(r"re/_parser.py:\d+", logs.place_of(theirs.tb))
    assert logs.place_of(None) == ""


def test_the_rules_hold_where_nobody_configured_anything(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        fail()
    except ValueError:
        logs.logger().exception("request_failed", patient=CANARY)

    written = capsys.readouterr()
    assert CANARY not in written.out + written.err
    assert orjson.loads(written.out)["exception"] == "ValueError"
