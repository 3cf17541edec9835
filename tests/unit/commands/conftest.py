"""One house for a module; what a test's commands left behind is gone before the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.glass import Glass
from tests.house import MemoryHouse, house, whole_again

__all__ = ["glass", "house", "whole_again"]


@pytest.fixture
def glass(house: MemoryHouse) -> Iterator[Glass]:
    broken = Glass(house)
    yield broken
    broken.mend()
