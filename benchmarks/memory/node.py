"""graphql-js and graphql-jit over the same rows, in a Node.js process of their own that is asked line by line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from benchmarks.rounds import Cost

PEERS: Final = Path(__file__).resolve().parent.parent / "peers"
KINDS: Final = ("graphql-js", "graphql-jit")
_EDGES: Final = ("encounters", "appointments", "claims")
_LINE_LIMIT_BYTES: Final = 64 * 1024 * 1024


class Node:
    """A process that answers from rows in memory."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def run(self, kind: str, operation: str, answers: int) -> Cost:
        """What an answer took, as Node.js measures it; its compiler's and collector's threads count as its own time."""
        return Cost(**await self._ask(kind, operation, answers))

    async def data(self, kind: str, operation: str) -> Any:
        """One answer's data."""
        return (await self._ask(kind, operation, 0))["data"]

    async def _ask(self, kind: str, operation: str, answers: int) -> Any:
        to, from_ = self._process.stdin, self._process.stdout
        if to is None or from_ is None:
            raise RuntimeError("the process has no pipes")
        to.write(orjson.dumps({"kind": kind, "operation": operation, "answers": answers}) + b"\n")
        await to.drain()
        line = await from_.readline()
        if not line:
            raise RuntimeError("Node.js ended; what it said stands above")
        return orjson.loads(line)


@asynccontextmanager
async def node_process(
    folder: Path, executable: str, answer: Any, operations: Mapping[str, tuple[str, Mapping[str, Any]]]
) -> AsyncIterator[Node]:
    """A process that holds the rows of an answer's data, for these operations; `folder` keeps them."""
    file = folder / "memory.json"
    asked = {name: {"query": query, "variables": variables} for name, (query, variables) in operations.items()}
    file.write_bytes(orjson.dumps({"rows": _rows(answer), "operations": asked}))
    process = await asyncio.create_subprocess_exec(
        executable, "memory.mjs", str(file), cwd=PEERS, limit=_LINE_LIMIT_BYTES,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        yield Node(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        await process.wait()


def _rows(answer: Any) -> Sequence[Mapping[str, Any]]:
    """The patients of an answer, each with their own values and the rows behind their edges."""
    nodes = [edge["node"] for connection in answer.values() for edge in connection["edges"]]
    return [
        {
            "key": number,
            "own": {name: value for name, value in node.items() if name not in _EDGES},
            **{edge: [row["node"] for row in node[edge]["edges"]] for edge in _EDGES if edge in node},
        }
        for number, node in enumerate(nodes)
    ]
