"""How the vendor misbehaves on command."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from sandbox.control import Control, Mode
from sandbox.scheduling.book import Entry
from sandbox.scheduling.queries import Question
from sandbox.scheduling.refusals import Refusal
from sandbox.teardown import reset

MODES: Final = frozenset({Mode.WELL, Mode.SLOW, Mode.ERROR, Mode.THROTTLE, Mode.RESET, Mode.WRONG_PATIENT, Mode.HUGE})
"""What the vendor can be told to do."""

_CHUNK: Final = b" " * 65_536
_CHUNKS: Final = 2_048


async def strike(control: Control, request: Request) -> Response | None:
    """What the mode makes of a request instead of an answer; None lets the answer happen."""
    match control.mode:
        case Mode.SLOW:
            await _dawdle(request, control.seconds)
        case Mode.ERROR:
            raise Refusal(500, "BROKEN", "something broke")
        case Mode.THROTTLE:
            raise Refusal(429, "TOO_MANY_REQUESTS", "slow down", {"Retry-After": "1"})
        case Mode.RESET:
            await reset(request)
            return Response(status_code=500)
        case Mode.HUGE:
            return StreamingResponse(_huge(), media_type="application/json")
        case _:
            pass
    return None


def mistaken(control: Control, question: Question, entries: Sequence[Entry]) -> Question:
    """In that mode, the same question about everybody else; a question about nobody in particular stays."""
    if control.mode is not Mode.WRONG_PATIENT:
        return question
    meant = {entry.client for entry in entries if question.wanted(entry)} | question.client_ids
    others = {entry.client for entry in entries} - meant
    return replace(question, wanted=lambda entry: entry.client in others) if others else question


async def _dawdle(request: Request, seconds: float) -> None:
    """Wait, but for no one."""
    try:
        async with asyncio.timeout(seconds):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        pass


async def _huge() -> AsyncIterator[bytes]:
    """128 MiB of white space around nothing."""
    yield b'{"items":['
    for _ in range(_CHUNKS):
        yield _CHUNK
    yield b"]}"
