"""Markdown, as the generated pages write it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def cell(text: str) -> str:
    """A text that fits into a table: on one line, and without ending its cell."""
    return " ".join(text.split()).replace("|", "\\|")


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a line for each row."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(map(cell, line))} |" for line in lines)


def code(text: str) -> str:
    """A name as code; nothing where there is none."""
    return f"`{text}`" if text else ""


def codes(texts: Iterable[str], nothing: str = "") -> str:
    """Several names as code."""
    return ", ".join(map(code, texts)) or nothing


def page(title: str, *parts: str) -> str:
    """A page: its title and its parts, a line between each two, and one line feed at the end."""
    return "\n\n".join([f"# {title}", *(part.strip() for part in parts)]) + "\n"
