"""The tutorial is done, step by step, as a reader does it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.console import Command, Edit, Memory, Shell, blocks, steps

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial.md").read_text()
STEPS = list(steps(PAGE))
START = "make demo"
START_SECONDS = 90
EDIT_SECONDS = 10
"""Longer than the promise, which another test keeps: this machine may be busy."""


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout as the reader has it: the policies are a copy, and `portico` is where `make demo` puts it."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "policies", folder / "policies")
    (folder / ".venv/bin").mkdir(parents=True)
    program = folder / ".venv/bin/portico"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m portico "$@"\n')
    program.chmod(0o755)
    return folder


@pytest.fixture(scope="module")
def environment(folder: Path, port: int) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTICO_")}
    return {
        **inherited,
        "PYTHONPATH": str(ROOT),
        "PORTICO_STATE": str(folder / ".portico"),
        "PORTICO_POLICIES": str(folder / "policies"),
        "PORTICO_PORT": str(port),
    }


@pytest.fixture(scope="module")
def greeting(folder: Path, environment: dict[str, str]) -> Iterator[str]:
    """What the demo says at its start. It runs until the last step is done."""
    said = folder / "demo.out"
    with said.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "portico", "demo"], cwd=folder, env=environment, stdout=stream, stderr=stream
        )
    deadline = time.monotonic() + START_SECONDS
    while "ready after" not in said.read_text() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        yield said.read_text()
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_SECONDS)


@pytest.fixture(scope="module")
def shell(folder: Path, environment: dict[str, str], greeting: str) -> Iterator[Shell]:
    assert "ready after" in greeting, greeting
    shell = Shell(folder, environment)
    yield shell
    shell.close()


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory()


def test_make_demo_is_what_the_makefile_runs() -> None:
    """The only command that is not run as it stands: make would install what is installed already."""
    assert STEPS[0].typed == START if isinstance(STEPS[0], Command) else False
    assert "-m portico demo" in (ROOT / "Makefile").read_text().partition("\ndemo:")[2].partition("\n\n")[0]


def test_the_demo_greets_as_shown(greeting: str, memory: Memory, port: int) -> None:
    assert isinstance(STEPS[0], Command)
    assert memory.matches(STEPS[0].shown.replace("8000", str(port)), greeting), greeting


def test_every_step_shows_what_the_tutorial_shows(shell: Shell, memory: Memory, folder: Path, port: int) -> None:
    patience_seconds = 0.0
    for step in STEPS[1:]:
        if isinstance(step, Edit):
            step.apply(folder)
            patience_seconds = EDIT_SECONDS
            continue
        typed = step.typed.replace("127.0.0.1:8000", f"127.0.0.1:{port}")
        deadline = time.monotonic() + patience_seconds
        said, status = shell.run(typed)
        while not memory.matches(step.shown, said) and time.monotonic() < deadline:
            said, status = shell.run(typed)
        assert memory.matches(step.shown, said), f"$ {step.typed}\n{said}"
        assert status == 0, step.typed
        patience_seconds = 0.0


def test_the_policies_end_as_they_began(folder: Path) -> None:
    matrix = "policies/portico/matrix/data.yaml"
    assert (folder / matrix).read_text() == (ROOT / matrix).read_text()


def test_no_block_of_the_tutorial_is_left_out() -> None:
    assert {"console", "diff"} == {language for language in ("console", "diff", "sh", "json") if blocks(PAGE, language)}
    assert json.dumps([step.typed for step in STEPS if isinstance(step, Command)]).count("ask ") > 5
