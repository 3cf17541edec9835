"""`python -m docs` writes the generated pages; `python -m docs --check` fails with a diff where one is stale."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from docs.attributes import Undescribed
from docs.pages import ROOT, pages, stale, write


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a page is stale")
    parsed = parser.parse_args(arguments)
    try:
        texts = pages(ROOT)
    except Undescribed as undescribed:
        sys.stderr.write(f"docs: {undescribed}\n")
        return 1
    if not parsed.check:
        write(texts)
        return 0
    differences = list(stale(texts))
    if differences:
        sys.stderr.write("\n".join([*differences, "", "docs: stale; `make docs` writes them anew", ""]))
    return bool(differences)


if __name__ == "__main__":
    sys.exit(main())
