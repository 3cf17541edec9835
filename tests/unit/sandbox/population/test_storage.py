from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import orjson
import pytest

from sandbox.population.generator import generate
from sandbox.population.model import Population
from sandbox.population.storage import UnreadablePopulation, is_current, load, save

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def population() -> Population:
    return generate("riverbend", seed=7, size=40, now=NOW)


def test_what_is_loaded_equals_what_was_saved(population: Population, tmp_path: Path) -> None:
    save(population, tmp_path / "riverbend.json")
    assert load(tmp_path / "riverbend.json") == population


def test_saving_replaces_the_file_and_leaves_nothing_beside_it(population: Population, tmp_path: Path) -> None:
    path = tmp_path / "riverbend.json"
    path.write_text("old")
    save(population, path)
    assert load(path) == population
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_file_is_an_oserror(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nobody.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '"x"', '{"tenant": "riverbend"}'])
def test_what_is_no_population_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "riverbend.json"
    path.write_text(text)
    with pytest.raises(UnreadablePopulation, match=r"riverbend\.json is no population"):
        load(path)


@pytest.mark.parametrize(
    ("name", "value"),
    [("deceased", "yes"), ("family", 7), ("coverages", {}), ("care_team", [1]), ("unheard_of", 1), ("ehr_id", False)],
)
def test_a_person_of_another_shape_is_refused(name: str, value: object, population: Population, tmp_path: Path) -> None:
    path = tmp_path / "riverbend.json"
    save(population, path)
    document = orjson.loads(path.read_bytes())
    document["people"][0][name] = value
    path.write_bytes(orjson.dumps(document))
    with pytest.raises(UnreadablePopulation):
        load(path)


def test_only_a_population_of_this_model_is_current(population: Population, tmp_path: Path) -> None:
    path = tmp_path / "riverbend.json"
    assert not is_current(path)
    save(population, path)
    assert is_current(path)
    document = orjson.loads(path.read_bytes())
    del document["consents"]
    path.write_bytes(orjson.dumps(document))
    assert not is_current(path)
