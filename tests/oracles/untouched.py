"""SRC0: authorization ran before any fetch, so that no source was called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.house import MemoryHouse


@contextmanager
def untouched(house: MemoryHouse) -> Iterator[None]:
    """Fails where a source of any tenant is asked for anything inside."""
    _asked(house)
    yield
    asked = _asked(house)
    assert asked == set(), f"asked: {sorted(asked)}"


def _asked(house: MemoryHouse) -> set[str]:
    return {f"{one.source} for {one.type} by {one.by}" for tenant in house.sources for one in house.asked(tenant)}
