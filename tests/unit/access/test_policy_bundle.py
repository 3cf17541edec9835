from __future__ import annotations

import json
from pathlib import Path

import pytest

from portico.access.bundle import PoliciesRefused, bundle_of, read_bundle, read_files, revision_of

CAPABILITIES = json.dumps({"builtins": [{"name": "count"}, {"name": "eq"}]})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small policy folder."""
    put(tmp_path, "capabilities.json", CAPABILITIES)
    put(tmp_path, "clinic/rules/rules.rego", "package clinic.rules\n")
    put(tmp_path, "clinic/table/data.yaml", "desk:\n  open: true\n")
    return tmp_path


def put(folder: Path, name: str, content: str | bytes) -> None:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_a_folder_is_read_as_modules_data_and_schemas(folder: Path) -> None:
    put(folder, "schemas/clinic/table.json", '{"type": "object"}')
    put(folder, "clinic/more/data.json", '{"a": [1, null]}')
    bundle = read_bundle(folder)
    assert bundle.modules == {"clinic/rules/rules.rego": "package clinic.rules\n"}
    assert bundle.data == {"clinic": {"table": {"desk": {"open": True}}, "more": {"a": [1, None]}}}
    assert bundle.schemas == {"clinic/table": {"type": "object"}}
    assert bundle.builtins == {"count", "eq"}


def test_data_of_a_folder_and_of_one_below_lie_in_one_document(folder: Path) -> None:
    put(folder, "clinic/data.yaml", "name: Riverbend")
    assert read_bundle(folder).data == {"clinic": {"name": "Riverbend", "table": {"desk": {"open": True}}}}


@pytest.mark.parametrize("upper", ["table: {desk: 1}", "table: closed"])
def test_data_that_stands_in_two_places_is_refused(folder: Path, upper: str) -> None:
    put(folder, "clinic/data.yaml", upper)
    with pytest.raises(PoliciesRefused, match="stands in another data file too"):
        read_bundle(folder)


def test_data_in_two_files_of_a_folder_may_not_overlap(folder: Path) -> None:
    put(folder, "clinic/table/data.json", '{"desk": 1}')
    with pytest.raises(PoliciesRefused, match="desk stands in another data file too"):
        read_bundle(folder)


def test_a_revision_names_exactly_this_content(folder: Path) -> None:
    first = read_bundle(folder).revision
    assert len(first) == 16
    assert read_bundle(folder).revision == first
    put(folder, "clinic/table/data.yaml", "desk:\n  open: false\n")
    second = read_bundle(folder).revision
    put(folder, "clinic/rules/more.rego", "package clinic.rules\n")
    third = read_bundle(folder).revision
    (folder / "clinic/rules/more.rego").rename(folder / "clinic/rules/other.rego")
    fourth = read_bundle(folder).revision
    assert len({first, second, third, fourth}) == 4


def test_a_revision_can_not_be_shared_by_moving_a_boundary_between_files(tmp_path: Path) -> None:
    put(tmp_path / "one", "a.rego", "xb.rego\0y")
    put(tmp_path / "two", "a.rego", "x")
    put(tmp_path / "two", "b.rego", "y")
    assert revision_of(read_files(tmp_path / "one")) != revision_of(read_files(tmp_path / "two"))


@pytest.mark.parametrize(
    "name",
    ["clinic/rules/rules_test.rego", "README.md", ".git/config.yaml", "clinic/.data.yaml.swp", "clinic/data.yaml~"],
)
def test_tests_and_other_peoples_files_are_left_out(folder: Path, name: str) -> None:
    before = read_bundle(folder).revision
    put(folder, name, "package {{{ not: [policy")
    assert read_bundle(folder).revision == before


@pytest.mark.parametrize(
    "name", ["clinic/table/Data.yaml", "clinic/matrix.yaml", "clinic/table/data2.json", "policy.yml"]
)
def test_a_file_that_opa_would_leave_aside_is_refused(folder: Path, name: str) -> None:
    put(folder, name, "{}")
    with pytest.raises(PoliciesRefused, match="OPA would not load this"):
        read_bundle(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("clinic/table/data.yaml", "desk: [", "clinic/table/data.yaml: while parsing"),
        ("clinic/table/data.yaml", "desk: 1\ndesk: 2", "line 2: repeated key desk"),
        ("clinic/table/data.yaml", "- desk", "data must be a table"),
        ("clinic/table/data.yaml", "", "data must be a table"),
        ("clinic/more/data.json", "{", "clinic/more/data.json: not JSON"),
        ("clinic/rules/rules.rego", b"package \xff", "not UTF-8"),
        ("capabilities.json", "{", "capabilities.json: not JSON"),
        ("capabilities.json", "[]", "names no builtin"),
        ("capabilities.json", '{"builtins": []}', "names no builtin"),
        ("schemas/clinic/table.json", "[]", "schemas/clinic/table.json: not a schema"),
        ("schemas/clinic/table.json", '{"type": "nonsense"}', "schemas/clinic/table.json: "),
        ("clinic/rules/big.rego", "#" * ((1 << 20) + 1), "larger than policies may be"),
    ],
)
def test_a_broken_file_is_refused_by_name(folder: Path, name: str, content: str | bytes, message: str) -> None:
    put(folder, name, content)
    with pytest.raises(PoliciesRefused) as refusal:
        read_bundle(folder)
    assert message in str(refusal.value)


def test_data_that_breaks_its_schema_is_refused_with_its_place_and_without_its_value(folder: Path) -> None:
    schema = {"properties": {"desk": {"properties": {"open": {"type": "boolean"}}}}}
    put(folder, "schemas/clinic/table.json", json.dumps(schema))
    read_bundle(folder)
    put(folder, "clinic/table/data.yaml", "desk:\n  open: whenever\n")
    with pytest.raises(PoliciesRefused) as refusal:
        read_bundle(folder)
    assert str(refusal.value) == "clinic/table/data.yaml: .desk.open breaks its schema (type)"


def test_missing_capabilities_are_no_permission_for_everything(folder: Path) -> None:
    (folder / "capabilities.json").unlink()
    with pytest.raises(PoliciesRefused, match="names no builtin"):
        read_bundle(folder)


def test_an_empty_or_missing_folder_is_no_policy(tmp_path: Path) -> None:
    with pytest.raises(PoliciesRefused, match="holds no policies"):
        read_files(tmp_path)
    with pytest.raises(PoliciesRefused, match="holds no policies"):
        read_files(tmp_path / "nowhere")


def test_a_folder_of_endless_files_is_refused(tmp_path: Path) -> None:
    for number in range(501):
        put(tmp_path, f"p{number}/p.rego", "")
    with pytest.raises(PoliciesRefused, match="larger than policies may be"):
        read_files(tmp_path)


def test_a_bundle_is_made_of_what_was_read_and_not_of_what_is_there_now(folder: Path) -> None:
    files = read_files(folder)
    put(folder, "clinic/table/data.yaml", "desk:\n  open: false\n")
    bundle = bundle_of(files)
    assert bundle.data == {"clinic": {"table": {"desk": {"open": True}}}}
    assert bundle.revision == revision_of(files)
