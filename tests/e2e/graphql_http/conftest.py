"""The whole demo, with queries by GET turned on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from portico.demo.state import State
from tests.e2e.whole.stage import Demo, is_alive, start, until


@pytest.fixture(scope="module")
def demo() -> Iterator[Demo]:
    """The running demo. It ends with the module by SIGTERM, in good order and with all its processes.

    Its state lies apart from pytest's own folder, which every further run of pytest closes to PostgreSQL's user.
    """
    with TemporaryDirectory(prefix="portico-") as folder:
        running = start(State(Path(folder) / "state"), get_queries="true")
        try:
            yield running
            running.process.terminate()
            assert running.wait() == 0
            until("no process is left", lambda: not any(map(is_alive, running.pids.values())), seconds=5)
        finally:
            running.stop()
