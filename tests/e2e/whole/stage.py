"""The demo as its users have it, in processes of its own, and what a test does to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from portico.demo import client
from portico.demo.children import DemoFailed
from portico.demo.state import Running, State
from tests.oracles.reply import Json, Reply

ROOT = Path(__file__).parents[3]
START_SECONDS = 90.0
STOP_SECONDS = 30.0
ANSWER_SECONDS = 30.0
POLL_SECONDS = 0.05


def until(what: str, fact: Callable[[], bool], *, seconds: float) -> None:
    """Wait for a fact about another process. Fails the test where it doesn't come true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() >= deadline:
            pytest.fail(f"not within {seconds:.0f} seconds: {what}")
        time.sleep(POLL_SECONDS)


@contextmanager
def meanwhile(works: Iterable[Callable[[threading.Event], None]]) -> Iterator[None]:
    """While this lasts, each of these is at work in a thread of its own; the event tells that it is over."""
    over = threading.Event()
    threads = [threading.Thread(target=work, args=(over,)) for work in works]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that is dead but not yet buried does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def environment(**settings: str) -> dict[str, str]:
    """This process's environment with these settings of Portico's and no other."""
    kept = "PORTICO_EXECUTOR"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTICO_") or name == kept}
    return inherited | {f"PORTICO_{name.upper()}": value for name, value in settings.items()}


@dataclass
class Server:
    """Where a server listens, and how to ask it."""

    url: str

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """The response to a request to /graphql."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", "/graphql", body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return Reply(status=response.status, headers=tuple(response.getheaders()), body=response.read())
        finally:
            connection.close()

    def reply(
        self, token: str, query: str, variables: Json | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """The response to a query of whoever holds the token."""
        body = json.dumps({"query": query, "variables": variables or {}}).encode()
        return self.post(body, {"Authorization": f"Bearer {token}", **(headers or {})})

    def health(self) -> int:
        """The status of `/health/ready`; 0 where nobody listens."""
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/health/ready")
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0
        finally:
            connection.close()


@dataclass
class Demo(Server):
    """A running demo."""

    process: subprocess.Popen[bytes]
    state: State
    output: Path
    running: Running
    _tokens: dict[str, str] = field(default_factory=dict)

    def token(self, persona: str, purpose: str | None = None) -> str:
        """A persona's token, good for its first purpose unless another is named."""
        key = f"{persona} {purpose}"
        if key not in self._tokens:
            only = "TREAT" if persona == "physician" and purpose is None else purpose
            self._tokens[key] = client.token(self.running, persona, only)
        return self._tokens[key]

    def ask(self, persona: str, query: str, **variables: Any) -> Json:
        """The answer to a persona's query."""
        return self.reply(self.token(persona), query, variables).json()

    def data(self, persona: str, query: str, **variables: Any) -> Json:
        """The data of an answer that has to be without errors."""
        answer = self.ask(persona, query, **variables)
        assert "errors" not in answer, answer["errors"]
        data: Json = answer["data"]
        return data

    def calls(self) -> list[Json]:
        """What every source was asked since the last clearing."""
        return [json.loads(line) for line in client.calls(self.running).splitlines()]

    def forget_calls(self) -> None:
        """Clear what the sources were asked."""
        client.calls(self.running, clear=True)

    @contextmanager
    def misbehaving(self, source: str, mode: str, seconds: float | None = None) -> Iterator[None]:
        """While this lasts a source misbehaves."""
        client.misbehave(self.running, source, mode, seconds)
        try:
            yield
        finally:
            client.misbehave(self.running, source, "well")

    def portico(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """A command of the command line, run to its end."""
        return subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "portico", *arguments],
            cwd=ROOT,
            env=environment(state=str(self.state.folder), **settings),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def log(self, name: str) -> str:
        """What a process of the demo wrote."""
        return (self.state.logs / f"{name}.log").read_text()

    def database_url(self, user: str = "postgres", database: str = "portico") -> str:
        """The URL of a database for somebody whom the socket trusts."""
        host = urlsplit(self.running.database_url).query
        return f"postgresql://{user}@/{database}?{host}"

    @cached_property
    def pids(self) -> Mapping[str, int]:
        """Every process of it, the demo's own included."""
        return {"demo": self.process.pid, **self.running.pids}

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        """End it by SIGTERM, and whatever is left of it by its id."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.wait()
        for pid in self.pids.values():
            with suppress(ProcessLookupError):
                if is_alive(pid):
                    os.kill(pid, signal.SIGKILL)
        self.process.wait()


def start(state: State, *arguments: str, **settings: str) -> Demo:
    """A demo on a state folder, once it is ready."""
    output = state.folder.with_suffix(".out")
    with output.open("wb") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "portico", "demo", *arguments],
            cwd=ROOT,
            env=environment(state=str(state.folder), **{"port": "0", **settings}),
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )

    def ready() -> bool:
        return process.poll() is not None or b"ready after" in output.read_bytes()

    try:
        until("the demo is ready", ready, seconds=START_SECONDS)
        running = state.running()
    except (DemoFailed, pytest.fail.Exception):
        process.terminate()
        process.wait(STOP_SECONDS)
        pytest.fail(f"the demo did not start:\n{output.read_text()}")
    return Demo(url=running.url, process=process, state=state, output=output, running=running)


def populate(state: State, sizes: Mapping[str, int], *arguments: str | Path) -> None:
    """Write canary populations where the demo will find them."""
    state.folder.mkdir(parents=True)
    for tenant, size in sizes.items():
        command: Sequence[str | Path] = (
            *(sys.executable, "-m", "sandbox", "population", "--canary"),
            *("--tenant", tenant, "--size", str(size), "--out", state.population(tenant)),
            *arguments,
        )
        subprocess.run(command, cwd=ROOT, check=True, timeout=60)  # noqa: S603 - our own command
