"""`make bench`: every benchmark, one after the other; with `--write`, what they print goes into the documentation."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "explanation" / "performance.md"
PARTS: Final = {
    "benchmarks.memory": "Inside the process",
    "benchmarks.decisions": "Deciding",
    "benchmarks": "Beside a handler written by hand and stock Strawberry",
    "benchmarks.peers": "Beside GraphQL servers under Node.js",
    "benchmarks.tiny": "The smallest query",
    "benchmarks.scale": "More processes, more patients",
}
PLAIN: Final = frozenset({"benchmarks", "benchmarks.decisions"})
"""These print no Markdown."""
_FIGURES: Final = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)


def main() -> None:
    """Run each part, say what it says, and note it."""
    sections: list[str] = []
    for module, title in PARTS.items():
        print(f"\n## {title}\n", flush=True)
        said = _run(module)
        sections.append(f"### {title}\n\n{_block(said) if module in PLAIN else said}\n")
    if "--write" in sys.argv:
        PAGE.write_text(_FIGURES.sub(lambda _: "\n" + "\n".join(sections) + "\n", PAGE.read_text()))


def _run(module: str) -> str:
    """What a benchmark prints, printed as it comes."""
    lines: list[str] = []
    with subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  our own modules
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line)
    if process.returncode:
        raise SystemExit(f"{module} failed")
    return "".join(lines).strip()


def _block(said: str) -> str:
    return f"```text\n{said}\n```"


if __name__ == "__main__":
    main()
