"""The policies with one matrix row for everything: every role, for each of its purposes, may see all of everybody."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import orjson
import yaml

MATRIX = Path("portico/matrix/data.yaml")
VOCABULARY = Path("portico/vocabulary/data.yaml")


def allow_all(policies: Path, folder: Path) -> Path:
    """A copy of the policies that lets everybody see everything; where it lies."""
    copy = folder / "allow-all"
    shutil.copytree(policies, copy)
    words = yaml.safe_load((policies / VOCABULARY).read_text())
    matrix = yaml.safe_load((policies / MATRIX).read_text())
    opened = {name: _opened(role, words) for name, role in matrix.items()}
    (copy / MATRIX).write_bytes(orjson.dumps(opened))  # JSON is YAML
    return copy


def _opened(role: dict[str, Any], words: dict[str, Any]) -> dict[str, Any]:
    types = sorted({type_ for rows in role["purposes"].values() for row in rows for type_ in row["see"]})
    row = {"of": "anyone", "see": types, "labels": sorted(words["labels"]), "allow": sorted(words["tags"])}
    return {**role, "purposes": {purpose: [row] for purpose in role["purposes"]}}
