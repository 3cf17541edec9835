"""Weighs an answer while it comes in, so that a source can't fill the memory by answering."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg

CELL_BYTES: Final = 64
"""What a cell costs besides its text: an answer of many empty rows is heavy too."""


class AnswerTooLarge(Exception):
    """An answer weighs more than it may."""


class Meter:
    """Weighs one answer at a time, cell by whole cell, and hangs up as soon as one is too heavy."""

    def __init__(self, limit_bytes: int, hang_up: Callable[[], object]) -> None:
        self._limit_bytes = limit_bytes
        self._hang_up = hang_up
        self._weight_bytes = 0

    @contextmanager
    def weighing(self) -> Iterator[None]:
        """What is fetched within is one answer. Raises `AnswerTooLarge`, and nothing that comes of hanging up."""
        self._weight_bytes = 0
        try:
            yield
        except Exception:
            if self._weight_bytes > self._limit_bytes:
                raise AnswerTooLarge from None
            raise

    def decode(self, text: bytes) -> str:
        """A cell's text, for the driver to keep; it is told `AnswerTooLarge` where that is enough."""
        self._weight_bytes += len(text) + CELL_BYTES
        if self._weight_bytes > self._limit_bytes:
            # Not at once: the driver is in the midst of reading from the transport that this closes.
            asyncio.get_running_loop().call_soon(self._hang_up)
            raise AnswerTooLarge
        return text.decode()


class MeteredConnection(asyncpg.Connection):
    """A connection whose answers are weighed.

    The driver keeps whatever a server sends until the server is done, whatever was asked for. Its decoder of texts is
    where every cell passes at once: the statements give texts only.
    """

    meter: Meter
    opened_at: float
    """A `time.monotonic()` reading."""

    async def weigh_answers(self, limit_bytes: int) -> None:
        """From now on no answer may weigh more than this. Cost: none at the source."""
        self.opened_at = time.monotonic()
        self.meter = Meter(limit_bytes, self.terminate)
        await self.set_type_codec(
            "text", schema="pg_catalog", encoder=str.encode, decoder=self.meter.decode, format="binary"
        )
