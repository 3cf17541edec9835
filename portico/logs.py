"""Log lines: one JSON object each, made of known keys only.

Nothing is written because it happened to be at hand: an event's name is a literal in the code, a key that isn't in
`KEYS` is dropped, and of an exception only its type and place are told, never its message. Lines of other libraries
are reduced to logger, place and level, since their messages may carry values.

Take a logger by `logs.logger()`: it keeps these rules from the import on, also where nobody called `configure`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from pathlib import Path
from types import TracebackType
from typing import Final, TextIO

import orjson
import structlog
from structlog.typing import EventDict, FilteringBoundLogger, WrappedLogger

KEYS: Final = frozenset(
    {
        "at",
        "event",
        "level",
        "request_id",
        "tenant",
        "status",
        "milliseconds",
        "outcome",
        "reason",
        "source",
        "exception",
        "place",
        "logger",
        "revision",
        "count",
        "port",
        "missing",
    }
)
"""Every key that a line may have. None of them ever holds a value from a record, an argument, a document or a token."""

_ROOT: Final = Path(__file__).resolve().parent.parent


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send this process's lines, and what other libraries log, to a stream (standard output). Call it first of all."""
    least = logging.getLevelNamesMapping()[level.upper()]
    _structure(least, stream)
    # What others log matters from warnings on: their information lines are theirs, and say nothing without values.
    logging.basicConfig(handlers=[_Foreign()], level=max(least, logging.WARNING), force=True)


def logger() -> FilteringBoundLogger:
    """A logger: `logger().info("source_called", source="ehr", milliseconds=3.1)`."""
    bound: FilteringBoundLogger = structlog.get_logger()
    return bound


def _structure(least: int, stream: TextIO | None) -> None:
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
            tell_exception,
            keep_known,
            _line,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )


def place_of(traceback: TracebackType | None) -> str:
    """Where an exception was raised, as `portico/edge/body.py:41`; empty without a traceback."""
    if traceback is None:
        return ""
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    return _place(traceback.tb_frame.f_code.co_filename, traceback.tb_lineno)


def tell_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Turn `exc_info` into the type and the place of the exception; its message stays behind."""
    given = event.pop("exc_info", None)
    error = sys.exc_info()[1] if given is True else given[1] if isinstance(given, tuple) else given
    if isinstance(error, BaseException):
        event["exception"] = type(error).__qualname__
        event["place"] = place_of(error.__traceback__)
    return event


def keep_known(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop every key that isn't in `KEYS`."""
    return {key: value for key, value in event.items() if key in KEYS}


def _line(_logger: WrappedLogger, _method: str, event: MutableMapping[str, object]) -> str:
    return orjson.dumps(event, default=lambda value: type(value).__qualname__).decode()


def _place(filename: str, line: int) -> str:
    path = Path(filename)
    shown = path.relative_to(_ROOT) if path.is_relative_to(_ROOT) else Path(*path.parts[-2:])
    return f"{shown}:{line}"


class _Foreign(logging.Handler):
    """Tells that a library logged something, and where, but not what."""

    def emit(self, record: logging.LogRecord) -> None:
        place = _place(record.pathname, record.lineno)
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        logger().log(level, "library_logged", logger=record.name, place=place, exc_info=record.exc_info)


_structure(logging.INFO, None)
