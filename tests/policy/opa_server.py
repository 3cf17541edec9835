"""A real OPA server on a loopback port, serving a bundle built from a policy folder."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp

from portico.access.bundle import read_files, revision_of


class OpaServer:
    """Use as an async context manager. `serve` puts another folder's bundle in place, as a deployment would."""

    def __init__(self, executable: str, folder: Path) -> None:
        self._executable = executable
        self._bundle = folder / "bundle.tar.gz"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port: int = probe.getsockname()[1]
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    async def serve(self, policies: Path, *, revision: str | None = None) -> None:
        """Builds the bundle as a deployment does, under the revision that the embedded engine would report."""
        new = self._bundle.with_name("new.tar.gz")
        await self._run(
            "build", "--bundle", str(policies), "--ignore", "*_test.rego",
            "--capabilities", str(policies / "capabilities.json"),
            "--revision", revision if revision is not None else revision_of(read_files(policies)),
            "--output", str(new),
        )  # fmt: skip
        new.replace(self._bundle)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            self._executable, "run", "--server", "--watch", "--skip-version-check", "--log-level", "error",
            "--addr", f"127.0.0.1:{self._port}", "--bundle", str(self._bundle),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + 20
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < deadline:
                try:
                    async with session.get(f"{self.url}/health?bundles") as response:
                        if response.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(0.05)
        raise AssertionError("the OPA server did not come up")

    async def stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self._executable, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
