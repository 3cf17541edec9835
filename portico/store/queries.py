"""Named SQL: every `.sql` file holds queries, each under a line `-- name: of_the_query`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def load_queries(package: str, file: str) -> Mapping[str, str]:
    """The queries of a package's file by name. Read while modules load, so that no request waits for a disk."""
    _, *parts = _NAME.split(files(package).joinpath(file).read_text("utf-8"))
    return MappingProxyType({name: text.strip() for name, text in zip(parts[::2], parts[1::2], strict=True)})


def columns(rows: Iterable[Sequence[object]], width: int) -> list[list[object]]:
    """Rows as the parallel arrays that `unnest` takes."""
    found = [list(column) for column in zip(*rows, strict=True)]
    return found or [[] for _ in range(width)]
