"""The peers as processes: which there are, what they are told, and which versions they are of."""

from __future__ import annotations

import asyncio
import os
import sys
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.workers import Surroundings, Worker
from sandbox.population import storage

FOLDER: Final = Path(__file__).resolve().parent
PEERS: Final[Mapping[str, str]] = {
    "Mercurius with JIT": "mercurius.mjs",
    "graphql-yoga": "yoga.mjs",
    "Apollo Server": "apollo.mjs",
}
"""The scripts that Node.js runs, by name."""
BY_HAND: Final = "Python by hand, no GraphQL"
_SCRIPTS: Final = {**PEERS, BY_HAND: "by_hand.py"}
TENANT: Final = "riverbend"
ORGANIZATION: Final = "org-1"


def configuration(around: Surroundings) -> bytes:
    """What a peer needs to know: the sources with their credentials, and who is who in them."""
    sources: Any = tomllib.loads(around.tenants.read_text())["tenants"][TENANT]["sources"]

    def secret(source: str) -> str:
        return (around.stage.state.secrets / f"{TENANT}-{source}").read_text().strip()

    population = storage.load(around.stage.state.population(TENANT))
    crosswalk = {
        person.ehr_id: {
            "scheduling": person.scheduling and person.scheduling.id,
            "billing": person.billing and person.billing.id,
        }
        for person in population.people
    }
    billing = {name: sources["billing"][name] for name in ("host", "port", "database", "user")}
    return orjson.dumps(
        {
            "ehr": {**sources["ehr"], "client_secret": secret("ehr")},
            "scheduling": {**sources["scheduling"], "api_key": secret("scheduling")},
            "billing": {**billing, "password": secret("billing")},
            "organization": ORGANIZATION,
            "crosswalk": crosswalk,
        }
    )


@asynccontextmanager
async def peer(name: str, executable: str, configured: Path) -> AsyncIterator[Worker]:
    """A peer's process, ready; Node.js is the `executable`."""
    program = sys.executable if name == BY_HAND else executable
    process = await asyncio.create_subprocess_exec(
        program, _SCRIPTS[name], str(configured), cwd=FOLDER, stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "NODE_ENV": "production"},
    )  # fmt: skip
    try:
        line = b"" if process.stdout is None else await process.stdout.readline()
        if not line:
            raise RuntimeError(f"{name} ended before it was ready")
        yield Worker(f"http://127.0.0.1:{orjson.loads(line)['port']}", process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def versions() -> str:
    """The peers' versions, and those of what they stand on."""
    packages: Any = orjson.loads((FOLDER / "package.json").read_bytes())["dependencies"]
    return ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
