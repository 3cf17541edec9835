"""However the demo ends, nothing of it is left but its state, on which the next one stands."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from portico.demo.state import State
from tests.e2e.whole.stage import ROOT, STOP_SECONDS, Demo, environment, is_alive, start, until

FIRST = "{ patients(first: 1) { edges { node { id name { family } } } } }"
WARM_SECONDS = 15.0
"""Three times what is promised of a machine with nothing else to do."""


def _belonging(demo_pid: int, folder: Path) -> set[int]:
    """Every process of a demo: those of its session, and PostgreSQL's, which have their own and live in its folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        with suppress(OSError, IndexError, ValueError):
            session = int((entry / "stat").read_text().rpartition(")")[2].split()[3])
            home = (entry / "cwd").readlink()
            if (session == demo_pid or home.is_relative_to(folder)) and is_alive(int(entry.name)):
                found.add(int(entry.name))
    return found


def _is_gone(demo: Demo) -> None:
    until(
        "every process of the demo has ended",
        lambda: not _belonging(demo.process.pid, demo.state.folder),
        seconds=STOP_SECONDS,
    )
    assert not any(map(is_alive, demo.pids.values()))
    assert not (demo.state.folder / "demo.json").exists() or demo.process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    """One state folder, on which the demos of this module run one after the other."""
    return State(tmp_path_factory.mktemp("lifecycle") / "state")


@pytest.fixture(scope="module")
def known(state: State) -> str:
    """Who the patient was in the first demo, which started cold and ended by Ctrl-C."""
    demo = start(state)
    assert len(_belonging(demo.process.pid, state.folder)) > len(demo.pids)
    answer = demo.ask("patient", FIRST)
    demo.process.send_signal(signal.SIGINT)
    assert demo.wait() == 0
    _is_gone(demo)
    return str(answer["data"])


def test_after_ctrl_c_nothing_is_left(known: str) -> None:
    assert "'id'" in known


def test_a_second_start_answers_soon_and_as_before_and_ends_by_hangup(state: State, known: str) -> None:
    began = time.monotonic()
    demo = start(state)
    assert str(demo.ask("patient", FIRST)["data"]) == known
    seconds = time.monotonic() - began
    demo.process.send_signal(signal.SIGHUP)
    assert demo.wait() == 0
    _is_gone(demo)
    assert seconds < WARM_SECONDS


def test_a_child_s_death_ends_all_and_says_whose_it_was(state: State, known: str) -> None:
    demo = start(state)
    os.kill(demo.running.pids["server"], signal.SIGKILL)
    assert demo.wait() == 1
    assert "server has ended by itself" in demo.output.read_text()
    _is_gone(demo)
    assert known


def test_a_parent_that_is_killed_takes_everything_with_it_and_the_state_survives(state: State, known: str) -> None:
    demo = start(state)
    demo.process.kill()
    assert demo.wait() == -signal.SIGKILL
    _is_gone(demo)
    assert demo.portico("token", "--as", "patient").returncode == 1
    again = start(state)
    assert str(again.ask("patient", FIRST)["data"]) == known
    verified = again.portico("audit", "verify")
    again.process.send_signal(signal.SIGTERM)
    assert again.wait() == 0
    _is_gone(again)
    assert (verified.returncode, "sound" in verified.stdout) == (0, True)


@pytest.mark.parametrize("child", ["postgres", "server"])
def test_an_order_to_stop_while_it_starts_is_obeyed(state: State, known: str, child: str) -> None:
    output = state.folder.with_suffix(".interrupted")
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "portico", "demo"],
            cwd=ROOT,
            env=environment(state=str(state.folder), port="0"),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    log = state.logs / f"{child}.log"
    before = log.stat().st_mtime_ns if log.exists() else 0
    until(f"{child} is started", lambda: log.stat().st_mtime_ns > before, seconds=STOP_SECONDS)
    process.send_signal(signal.SIGTERM)
    assert process.wait(STOP_SECONDS) == 0, output.read_text()
    until("all have ended", lambda: not _belonging(process.pid, state.folder), seconds=STOP_SECONDS)
    assert b"Traceback" not in output.read_bytes()
    assert known
