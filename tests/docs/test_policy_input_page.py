from __future__ import annotations

from pathlib import Path

from docs.policy_input import PAGE, page
from portico.access.engine import Rule

ROOT = Path(__file__).parents[2]
TEXT = page(ROOT / "policies")


def test_the_page_is_the_one_that_the_schemas_make() -> None:
    assert (ROOT / PAGE).read_text() == TEXT


def test_the_page_tells_every_entry_point_and_leaves_nothing_unexplained() -> None:
    assert [line for line in TEXT.splitlines() if line.startswith("## `")] == [f"## `{rule}`" for rule in Rule]
    assert [line for line in TEXT.splitlines() if line.startswith("|") and "|  |" in line] == []
