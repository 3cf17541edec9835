"""The page about plans shows what the command prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from portico.__main__ import app
from tests.docs.console import blocks

PAGE = (Path(__file__).parents[2] / "docs/how-to/read-a-plan.md").read_text()


def printed(*arguments: str, standard_input: str | None = None) -> str:
    result = CliRunner().invoke(app, ["plan", *arguments], input=standard_input)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def overview(tmp_path: Path) -> str:
    """The page's document in a file."""
    (document,) = blocks(PAGE, "graphql")
    path = tmp_path / "overview.graphql"
    path.write_text(document)
    return str(path)


def test_the_plan_is_the_pages(overview: str) -> None:
    assert printed(overview) == blocks(PAGE, "text")[0]


def test_what_is_pruned_is_the_pages(overview: str) -> None:
    shown, command = printed(overview, "--as", "researcher/HRESCH"), blocks(PAGE, "sh")[1]
    assert command == "portico plan overview.graphql --as researcher/HRESCH\n"
    assert shown.endswith("\n\n" + blocks(PAGE, "text")[1])


def test_a_document_without_a_plan_is_told_as_on_the_page() -> None:
    assert printed("-", standard_input="{ __schema { queryType { name } } }") == blocks(PAGE, "text")[2]
