"""A newer version takes over under load, one process after the other, and migrates the database while the old ones serve.

The newer version is a copy of this one with one more migration: old code on a newer schema, side by side with new code.
"""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from portico.demo.stage import free_port
from portico.store.migration import MIGRATIONS
from sandbox.population.model import Population
from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import ROOT, STOP_SECONDS, Demo, Server, until
from tests.oracles.recorded import late

READERS = 4
DRAIN_SECONDS = 20
PACKAGES = ("portico", "graph", "resolvers", "connectors", "policies")
LATER = """
alter table portico.link add column later text not null default 'so';
create index on portico.link (later);
alter table portico.consent add column later text;
alter table portico.audit add column later text;
"""
GUARDED = "{ patients(first: 2) { edges { node { birthDate claims { edges { node { billed { amount } } } } } } } }"
RECORD = "mutation ($input: RecordConsentInput!) { recordConsent(input: $input) { id } }"


class Switch:
    """In front of the servers: hands every connection to one of those that take it, in turns."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._ports = itertools.cycle([urlsplit(one.url).port for one in servers])
        self._number = len(servers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Switch:
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, suppress(OSError), self._server() as server:
            threading.Thread(target=_pump, args=(client, server), daemon=True).start()
            _pump(server, client)

    def _server(self) -> socket.socket:
        for _ in range(self._number * 2):
            with suppress(ConnectionRefusedError):
                return socket.create_connection(("127.0.0.1", next(self._ports) or 0))
        raise ConnectionRefusedError


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while chunk := source.recv(65536):
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


@dataclass
class Traffic:
    """Readers, each with one request after the other, and what became of each by the name of its operation."""

    lone: LoneServer
    url: str
    answered: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    """Whose connection was closed before it answered anything."""
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """While this lasts, everybody reads."""
        over = threading.Event()
        token = self.lone.demo.token("biller")
        readers = [threading.Thread(target=self._read, args=(number, token, over)) for number in range(READERS)]
        for reader in readers:
            reader.start()
        try:
            yield
        finally:
            over.set()
            for reader in readers:
                reader.join()

    def more(self, what: str) -> None:
        """Wait until some more requests were answered."""
        count = len(self.answered)
        until(f"answers {what}", lambda: len(self.answered) > count + 10 * READERS, seconds=60)

    def _read(self, reader: int, token: str, over: threading.Event) -> None:
        server = Server(url=self.url)
        for count in itertools.count():
            if over.is_set():
                return
            name = f"Roll{reader}x{count}"
            try:
                reply = server.reply(token, f"query {name} {GUARDED}")
            except OSError:
                self.dropped.append(name)
                continue
            sound = reply.status == 200 and "errors" not in reply.json() and reply.json()["data"]["patients"]["edges"]
            (self.answered if sound else self.wrong).append(name)
            if not sound:
                self.wrong.append(f"{reply.status} {reply.codes}")


@pytest.fixture(scope="module")
async def old(
    demo: Demo, policies: Path, populations: Mapping[str, Population], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LoneServer]:
    """A server of this version, on a database that a newer one may change for good."""
    server = await LoneServer.start(demo, tmp_path_factory.mktemp("rolling"), policies, populations["riverbend"])
    yield server
    server.stop()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a newer version."""
    folder = tmp_path_factory.mktemp("newer")
    for package in PACKAGES:
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / f"portico/store/migrations/{len(MIGRATIONS) + 1:04}_later.sql").write_text(LATER)
    return folder


def _beside(server: LoneServer) -> LoneServer:
    """A second process on the same database."""
    port = free_port("127.0.0.1")
    return replace(
        server, url=f"http://127.0.0.1:{port}", settings={**server.settings, "port": str(port)}, server=None
    )


def _roll(server: LoneServer, code: Path) -> None:
    """End a process in order and start its successor in its place."""
    assert server.server is not None
    server.server.send_signal(signal.SIGTERM)
    assert server.server.wait(DRAIN_SECONDS) == 0
    server.code = code
    server.start_server()


async def test_a_newer_version_takes_over_under_load_and_nobody_notices(old: LoneServer, newer: Path) -> None:
    pair = (old, _beside(old))
    pair[1].start_server()
    try:
        with Switch(pair) as switch:
            traffic = Traffic(old, switch.url)
            consents: list[str] = []
            with traffic.flowing():
                traffic.more("come from the old ones")
                for server in pair:
                    consents.append(_write(old, switch.url))
                    _roll(server, newer)
                    traffic.more("come from both")
                    consents.append(_write(old, switch.url))
    finally:
        pair[1].stop_server()
    connection = await old.connect()
    try:
        later = await connection.fetchval("select max(number) from portico.migration")
        rows = await connection.fetch(
            "select operation_name as name, recorded_at as at from portico.audit where operation_name like 'Roll%'"
        )
        kept = await connection.fetchval("select count(*) from portico.consent")
    finally:
        await connection.close()
    recorded = {row["name"] for row in rows}
    assert later == len(MIGRATIONS) + 1
    assert traffic.wrong == []
    assert set(traffic.dropped) & recorded == set(), "what was accepted is answered"
    assert len(traffic.dropped) <= len(pair) * READERS, "only who was between two processes is turned away"
    assert set(traffic.answered) <= recorded
    assert recorded == set(traffic.answered), "and nothing else is told of"
    assert (len(set(consents)), kept) == (4, 4)
    verified = subprocess_verify(old, newer)
    assert (verified.returncode, "sound" in verified.stdout) == (0, True), verified.stdout
