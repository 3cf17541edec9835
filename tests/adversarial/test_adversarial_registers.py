"""The registers of cases and holes are complete, and name tests that exist."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from sandbox.population.planted import Planted
from tests.adversarial import binding
from tests.adversarial.binding import BY_ID, PATIENTS, PERSONAS, UNBOUND, guarded_fields
from tests.house import MemoryHouse
from tests.spec.served_world import SchemaText

ROOT = Path(__file__).parents[2]
FOLDER = Path(__file__).parent
SERIES = {
    "GQL": 22, "REQ": 18, "AZ": 22, "INF": 8, "JWT": 18, "WS": 6, "HC": 22, "IDM": 10, "AUD": 8, "CON": 14, "POL": 12,
}  # fmt: skip
"""The last number of each series of cases; all are even."""
FAULTS, HOLES = 22, 34
KEYS = {"id", "category", "severity", "about", "rule", "tests", "not_applicable", "operator", "campaign"}
NOTES = KEYS - {"id", "tests"}
Entry = Mapping[str, Any]


def _entries(register: str, table: str) -> list[Entry]:
    read: list[Entry] = tomllib.loads((FOLDER / register).read_text())[table]
    return read


TABLES = [("cases.toml", "case"), ("cases.toml", "fault"), ("holes.toml", "hole")]
EVERYTHING = [entry for register, table in TABLES for entry in _entries(register, table)]


@cache
def _defined(path: str) -> frozenset[str]:
    file = ROOT / path
    if not file.is_file():
        return frozenset()
    pattern = r"^(test_\w+) if" if file.suffix == ".rego" else r"^\s*(?:async )?def (test_\w+)\("
    return frozenset(re.findall(pattern, file.read_text(), re.MULTILINE))


def _numbered(prefix: str, last: int) -> Iterator[str]:
    yield from (f"{prefix}{number:02}" for number in range(2, last + 1, 2))


def test_no_case_fault_or_hole_is_missing() -> None:
    cases = [entry["id"] for entry in _entries("cases.toml", "case")]
    assert cases == [id_ for series, last in SERIES.items() for id_ in _numbered(f"{series}-", last)]
    assert len(cases) == 80
    assert [entry["id"] for entry in _entries("cases.toml", "fault")] == list(_numbered("F", FAULTS))
    assert [entry["id"] for entry in _entries("holes.toml", "hole")] == list(range(1, HOLES + 1))


@pytest.mark.parametrize("entry", EVERYTHING, ids=lambda entry: str(entry["id"]))
def test_each_is_kept_by_tests_that_exist_or_says_why_not(entry: Entry) -> None:
    assert entry.keys() <= KEYS
    assert entry.get("severity", "must") in {"must", "should"}
    assert entry.get("tests"), "what can't apply shows by a test that the door is shut"
    for note in NOTES & entry.keys():
        assert entry[note].strip() == entry[note] != "", note
        assert "\n" not in entry[note], note
    named = [name.split("::") for name in entry.get("tests", ())]
    assert len(named) == len({name for _, name in named})
    assert [f"{path}::{name}" for path, name in named if name not in _defined(path)] == []


@pytest.mark.parametrize("entry", [one for one in EVERYTHING if "campaign" in one], ids=lambda entry: str(entry["id"]))
def test_what_makes_a_campaign_longer_is_read_by_one_of_its_tests(entry: Entry) -> None:
    variable, _, size = entry["campaign"].partition("=")
    read = {path for path in (name.partition("::")[0] for name in entry["tests"]) if path.endswith(".py")}
    assert any(f'"{variable}"' in (ROOT / path).read_text() for path in read)
    assert int(size) > 0


def test_a_test_that_is_named_after_a_hole_is_listed_there() -> None:
    listed = {
        (entry["id"], name.partition("::")[2]) for entry in _entries("holes.toml", "hole") for name in entry["tests"]
    }
    files = [one for one in (ROOT / "tests").rglob("*.py") if one.name.startswith("test_")]
    named = {
        (int(match[1]), name)
        for file in files
        for name in _defined(str(file))
        if (match := re.match(r"test_hole_(\d+)_", name))
    }
    assert named - listed == set()


def test_every_test_of_the_cases_is_named_by_one() -> None:
    named = {name.partition("::")[2] for entry in EVERYTHING for name in entry.get("tests", ())}
    own = {name for file in FOLDER.glob("test_*.py") if file != Path(__file__) for name in _defined(str(file))}
    assert own - named == set()


def test_every_name_of_the_cases_is_bound(house: MemoryHouse, text: SchemaText) -> None:
    assert sorted(PATIENTS.keys() | UNBOUND.keys()) == [f"P{number:02}" for number in range(1, 21)]
    assert PATIENTS.keys().isdisjoint(UNBOUND)
    assert {one.key for one in house.populations["riverbend"].people} >= set(PATIENTS.values())
    assert set(PATIENTS.values()) <= set(Planted)
    assert set(PERSONAS.values()) <= house.personas.keys()
    assert set(BY_ID) <= text.schema.type_map["Query"].fields.keys()  # type: ignore[attr-defined]  # an object type
    assert {field for inputs in binding.DERIVED.values() for field in inputs} <= guarded_fields(text)
    assert set(binding.DERIVED) <= guarded_fields(text)


async def test_every_bound_operation_is_one(house: MemoryHouse) -> None:
    for query, variables in (
        (binding.Q_PATIENT, {"id": "x"}),
        (binding.Q_NODE, {"id": "x"}),
        (binding.Q_LIST, {"first": 1}),
        (binding.Q_SLOTS, {}),
        (binding.Q_PUBLIC, {}),
    ):
        assert (await house.answer("patient", query, **variables)).executed
