"""Equal questions that are asked at the same time are asked once.

What is shared is what a source said, before anything was decided about it: frozen records, of which each request is
shown what its own caller may see. A question is equal if it asks the same source for the same attributes by the same
keys or conditions, whoever asks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Any, TypeVar

from portico.records.errors import SourceTimeout

T = TypeVar("T")


class Sharing:
    """The questions that are under way at one source."""

    def __init__(self) -> None:
        self._under_way: dict[Hashable, asyncio.Future[Any]] = {}

    def is_asked(self, question: Hashable) -> bool:
        """Whether somebody is asking it."""
        return question in self._under_way

    async def ask(self, question: Hashable, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer to a question that nobody else is asking; else the answer that they get.

        Raises what asking raises. Whoever asked may have had less time, or no need any more: that is nobody else's
        failure, and the others ask anew.
        """
        while (other := self._under_way.get(question)) is not None:
            await asyncio.wait((other,))
            if other.cancelled() or isinstance(other.exception(), SourceTimeout):
                continue
            return other.result()  # type: ignore[no-any-return]  # equal questions have answers of one type
        mine = self._under_way[question] = asyncio.get_running_loop().create_future()
        try:
            answer = await ask()
        except BaseException as error:
            if isinstance(error, Exception):
                mine.set_exception(error)
                mine.exception()  # heard, even if nobody else waits
            else:
                mine.cancel()
            raise
        else:
            mine.set_result(answer)
            return answer
        finally:
            del self._under_way[question]
