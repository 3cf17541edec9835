"""The documentation says all that there is, points where there is something, and names only what exists."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from docs import failures, traces
from docs.__main__ import main
from docs.attributes import Undescribed, attribute_docstrings, first_line
from docs.commands import command_paths, make_targets, read_makefile
from docs.configuration import CONFIGS
from docs.markdown import cell, code, codes, page, table
from docs.pages import pages, stale, write
from portico import logs
from portico.access.bundle import read_bundle
from portico.edge.claims import Reason
from portico.edge.metrics import Metrics
from portico.main import CONNECTORS, graph_schema
from portico.settings import PREFIX, Settings
from tests.docs.console import blocks

ROOT = Path(__file__).parents[2]
PAGES = [
    path
    for path in sorted(ROOT.rglob("*.md"))
    if not any(part.startswith(".") or part == "node_modules" for part in path.relative_to(ROOT).parts)
]
NAMES = [str(path.relative_to(ROOT)) for path in PAGES]
GENERATED = pages(ROOT)

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_SYMBOL = re.compile(r"`((?:portico|graph|resolvers|connectors|sandbox|docs)(?:\.\w+)+)`")
_PATH = re.compile(r"`((?:connectors|docs|graph|policies|portico|resolvers|sandbox|tests)/[\w./-]*)`")
_TEST = re.compile(r"`(test_\w+)`")
_ELSEWHERE = re.compile(
    r"(?<![\w.<>/-])/(?:home|root|tmp|work|usr|opt|var|Users|etc)/"  # a machine's folder
    r"|\b(?:pypi\.org|files\.pythonhosted\.org|registry\.npmjs\.org|proxy\.golang\.org|crates\.io|docker\.io)\b"
)


def reference(name: str) -> str:
    return GENERATED[Path("docs/reference") / f"{name}.md"]


def prose(path: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives a page's headings."""
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in _HEADING.findall(text)}


def links(path: Path) -> Iterator[tuple[Path, str]]:
    """Where a page's relative links lead, each with its anchor."""
    for target in _LINK.findall(prose(path)):
        parts = urlsplit(target)
        if not parts.scheme:
            yield (path.parent / parts.path).resolve() if parts.path else path, parts.fragment


# -- nothing is left out


def test_the_generated_pages_are_the_ones_that_the_code_makes() -> None:
    assert "\n".join(stale(GENERATED, ROOT)) == ""


def test_every_setting_is_told() -> None:
    assert [name for name in Settings.model_fields if f"`{PREFIX}{name.upper()}`" not in reference("settings")] == []


def test_every_kind_of_source_is_told_with_its_options() -> None:
    assert CONFIGS.keys() == CONNECTORS.keys()
    assert [kind for kind in CONNECTORS if f"## Sources of kind `{kind}`" not in reference("tenants-file")] == []


def test_every_command_and_every_target_is_told() -> None:
    told = reference("commands")
    assert len(command_paths()) > 5
    assert [path for path in command_paths() if f"`portico {path}" not in told] == []
    makefile = read_makefile(ROOT)
    (phony,) = re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert {name for name, _ in make_targets(makefile)} == set(phony.split())
    assert [name for name in phony.split() if f"`make {name}`" not in told] == []


def test_every_error_code_is_told() -> None:
    codes_ = {cls.code for cls in failures.caller_errors()} | failures.OF_DOCUMENTS.keys() | failures.IN_ANSWERS.keys()
    assert [name for name in sorted(codes_) if f"| `{name}` |" not in reference("errors")] == []


def test_every_reason_is_told() -> None:
    assert [reason for reason in Reason if f"`{reason.value}`" not in reference("errors")] == []
    source = "".join(path.read_text() for path in (ROOT / "portico/access").glob("*.py"))
    assert [name for name in failures.OWN_REASONS if f'"{name}"' not in source] == []


def test_every_log_event_and_key_is_told() -> None:
    told = reference("log-lines")
    assert "request_answered" in traces.logged_events(ROOT)
    assert [name for name in {*logs.KEYS, *traces.logged_events(ROOT)} if f"`{name}`" not in told] == []


def test_every_metric_is_told() -> None:
    families = [family.name for family in Metrics().registry.collect()]
    assert len(families) > 2
    assert [name for name in families if f"`{name}" not in reference("metrics")] == []


def test_every_type_field_and_tag_of_the_graph_is_told() -> None:
    told = reference("schema")
    for type_, coordinates in graph_schema().fields.items():
        heading = {"Query": "## Ways in\n", "Mutation": "## Commands\n"}.get(type_, f"### {type_}\n")
        section = told.partition(heading)[2].partition("\n## ")[0]
        missing = [name for name in coordinates if f"| `{name}" not in section]
        assert missing == [], type_


def test_every_role_and_exception_of_the_matrix_is_told() -> None:
    told = reference("who-sees-what")
    data: Any = read_bundle(ROOT / "policies").data
    assert [role for role in data["portico"]["matrix"] if f"| `{role}` |" not in told] == []


# -- links


@pytest.mark.parametrize("name", NAMES)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    for target, anchor in links(ROOT / name):
        assert target.exists(), f"{name} points to {target.relative_to(ROOT)}"
        if anchor:
            assert anchor in anchors(target.read_text()), f"{name} points to #{anchor}"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        path = waiting.pop()
        if path not in reached and path.suffix == ".md":
            reached.add(path)
            waiting += [target for target, _ in links(path)]
    assert [str(path.relative_to(ROOT)) for path in PAGES if path.resolve() not in reached] == []


