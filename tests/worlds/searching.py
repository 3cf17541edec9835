"""Searches for what must not be: rounds of random choices, as many as it takes to ask enough.

After some rounds Hypothesis begins to repeat parts of what it tried, so every few of them are another search.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Final

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.worlds.documents import SHRINKS, Draw

EXAMPLES: Final = 10
"""Rounds of one search."""


def search(name: str, play: Callable[[Draw], None], *, enough: Callable[[], bool], shrink: bool = SHRINKS) -> None:
    """Play rounds until it is enough; they are the same each time for the same name.

    Raises what a round raises, with `shrink` after the smallest choices that raise it were found.
    """
    for number in count():
        if enough():
            return
        _search(f"{name} {number}", play, shrink=shrink)


def _search(name: str, play: Callable[[Draw], None], *, shrink: bool) -> None:
    @seed(name)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=(Phase.generate, Phase.shrink) if shrink else (Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(st.data())
    def rounds(data: st.DataObject) -> None:
        play(data.draw)

    rounds()
