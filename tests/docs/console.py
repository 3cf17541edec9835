"""Reads the blocks of a Markdown page that a reader would type or edit, and runs them as a reader would."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_PLACEHOLDER = re.compile(r"<([a-z][a-z ]*)>")
_OMISSION = "..."
_END = "end of the command"


@dataclass(frozen=True)
class Command:
    """What is typed after a prompt, and what is shown below it."""

    typed: str
    shown: str


@dataclass(frozen=True)
class Edit:
    """One place of a file, before and after; a file that is to be made has nothing before."""

    path: Path
    before: str
    after: str

    def apply(self, folder: Path) -> None:
        if not self.before:
            assert not (folder / self.path).exists(), f"{self.path} is there already"
            (folder / self.path).write_text(self.after)
            return
        text = (folder / self.path).read_text()
        assert text.count(self.before) == 1, f"the place to edit in {self.path} is not there, or not once"
        (folder / self.path).write_text(text.replace(self.before, self.after))


def steps(page: str) -> Iterator[Command | Edit]:
    """The `console` blocks' commands and the `diff` blocks, in their order."""
    for language, body in _FENCE.findall(page):
        if language == "console":
            yield from _commands(body)
        elif language == "diff":
            yield _edit(body)


def blocks(page: str, language: str) -> list[str]:
    """The texts of all blocks in a language."""
    return [body for found, body in _FENCE.findall(page) if found == language]


def _commands(body: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
        first, *rest = part.splitlines()
        continued = [line.removeprefix(">").removeprefix(" ") for line in rest if line.startswith(">")]
        shown = [line for line in rest if not line.startswith(">")]
        yield Command("\n".join([first, *continued]), "\n".join(shown))


def _edit(body: str) -> Edit:
    name, *lines = body.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    return Edit(Path(name.removeprefix("---").strip()), before, after)


@dataclass
class Memory:
    """What each placeholder stood for when it was first met; later it must be the same."""

    known: dict[str, str] = field(default_factory=dict)

    def matches(self, shown: str, said: str) -> bool:
        match = re.fullmatch(self._pattern(shown), said.rstrip("\n"))
        if match is None:
            return False
        self.known.update({name.replace("_", " "): text for name, text in match.groupdict().items()})
        return True

    def _pattern(self, shown: str) -> str:
        met: set[str] = set()
        lines = shown.splitlines()
        pattern = ""
        for number, line in enumerate(lines):
            last = number == len(lines) - 1
            if line == _OMISSION:
                pattern += r"(?:.*(?:\n|\Z))*?" if not last else r"(?:.*(?:\n|\Z))*"
            else:
                pattern += self._line(line, met) + ("" if last else r"\n")
        return pattern

    def _line(self, line: str, met: set[str]) -> str:
        texts = _PLACEHOLDER.split(line)
        pattern = re.escape(texts[0])
        for name, text in zip(texts[1::2], texts[2::2], strict=True):
            group = name.replace(" ", "_")
            if name in self.known:
                pattern += re.escape(self.known[name])
            elif name in met:
                pattern += f"(?P={group})"
            else:
                met.add(name)
                pattern += f"(?P<{group}>.+?)"
            pattern += re.escape(text)
        return pattern


class Shell:
    """One bash from the first command to the last, so that variables and functions stay."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # noqa: S607 - the reader's own
            cwd=folder, env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, typed: str) -> tuple[str, int]:
        """What a command says, and its status."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{typed}\nprintf '{_END} %s\\n' $?\n")
        self._process.stdin.flush()
        said = ""
        for line in self._process.stdout:
            before, ended, status = line.partition(_END)
            said += before
            if ended:
                return said, int(status)
        raise AssertionError(f"the shell has ended after:\n{said}")

    def close(self) -> None:
        self._process.communicate()
