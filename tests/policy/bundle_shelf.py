"""Where an OPA server fetches its bundle: signed archives, what a thief may make of one, and the server that asks."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import socket
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

Files = dict[str, bytes]
SIGNATURES = "/.signatures.json"


def key() -> RSAPrivateKey:
    """A key to sign bundles with."""
    return generate_private_key(public_exponent=65537, key_size=2048)


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where bundles are built as the security team builds them."""

    opa: str
    policies: Path
    folder: Path

    def bundle(self, revision: str, signed_by: RSAPrivateKey | None) -> bytes:
        """The archive of the policies under a revision."""
        output = self.folder / "built.tar.gz"
        command = [
            self.opa, "build", "--bundle", ".", "--ignore", "*_test.rego", "--capabilities", "capabilities.json",
            "--revision", revision, "--output", str(output),
        ]  # fmt: skip
        if signed_by is not None:
            pem = self.folder / "signing.pem"
            pem.write_bytes(signed_by.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
            command += ["--signing-key", str(pem)]
        subprocess.run(command, cwd=self.policies, check=True, capture_output=True)  # noqa: S603 - found by the fixture
        return output.read_bytes()


def unpacked(archive: bytes) -> Files:
    """The files of an archive, by name."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        return {one.name: (tar.extractfile(one) or io.BytesIO()).read() for one in tar if one.isfile()}


def packed(files: Files) -> bytes:
    """The archive of some files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def altered(archive: bytes, change: Callable[[Files], object]) -> bytes:
    """The archive with its files changed after they were signed."""
    files = unpacked(archive)
    change(files)
    return packed(files)


def signed_as(archive: bytes, signer: RSAPrivateKey, **header: str) -> bytes:
    """The archive with a signature that is right, and says with which key in its `kid` or doesn't."""
    files = unpacked(archive)
    document = json.loads(files[SIGNATURES])
    claims = document["signatures"][0].split(".")[1]
    signing = f"{_base64(json.dumps({'alg': 'RS256', **header}).encode())}.{claims}"
    proof = signer.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
    files[SIGNATURES] = json.dumps({"signatures": [f"{signing}.{_base64(proof)}"]}).encode()
    return packed(files)


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class Shelf:
    """A bundle service with one bundle, and what was fetched from it. Use as an async context manager."""

    def __init__(self) -> None:
        self._archive = b""
        self._fetched = 0
        app = web.Application()
        app.router.add_get("/bundle.tar.gz", self._serve)
        self._runner = web.AppRunner(app)
        self.url = ""
        self.is_open = True

    async def put(self, archive: bytes) -> None:
        """Offer another bundle, and wait until the server has judged it: it fetches one after the other."""
        self._archive, self._fetched = archive, 0
        async with asyncio.timeout(20):
            while self._fetched < 2:  # noqa: ASYNC110 - it is another process's doing
                await asyncio.sleep(0.02)

    def lay(self, archive: bytes) -> None:
        """Offer a bundle before anybody asks."""
        self._archive = archive

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    async def _serve(self, _: web.Request) -> web.Response:
        self._fetched += 1
        if not self.is_open:
            return web.Response(status=503)
        return web.Response(body=self._archive, content_type="application/gzip")


class PollingOpa:
    """An OPA server that fetches its bundle from a shelf every second and verifies it. An async context manager."""

    def __init__(
        self, opa: str, shelf: Shelf, folder: Path, *, trusted: RSAPrivateKey, signing: Mapping[str, str]
    ) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        public = trusted.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        polling = {"min_delay_seconds": 1, "max_delay_seconds": 1}
        config: dict[str, Any] = {
            "services": {"shelf": {"url": shelf.url}},
            "keys": {"security-team": {"algorithm": "RS256", "key": public}},
            "bundles": {
                "portico": {"service": "shelf", "resource": "bundle.tar.gz", "polling": polling, "signing": signing}
            },
            "status": {"prometheus": True},
        }
        self._config = folder / "opa.json"
        self._config.write_text(json.dumps(config))
        self._opa = opa
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"http://127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            self._opa, "run", "--server", "--skip-version-check", "--log-level", "error",
            "--addr", f"127.0.0.1:{self._port}", "--config-file", str(self._config),
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._process.kill()
        await self._process.wait()
