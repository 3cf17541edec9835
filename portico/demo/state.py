"""The folder in which the demo keeps what outlives a run: secrets, populations, the database, the tenants file."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from portico.audit.checkpoints import new_key
from portico.demo.children import DemoFailed
from portico.demo.tenants_file import TITLES

SOURCES: Final = ("ehr", "scheduling", "billing")

_KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """Where a running demo is to be found, for `portico token`, `portico sandbox` and `portico audit`."""

    url: str
    identity_url: str
    database_url: str = field(repr=False)
    sources: Mapping[str, str]
    """The control URL of each simulated source."""
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class State:
    """The state folder, by the names of what is in it."""

    folder: Path

    @property
    def secrets(self) -> Path:
        """Passwords and keys, a file each."""
        return self.folder / "secrets"

    @property
    def logs(self) -> Path:
        """What each process had to complain about in the last run."""
        return self.folder / "logs"

    @property
    def database(self) -> Path:
        """PostgreSQL's data."""
        return self.folder / "postgres"

    @property
    def tenants(self) -> Path:
        """The tenants file, written at each start because ports differ."""
        return self.folder / "tenants.toml"

    @property
    def key(self) -> Path:
        """The key file that seals ids and keys masks."""
        return self.secrets / "portico"

    @property
    def checkpoints(self) -> Path:
        """The signed checkpoints of the audit chains, outside of the database."""
        return self.folder / "checkpoints"

    @property
    def checkpoint_key(self) -> Path:
        """The key file that signs them."""
        return self.secrets / "checkpoints"

    def population(self, tenant: str) -> Path:
        """A tenant's population."""
        return self.folder / f"{tenant}.json"

    def secret(self, name: str) -> str:
        """A password, made when it is first asked for."""
        path = self.secrets / name
        _keep(path, secrets.token_urlsafe(_KEY_BYTES).encode())
        return path.read_text()

    def identity_port(self) -> int:
        """The identity provider's port in the last run, so that its tokens stay good; 0 where that is not free."""
        try:
            port = int((self.folder / "identity-port").read_text())
            with socket.create_server(("127.0.0.1", port)):
                return port
        except (OSError, ValueError):
            return 0

    def keep_identity_port(self, url: str) -> None:
        """Remember where the identity provider listens."""
        (self.folder / "identity-port").write_text(str(urlsplit(url).port))

    def prepare(self) -> None:
        """Make the folders and every secret that is missing."""
        for folder in (self.folder, self.secrets, self.logs):
            folder.mkdir(parents=True, exist_ok=True)
        self.secrets.chmod(0o700)
        _keep(self.key, secrets.token_bytes(_KEY_BYTES))
        _keep(self.checkpoint_key, new_key())
        for tenant in TITLES:
            for source in (*SOURCES, "alerts"):
                self.secret(f"{tenant}-{source}")

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nobody else runs a demo on this folder meanwhile. Raises `DemoFailed` where somebody does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoFailed(f"a demo is running on {self.folder} already") from None
            try:
                yield
            finally:
                self._running.unlink(missing_ok=True)

    def announce(self, running: Running) -> None:
        """Let other commands find the running demo."""
        new = self._running.with_suffix(".new")
        new.unlink(missing_ok=True)
        _keep(new, orjson.dumps(asdict(running)))
        new.replace(self._running)

    def running(self) -> Running:
        """The demo that runs on this folder. Raises `DemoFailed` where none does."""
        try:
            with (self.folder / "lock").open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            with contextlib.suppress(FileNotFoundError):
                return Running(**orjson.loads(self._running.read_bytes()))
            raise DemoFailed(f"the demo on {self.folder} is still starting") from None
        except OSError:
            pass
        raise DemoFailed(f"no demo is running on {self.folder}; start one with `make demo`")

    @property
    def _running(self) -> Path:
        return self.folder / "demo.json"


def _keep(path: Path, value: bytes) -> None:
    """Write a file that only its owner can read, unless it is there."""
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(value)
