"""The reference page of commands: `portico` and `make`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import typer
from typer.core import TyperGroup

from docs.attributes import Undescribed
from docs.markdown import code, page, table
from portico.__main__ import app

_TARGET: Final = re.compile(r"^([a-z-]+):.*## (.+)$", re.MULTILINE)


def commands_page(makefile: str) -> str:
    """Every command."""
    return page(
        "Commands",
        "Generated from `portico.__main__` and the Makefile.",
        "## portico",
        """`portico`, or `python -m portico`. In a checkout it stands in `.venv/bin`. A command that fails says why on
standard error and ends with 1; asked for something that doesn't exist, it ends with 2. `portico --version` prints the
version.""",
        table(("Command", "What it does"), _commands()),
        table(("Option", "Of", "Meaning"), _options()),
        "## make",
        "What a target needs (a virtual environment, its dependencies) it makes itself.",
        table(("Target", "What it does"), [(code(f"make {name}"), said) for name, said in make_targets(makefile)]),
    )


def command_paths() -> dict[str, typer.core.TyperCommand]:
    """Every command by what one types after `portico`."""
    return dict(_walk(_root(), ()))


def make_targets(makefile: str) -> list[tuple[str, str]]:
    """Every documented target with what it does."""
    return _TARGET.findall(makefile)


def read_makefile(root: Path) -> str:
    """The Makefile's text."""
    return (root / "Makefile").read_text()


def _root() -> TyperGroup:
    group = typer.main.get_command(app)
    if not isinstance(group, TyperGroup):
        raise TypeError("the command line has no commands")
    return group


def _walk(group: TyperGroup, path: tuple[str, ...]) -> Iterator[tuple[str, typer.core.TyperCommand]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _walk(command, (*path, name))
        elif isinstance(command, typer.core.TyperCommand):
            yield " ".join((*path, name)), command


def _commands() -> Iterator[tuple[str, str]]:
    for path, command in command_paths().items():
        arguments = "".join(f" {(one.name or '').upper()}" for one in command.params if one.param_type_name != "option")
        yield code(f"portico {path}{arguments}"), _said(command.help, path)


def _options() -> Iterator[Sequence[str]]:
    for path, command in command_paths().items():
        for one in command.params:
            shown = one.opts[0] if one.param_type_name == "option" else (one.name or "").upper()
            if shown != "--help":
                yield code(shown), code(path), _said(getattr(one, "help", None), f"{path} {shown}")


def _said(text: str | None, what: str) -> str:
    if not text:
        raise Undescribed(f"portico {what} has no help")
    return text
