"""A newer version takes over under load, one process after the other, and migrates the database under the old one.

The newer version is a copy of this one with one more migration: old code on a newer schema, side by side with new code.
"""

from __future__ import annotations

import itertools
import shutil
import socket
import threading
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest

from portico.demo.stage import free_port
from portico.store.migration import MIGRATIONS
from sandbox.population.model import Population
from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.stage import POLL_SECONDS, ROOT, Demo, Server, meanwhile, until

READERS = 4
WRITES = 40
"""A patient may record fifty consents a day."""
ROWS_OF_A_COMMAND = 2
"""What it does, and what its answer tells."""
PACKAGES = ("portico", "graph", "resolvers", "connectors", "policies")
LATER = """
alter table portico.link add column later text not null default 'so';
create index on portico.link (later);
alter table portico.consent add column later text;
alter table portico.audit add column later text;
"""
GUARDED = "{ patients(first: 2) { edges { node { birthDate claims { edges { node { billed { amount } } } } } } } }"
RECORD = "($input: RecordConsentInput!) { recordConsent(input: $input) { id } }"


class Switch:
    """In front of the servers: hands every connection to one of those that take it, in turns."""

    def __init__(self, servers: Sequence[Server]) -> None:
        self._ports = itertools.cycle([urlsplit(one.url).port for one in servers])
        self._number = len(servers)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
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
    """Readers and a writer, each with one request after the other; what became of each, by its operation's name."""

    lone: LoneServer
    url: str
    read: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    """Whose connection was closed before it answered anything."""
    wrong: list[str] = field(default_factory=list)

    def flowing(self) -> AbstractContextManager[None]:
        """While this lasts, they read and write."""
        return meanwhile([*(partial(self._reader, number) for number in range(READERS)), self._writer])

    def more(self, what: str) -> None:
        """Wait until some more requests were answered."""
        count = len(self.read)
        until(f"answers {what}", lambda: len(self.read) > count + 10 * READERS, seconds=60)

    def _reader(self, reader: int, over: threading.Event) -> None:
        for count in itertools.count():
            if over.is_set():
                return
            name = f"RollRead{reader}x{count}"
            if self._asked("biller", name, f"query {name} {GUARDED}"):
                self.read.append(name)

    def _writer(self, over: threading.Event) -> None:
        mine = self.lone.ask("patient", "{ patients { edges { node { id } } } }")["data"]["patients"]["edges"]
        given = {"patient": mine[0]["node"]["id"], "kind": "PERMIT", "purposes": ["HRESCH"]}
        for count in range(WRITES):
            reads = len(self.read)
            while len(self.read) < reads + READERS and not over.is_set():
                over.wait(POLL_SECONDS)
            if over.is_set():
                return
            name = f"RollWrite{count}"
            if self._asked("patient", name, f"mutation {name} {RECORD}", input=given):
                self.written.append(name)

    def _asked(self, persona: str, name: str, document: str, **variables: Any) -> bool:
        try:
            reply = Server(url=self.url).reply(self.lone.demo.token(persona), document, variables)
        except (OSError, HTTPException):
            self.dropped.append(name)
            return False
        if reply.status == 200 and "errors" not in reply.json():
            return True
        self.wrong.append(f"{name}: {reply.status} {reply.codes}")
        return False


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
    return replace(server, url=f"http://127.0.0.1:{port}", settings={**server.settings, "port": str(port)}, server=None)


def _roll(server: LoneServer, code: Path) -> None:
    """End a process in order and start its successor in its place."""
    assert server.stop_server() == 0
    server.code = code
    server.start_server()


async def test_a_newer_version_takes_over_under_load_and_nobody_notices(old: LoneServer, newer: Path) -> None:
    pair = (old, _beside(old))
    pair[1].start_server()
    try:
        with Switch(pair) as switch:
            traffic = Traffic(old, switch.url)
            with traffic.flowing():
                traffic.more("come from the old ones")
                for server in pair:
                    _roll(server, newer)
                    traffic.more("come from the new one too")
    finally:
        pair[1].stop_server()
    connection = await old.connect()
    try:
        rows = await connection.fetch(
            "select operation_name as name from portico.audit where operation_name like 'Roll%'"
        )
        kept = await connection.fetchval("select count(*) from portico.consent where recorded_by = 'usr-patient'")
        migrated = await connection.fetchval("select max(number) from portico.migration")
    finally:
        await connection.close()
    recorded = [row["name"] for row in rows]
    assert migrated == len(MIGRATIONS) + 1
    assert traffic.wrong == []
    assert len(traffic.dropped) <= len(pair) * (READERS + 1), "only who is between two processes is turned away"
    told = Counter(traffic.read) + Counter(dict.fromkeys(traffic.written, ROWS_OF_A_COMMAND))
    assert Counter(recorded) == told, "what was accepted was answered, once"
    assert kept == len(traffic.written) > 0
    verified = old.portico("audit", "verify")
    assert (verified.returncode, verified.stdout.count("rows, sound")) == (0, 1), verified.stdout
