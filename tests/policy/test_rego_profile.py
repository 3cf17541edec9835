"""Policy about policy: what every Rego file, schema and table of the project must be like."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from portico.access.bundle import read_bundle
from portico.access.engine import Rule
from portico.access.masks import Mask
from portico.access.principal import Purpose
from portico.access.tags import Tag
from portico.records.types import RECORD_CLASSES
from tests.policy.engines import POLICIES

BUNDLE = read_bundle(POLICIES)
DATA: Any = BUNDLE.data["portico"]
SCHEMAS: Any = BUNDLE.schemas
CAPABILITIES = POLICIES / "capabilities.json"
MODULES = sorted(POLICIES.rglob("*.rego"))
RULES = [path for path in MODULES if not path.name.endswith("_test.rego")]

FORBIDDEN = re.compile(
    r"http\..*|io\.jwt\..*|net\..*|rand\..*|uuid\..*|opa\..*|rego\..*|providers\..*|graphql\..*|crypto\.x509\..*"
    r"|time\.now_ns|trace|print|internal\.print|json\.(match|verify)_schema"
)


def run(opa: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([opa, *arguments], capture_output=True, text=True, check=False)  # noqa: S603  our own opa


@pytest.mark.opa
def test_the_policies_are_formatted(opa: str) -> None:
    assert run(opa, "fmt", "--list", str(POLICIES)).stdout == ""


@pytest.mark.opa
def test_the_policies_are_strict_and_agree_with_their_schemas_and_capabilities(opa: str) -> None:
    checked = run(
        opa, "check", "--strict", "--bundle", "--schema", str(POLICIES / "schemas"),
        "--capabilities", str(CAPABILITIES), "--ignore", "*_test.rego", str(POLICIES),
    )  # fmt: skip
    assert (checked.returncode, checked.stderr) == (0, "")
    tests_too = run(opa, "check", "--strict", "--bundle", "--schema", str(POLICIES / "schemas"), str(POLICIES))
    assert (tests_too.returncode, tests_too.stderr) == (0, "")


@pytest.mark.opa
def test_the_policies_tests_pass_and_cover_every_rule(opa: str) -> None:
    covered = run(opa, "test", "--bundle", "--timeout", "120s", "--coverage", "--format=json", str(POLICIES))
    assert covered.returncode == 0, covered.stdout + covered.stderr
    files = json.loads(covered.stdout)["files"]
    assert not {path: lines["not_covered"] for path, lines in files.items() if lines.get("not_covered")}
    assert {Path(path).name for path in files} >= {path.name for path in RULES if "default " not in path.read_text()}


@pytest.mark.opa
def test_the_capabilities_are_those_of_opa_without_clock_network_process_and_chance(opa: str) -> None:
    known = {
        builtin["name"]: builtin for builtin in json.loads(run(opa, "capabilities", "--current").stdout)["builtins"]
    }
    allowed = {builtin["name"]: builtin for builtin in json.loads(CAPABILITIES.read_text())["builtins"]}
    assert allowed.keys() <= known.keys()
    assert not [name for name in allowed if FORBIDDEN.fullmatch(name) or known[name].get("nondeterministic")]
    assert not [name for name in allowed if known[name].get("deprecated")]


@pytest.mark.opa
def test_a_forbidden_builtin_does_not_get_into_a_servers_bundle(opa: str, tmp_path: Path) -> None:
    (tmp_path / "clock.rego").write_text("package clock\n\nnow := time.now_ns()\n")
    built = run(
        opa, "build", "--bundle", str(tmp_path), "--capabilities", str(CAPABILITIES), "-o", str(tmp_path / "b.tar.gz")
    )
    assert built.returncode != 0
    assert "undefined function time.now_ns" in built.stdout + built.stderr


def test_no_capability_reaches_the_network() -> None:
    capabilities = json.loads(CAPABILITIES.read_text())
    assert capabilities["allow_net"] == []
    assert not [name for name in BUNDLE.builtins if FORBIDDEN.fullmatch(name)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_lies_in_the_folder_of_its_package(path: Path) -> None:
    (package,) = re.findall(r"^package (\S+)$", path.read_text(), re.MULTILINE)
    assert package.removesuffix("_test").split(".") == list(path.parent.relative_to(POLICIES).parts)


@pytest.mark.parametrize("path", RULES, ids=lambda path: path.name)
def test_every_rule_says_what_it_is(path: Path) -> None:
    told: set[str] = set()
    untold = []
    block: list[str] = []
    for line in path.read_text().splitlines():
        name = re.match(r"(?:default )?([a-z_0-9]+)", line)
        if line.startswith("#"):
            block.append(line)
            continue
        if name is not None and not line.startswith(("package ", "import ")):
            text = "\n".join(block)
            described = "# METADATA" in text and "# title: " in text and "# description: " in text
            if not described and name[1] not in told:
                untold.append(line)
            told.add(name[1])
        block = []
    assert told
    assert not untold


@pytest.mark.parametrize("folder", sorted({path.parent for path in RULES}), ids=lambda path: path.name)
def test_every_package_says_what_it_is(folder: Path) -> None:
    texts = [path.read_text() for path in folder.glob("*.rego") if path in RULES]
    assert [text for text in texts if re.match(r"# METADATA\n# title: .*\n# description: (.*\n)+?package ", text)]


@pytest.mark.parametrize("rule", Rule)
def test_every_entry_point_declares_its_schema_and_since_when_it_holds(rule: Rule) -> None:
    text = (POLICIES / f"portico/decision/{rule}.rego").read_text()
    block = text.split("# entrypoint: true")[1]
    assert re.search(r"# +effective_on: \d{4}-\d{2}-\d{2}", block)
    assert f'# - input: schema["{rule}.input"]' in block.replace("#   -", "# -")


def test_the_entry_points_are_those_that_are_asked() -> None:
    entry_points = {
        match[1]
        for path in (POLICIES / "portico/decision").glob("*.rego")
        for match in re.finditer(r"# entrypoint: true\n(?:#.*\n)+(?:default )?([a-z]+) :=", path.read_text())
    }
    assert entry_points == set(Rule)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_lines_are_no_longer_than_anywhere_else(path: Path) -> None:
    assert [line for line in path.read_text().splitlines() if len(line.expandtabs(4)) > 120] == []


@pytest.mark.parametrize("path", [path for path in MODULES if path not in RULES], ids=lambda path: path.name)
def test_a_tests_name_is_a_sentence(path: Path) -> None:
    tests = re.findall(r"^(test_\S+)", path.read_text(), re.MULTILINE)
    assert tests
    assert [test for test in tests if test.count("_") < 3] == []


def test_the_vocabulary_is_the_one_that_portico_speaks() -> None:
    words = DATA["vocabulary"]
    assert words["tags"].keys() == set(Tag)
    assert words["masks"].keys() == set(Mask)
    assert words["types"].keys() >= set(RECORD_CLASSES)
    declared = SCHEMAS["scope.output"]["properties"]["rows"]["items"]["properties"]["relationship"]["items"]["enum"]
    assert words["relationships"].keys() == set(declared)


def test_the_schemas_know_the_same_words() -> None:
    released = SCHEMAS["classes.output"]["additionalProperties"]["then"]
    assert released["properties"]["allow"]["items"]["enum"] == list(Tag)
    assert released["properties"]["mask"]["patternProperties"] == {f"^({'|'.join(Tag)})$": released_mask(released)}
    assert released_mask(released)["enum"] == list(Mask)
    assert SCHEMAS["egress.output"]["properties"]["tags"]["items"]["enum"] == list(Tag)


def released_mask(released: Any) -> Any:
    (mask,) = released["properties"]["mask"]["patternProperties"].values()
    return mask


def test_the_matrix_and_the_destinations_know_only_purposes_that_exist() -> None:
    assert {purpose for role in DATA["matrix"].values() for purpose in role["purposes"]} <= set(Purpose)
    (entry,) = SCHEMAS["portico/destinations"]["patternProperties"].values()
    assert set(entry["properties"]["purposes"]["items"]["enum"]) == set(Purpose)


def test_a_principal_has_one_shape_in_every_question() -> None:
    shapes = [SCHEMAS[f"{rule}.input"]["properties"].get("principal") for rule in Rule if rule is not Rule.EGRESS]
    assert shapes == [shapes[0]] * 4


@pytest.mark.parametrize("name", sorted(BUNDLE.schemas))
def test_every_schema_has_a_title_a_description_and_no_open_end(name: str) -> None:
    schema = SCHEMAS[name]
    assert schema["title"]
    assert schema["description"]
    assert [
        shape
        for shape in shapes_of(schema)
        if shape.get("type") == "object" and not shape.keys() & {"additionalProperties", "maxProperties", "then"}
    ] == []


def shapes_of(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [shape for item in schema for shape in shapes_of(item)]
    if isinstance(schema, dict):
        return [schema, *(shape for item in schema.values() for shape in shapes_of(item))]
    return []


def test_every_reason_is_one_that_some_policy_gives() -> None:
    text = "".join(path.read_text() for path in RULES) + (POLICIES / "portico/matrix/data.yaml").read_text()
    assert [reason for reason in DATA["vocabulary"]["reasons"] if reason not in text] == []
    given = set(re.findall(r'(?::= |"reason": |hidden\()"([a-z]+(?:_[a-z]+)+)"', text))
    assert given <= DATA["vocabulary"]["reasons"].keys()
