"""Which pages are generated, and by what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import unified_diff
from pathlib import Path
from typing import Final

from docs import policy_input
from docs.cases import cases_page
from docs.commands import commands_page, read_makefile
from docs.configuration import settings_page, tenants_page
from docs.coordinates import schema_page
from docs.failures import errors_page
from docs.matrix import matrix_page
from docs.traces import audit_page, logs_page, metrics_page

ROOT: Final = Path(__file__).resolve().parent.parent
_REFERENCE: Final = Path("docs/reference")


def pages(root: Path = ROOT) -> Mapping[Path, str]:
    """The text of every generated page, by its path in the tree. Raises `Undescribed` where words are missing."""
    policies = root / "policies"
    return {
        _REFERENCE / "settings.md": settings_page(),
        _REFERENCE / "tenants-file.md": tenants_page(),
        _REFERENCE / "commands.md": commands_page(read_makefile(root)),
        _REFERENCE / "schema.md": schema_page(),
        _REFERENCE / "who-sees-what.md": matrix_page(policies),
        _REFERENCE / "decided-cases.md": cases_page(root),
        policy_input.PAGE: policy_input.page(policies),
        _REFERENCE / "errors.md": errors_page(),
        _REFERENCE / "audit-rows.md": audit_page(),
        _REFERENCE / "log-lines.md": logs_page(root),
        _REFERENCE / "metrics.md": metrics_page(),
    }


def write(texts: Mapping[Path, str], root: Path = ROOT) -> None:
    """Write the pages, and remove what lies beside them and is generated no more."""
    for path, text in texts.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path in _left_over(texts, root):
        (root / path).unlink()


def stale(texts: Mapping[Path, str], root: Path = ROOT) -> Iterator[str]:
    """What `write` would change, as lines of a diff."""
    for path, text in texts.items():
        found = (root / path).read_text() if (root / path).exists() else ""
        yield from unified_diff(found.splitlines(), text.splitlines(), str(path), f"{path}, generated", lineterm="")
    for path in _left_over(texts, root):
        yield f"{path} is generated no more"


def _left_over(texts: Mapping[Path, str], root: Path) -> list[Path]:
    lying = (path.relative_to(root) for path in (root / _REFERENCE).glob("*.md"))
    return sorted(set(lying) - texts.keys())
