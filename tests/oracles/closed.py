"""CLOSED: what fails, fails with an error in time and with no value in its data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.oracles.reply import Json


def openings(answer: Json, *, took_seconds: float = 0.0, deadline_seconds: float = 10.0) -> list[str]:
    """Where an answer is not closed: empty where it is."""
    found = [f"a value at {path}" for path in values(answer.get("data"))]
    if not answer.get("errors"):
        found.append("no error")
    if took_seconds > deadline_seconds:
        found.append(f"late by {took_seconds - deadline_seconds:.1f} s")
    return found


def values(data: Any, path: str = "data") -> Iterator[str]:
    """The paths of all values in an answer's data; a type's name is none, nor is an empty list."""
    match data:
        case None:
            return
        case dict():
            for name, value in data.items():
                yield from () if name == "__typename" else values(value, f"{path}.{name}")
        case list():
            for place, value in enumerate(data):
                yield from values(value, f"{path}.{place}")
        case _:
            yield path
