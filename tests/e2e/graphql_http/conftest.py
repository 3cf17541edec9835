"""The whole demo in a process of its own, with queries by GET turned on."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from portico.demo.children import DemoFailed
from portico.demo.state import Running, State

ROOT = Path(__file__).parents[3]
START_SECONDS = 90
STOP_SECONDS = 30
POLL_SECONDS = 0.05


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return State(tmp_path_factory.mktemp("demo") / "state")


@pytest.fixture(scope="module")
def demo(state: State) -> Iterator[Running]:
    """Where the running demo is to be found. It ends with the module, in good order and with all its processes."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTICO_")}
    settings = {"PORTICO_STATE": str(state.folder), "PORTICO_PORT": "0", "PORTICO_GET_QUERIES": "true"}
    said = state.folder.with_suffix(".out")
    with said.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "portico", "demo"], cwd=ROOT, env=inherited | settings, stdout=out, stderr=out
        )
    try:
        running = _started(process, state, said)
        yield running
        process.terminate()
        assert process.wait(STOP_SECONDS) == 0
        assert _left(running.pids) == {}
    finally:
        process.kill()
        process.wait()


def _started(process: subprocess.Popen[bytes], state: State, said: Path) -> Running:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(DemoFailed):
            return state.running()
        time.sleep(POLL_SECONDS)
    pytest.fail(f"the demo did not start:\n{said.read_text()}")


def _left(pids: Mapping[str, int]) -> dict[str, int]:
    """Which of these processes are still there; the system gets a moment to bury them."""
    deadline = time.monotonic() + 5
    while True:
        left = {name: pid for name, pid in pids.items() if Path(f"/proc/{pid}").exists()}
        if not left or time.monotonic() >= deadline:
            return left
        time.sleep(POLL_SECONDS)
