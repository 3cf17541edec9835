"""`make bench`: every benchmark, one after the other; with `--write`, what they print goes into the documentation.

Modules that are named (`python -m benchmarks.everything --write benchmarks.tiny`) are run alone.
"""

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
    "benchmarks.guarded": "Guarded, and under policies that allow all",
    "benchmarks": "Beside a handler written by hand and stock Strawberry",
    "benchmarks.peers": "Beside GraphQL servers under Node.js",
    "benchmarks.tiny": "The smallest query",
    "benchmarks.scale": "More processes, more patients",
}
PLAIN: Final = frozenset({"benchmarks", "benchmarks.decisions"})
"""These print no Markdown."""
_FIGURES: Final = re.compile(r"(?<=<!-- figures -->\n).*(?=<!-- end of figures -->)", re.DOTALL)
_SECTION: Final = re.compile(r"^### (.+?)\n(.*?)(?=^### |\Z)", re.DOTALL | re.MULTILINE)


def main() -> None:
    """Run all parts, or those that are named, say what each says, and note it."""
    named = [argument for argument in sys.argv[1:] if argument in PARTS]
    for module in named or PARTS:
        print(f"\n## {PARTS[module]}\n", flush=True)
        said = _run(module)
        if "--write" in sys.argv:
            PAGE.write_text(_noted(PAGE.read_text(), module, f"```text\n{said}\n```" if module in PLAIN else said))


def _noted(page: str, module: str, said: str) -> str:
    """The page with what a part says in its place; the other parts stay as they are."""
    found = _FIGURES.search(page)
    parts = dict(_SECTION.findall(found[0])) if found else {}
    parts[PARTS[module]] = said
    sections = [f"### {title}\n\n{parts[title].strip()}\n" for title in PARTS.values() if title in parts]
    return _FIGURES.sub(lambda _: "\n" + "\n".join(sections) + "\n", page)


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


if __name__ == "__main__":
    main()
