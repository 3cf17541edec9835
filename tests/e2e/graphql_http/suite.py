"""The audit suite of the npm package graphql-http, installed where it is missing, run against a server."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import orjson
import pytest

AUDITS = 61

_FOLDER = Path(__file__).parent


async def audit(url: str, token: str) -> list[dict[str, Any]]:
    """What each audit found: `id`, `name`, `status` (ok, notice, warn, error) and `reason`."""
    await asyncio.to_thread(_install)
    headers = orjson.dumps({"authorization": f"Bearer {token}"}).decode()
    run = await asyncio.create_subprocess_exec(
        "node", "audit.mjs", url, headers, cwd=_FOLDER, stdout=asyncio.subprocess.PIPE
    )
    lines, _ = await run.communicate()
    assert run.returncode == 0
    return [orjson.loads(line) for line in lines.splitlines()]


def _install() -> None:
    npm = shutil.which("npm")
    if npm is None:
        _unavailable("npm isn't installed")
    with (_FOLDER / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test processes may need it at once
        if (_FOLDER / "node_modules" / "graphql-http").exists():
            return
        installed = subprocess.run(  # noqa: S603 - npm, with a lock file of ours
            [str(npm), "ci", "--silent"], cwd=_FOLDER, capture_output=True, check=False
        )
    if installed.returncode:
        _unavailable("the audit suite can't be installed")


def _unavailable(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