# -- only what exists


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The name of every test that pytest finds."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return {line.split("[")[0].split("::")[-1] for line in listed.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize("name", NAMES)
def test_every_test_that_a_page_names_is_there(name: str, collected: set[str]) -> None:
    assert len(collected) > 100
    assert sorted(set(_TEST.findall((ROOT / name).read_text())) - collected) == []


def test_every_promise_and_every_row_of_a_failure_or_threat_names_its_test() -> None:
    _, *promises = (ROOT / "docs/promises.md").read_text().split("\n## ")
    assert len(promises) > 5
    assert [section.splitlines()[0] for section in promises if not _TEST.search(section)] == []
    for name in ("docs/failure-behaviour.md", "docs/threat-model.md"):
        rows = [line for line in (ROOT / name).read_text().splitlines() if line.startswith("| ")]
        table_ = None
        for line in rows:
            if line.endswith("| Test |"):
                table_ = line
            elif set(line) > {"-"} and table_ and line.count(" | ") == table_.count(" | ") and "---" not in line:
                assert _TEST.search(line), line


@pytest.mark.parametrize("name", NAMES)
def test_every_symbol_that_a_page_names_is_there(name: str) -> None:
    for symbol in _SYMBOL.findall(prose(ROOT / name)):
        assert is_there(symbol), f"{name} names {symbol}"


@pytest.mark.parametrize("name", NAMES)
def test_every_path_that_a_page_names_is_there(name: str) -> None:
    assert [path for path in _PATH.findall(prose(ROOT / name)) if not (ROOT / path).exists()] == []


def is_there(symbol: str) -> bool:
    """Whether it is a package of Rego, or can be imported."""
    if (ROOT / "policies" / symbol.replace(".", "/")).is_dir():
        return True
    module, rest = symbol, list[str]()
    while module:
        try:
            found: object = importlib.import_module(module)
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            rest.insert(0, last)
            continue
        for part in rest:
            fields = getattr(found, "__annotations__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


@pytest.mark.parametrize("name", NAMES)
def test_no_page_names_a_registry_or_a_folder_of_a_machine(name: str) -> None:
    assert _ELSEWHERE.findall((ROOT / name).read_text()) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_block_of_python_is_python(name: str) -> None:
    for block in blocks((ROOT / name).read_text(), "python"):
        compile(block, name, "exec")


# -- the machinery


def test_a_stale_a_missing_and_a_left_over_page_are_told_and_mended(tmp_path: Path) -> None:
    texts = {Path("docs/reference/one.md"): "one\n", Path("docs/reference/two.md"): "two\n"}
    write(texts, tmp_path)
    assert list(stale(texts, tmp_path)) == []
    (tmp_path / "docs/reference/one.md").write_text("uno\n")
    (tmp_path / "docs/reference/two.md").unlink()
    (tmp_path / "docs/reference/three.md").write_text("three\n")
    told = "\n".join(stale(texts, tmp_path))
    assert "-uno" in told
    assert "+one" in told
    assert "+two" in told
    assert "three.md is generated no more" in told
    write(texts, tmp_path)
    assert list(stale(texts, tmp_path)) == []


def test_a_table_keeps_its_shape_whatever_its_cells_hold() -> None:
    assert cell("a | b\nc") == "a \\| b c"
    assert table(("A", "B"), [("1", "x|y")]) == "| A | B |\n| --- | --- |\n| 1 | x\\|y |"
    assert (code(""), code("x"), codes(["x", "y"]), codes([], "none")) == ("", "`x`", "`x`, `y`", "none")
    assert page("T", "a\n", " b") == "# T\n\na\n\nb\n"


class _Described:
    first: int = 1
    """The first."""
    second: int = 2
    third = 3
    """The third."""


def test_what_stands_below_an_attribute_is_its_docstring() -> None:
    assert attribute_docstrings(_Described) == {"first": "The first.", "third": "The third."}
    assert first_line("One.\nTwo.", "it") == "One."
    with pytest.raises(Undescribed, match="it has no docstring"):
        first_line(None, "it")


def test_a_word_that_is_missing_on_either_side_is_refused() -> None:
    traces.require(["a", "b"], {"a": "", "b": ""}, "letter")
    for names, told in ((["a", "b"], {"a": ""}), (["a"], {"a": "", "b": ""})):
        with pytest.raises(Undescribed, match="letter, in the code or in docs"):
            traces.require(names, told, "letter")


def test_the_command_checks_without_changing_anything(capsys: pytest.CaptureFixture[str]) -> None:
    before = [path.stat().st_mtime_ns for path in PAGES]
    assert main(["--check"]) == 0
    assert capsys.readouterr() == ("", "")
    assert [path.stat().st_mtime_ns for path in PAGES] == before


def test_every_entry_of_the_glossary_is_one_word_and_one_sentence() -> None:
    entries = re.findall(r"^- \*\*(.+?)\*\*: (.+(?:\n  .+)*)$", (ROOT / "GLOSSARY.md").read_text(), re.MULTILINE)
    words = [word for word, _ in entries]
    assert len(words) > 40
    assert len(set(words)) == len(words)
    assert [word for word, said in entries if not said.endswith(".") or re.search(r"\.\s+[A-Z]", said)] == []
