"""A server that is given no more memory gives up requests or itself, and never what it has not recorded."""

from __future__ import annotations

import itertools
import resource
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from http.client import HTTPException
from pathlib import Path

import pytest

from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import ANSWER_SECONDS, meanwhile, until
from tests.oracles.closed import openings
from tests.oracles.reply import Reply
from tests.oracles.wellformed import complaints

SQUEEZES = ((4, 8), (16, 2), (32, 0), (64, 0))
"""So many more readers come, each with more to ask, and so many MiB more than it has may their server take."""
LARGE = """($n: Int!) { patients(first: $n) { edges { node { birthDate mrn phone address { line city }
  claims(first: 10) { edges { node { billed { amount } diagnoses { code } } } } } } } }"""
FEWEST = 10
"""Patients that the first reader asks for. The next asks for one more, so that nothing is done for two at once."""


@dataclass
class Readers:
    """Who asks for much at once, and what became of it: by name who was told something, and what else came."""

    lone: LoneServer
    told: list[str] = field(default_factory=list)
    refused: list[Reply] = field(default_factory=list)
    cut: int = 0
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def reading(self, number: int) -> AbstractContextManager[None]:
        """While this lasts, so many read."""
        token = self.lone.demo.token("biller")
        return meanwhile(partial(self._read, FEWEST + reader, token) for reader in range(number))

    @property
    def ended(self) -> int:
        """How many requests have ended somehow."""
        return len(self.told) + len(self.refused) + self.cut

    @property
    def failed(self) -> int:
        """How many of them without what they asked for."""
        return len(self.refused) + self.cut

    def _read(self, patients: int, token: str, over: threading.Event) -> None:
        while not over.is_set():
            name = f"Squeezed{next(self._numbers)}"
            try:
                reply = self.lone.reply(token, f"query {name}{LARGE}", {"n": patients})
            except (OSError, HTTPException):
                self.cut += 1
                over.wait(0.05)
                continue
            if reply.status == 200 and reply.json().get("data"):
                self.told.append(name)
            else:
                self.refused.append(reply)


def _goes_on(lone: LoneServer, readers: Readers, ended: int) -> bool:
    """Whether so many requests have ended, one way or the other; a server that hangs is ended, as by its supervisor."""
    assert lone.server is not None
    server = lone.server
    with suppress(pytest.fail.Exception):
        until(
            "requests end",
            lambda: readers.ended > ended or server.poll() is not None,
            seconds=ANSWER_SECONDS,
        )
    if server.poll() is None and readers.ended <= ended:
        lone.kill_server()
    return server.poll() is None


def _size_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * resource.getpagesize()


async def test_a_server_without_memory_gives_up_and_tells_nothing_that_it_has_not_recorded(lone: LoneServer) -> None:
    assert lone.server is not None
    server, readers = lone.server, Readers(lone)
    _, most = resource.prlimit(server.pid, resource.RLIMIT_AS)
    with ExitStack() as crowd:
        for number, mebibytes in SQUEEZES:
            crowd.enter_context(readers.reading(number))
            until("answers come in", lambda: len(readers.told) > 0, seconds=30)
            limit = _size_bytes(server.pid) + mebibytes * 2**20
            resource.prlimit(server.pid, resource.RLIMIT_AS, (limit, most))
            if not _goes_on(lone, readers, readers.ended + 5 * number):
                break
    if server.poll() is None:
        resource.prlimit(server.pid, resource.RLIMIT_AS, (most, most))
    else:
        lone.start_server()
    until(
        "answers come again",
        lambda: lone.health() == 200 and bool(lone.ask("biller", f"query Again{LARGE}", n=FEWEST)["data"]),
        seconds=20,
    )
    assert readers.failed > 0, "it was squeezed hard enough"
    for reply in readers.refused:
        assert [one for one in complaints(reply) if one != f"status {reply.status}"] == []
        assert openings(reply.json()) == []
    connection = await lone.connect()
    rows = await connection.fetch("select operation_name from portico.audit where operation_name like 'Squeezed%'")
    await connection.close()
    assert set(readers.told) <= {row["operation_name"] for row in rows}
    assert lone.portico("audit", "verify").returncode == 0
