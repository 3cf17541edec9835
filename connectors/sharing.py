"""Equal questions that are asked at the same time are asked once.

What is shared is what a source said, before anything was decided about it: frozen records, of which each request is
shown what its own caller may see. A question is equal if it asks the same source for the same attributes by the same
keys or conditions, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

from portico.records.errors import SourceInvalid, SourceTimeout
from portico.records.references import SourceName

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question under way: its answer to come, and until when whoever asks it can wait."""

    answer: asyncio.Future[Any]
    deadline: float

    def settles(self, deadline: float) -> bool:
        """Whether what came of it is also an answer for those who can wait until `deadline`.

        A failure is, unless they can wait longer: it may be a matter of time. What is invalid stays so.
        """
        if self.answer.cancelled():
            return False
        failure = self.answer.exception()
        return failure is None or isinstance(failure, SourceInvalid) or deadline <= self.deadline


class Sharing:
    """The questions that are under way at one source. `clock` counts seconds, as deadlines do."""

    def __init__(self, source: SourceName, *, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._under_way: dict[Hashable, _Asked] = {}

    async def ask(self, question: Hashable, deadline: float, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that nobody else is asking; else the answer that they get.

        Raises what asking raises, and `SourceTimeout` for who waits in vain. Whoever asked may have had less time, or
        no need any more: that is nobody else's failure. The others wait for one such only, and then ask by themselves.
        """
        other = self._under_way.get(question)
        if other is not None:
            await asyncio.wait((other.answer,), timeout=max(0.0, deadline - self._clock()))
            if not other.answer.done():
                raise SourceTimeout(self._source)
            if other.settles(deadline):
                return other.answer.result()  # type: ignore[no-any-return]  # equal questions have answers of one type
        if question in self._under_way:
            return await ask()
        return await self._ask(question, _Asked(asyncio.get_running_loop().create_future(), deadline), ask)

    async def _ask(self, question: Hashable, asked: _Asked, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask, and let those who come meanwhile hear."""
        self._under_way[question] = asked
        try:
            answer = await ask()
        except BaseException as error:
            if isinstance(error, Exception):
                asked.answer.set_exception(error)
                asked.answer.exception()  # heard, even if nobody else waits
            else:
                asked.answer.cancel()
            raise
        else:
            asked.answer.set_result(answer)
            return answer
        finally:
            del self._under_way[question]
