"""The policies and the schema speak of the same types and fields: a misspelt exception would withhold nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from graph.schema import build
from portico.access.bundle import read_bundle
from portico.access.masks import Mask, MaskKey, Unmaskable, apply
from portico.access.tags import Tag
from portico.records import types
from portico.records.values import ClaimLine, Period
from tests.policy.engines import POLICIES

DATA: Any = read_bundle(POLICIES).data["portico"]
FIELDS = build().fields
COORDINATES = {coordinate.name: coordinate for fields in FIELDS.values() for coordinate in fields.values()}
START = datetime(2026, 1, 5, 9, tzinfo=UTC)
SAMPLES: dict[str, object] = {
    "str": "1980-05-02",
    "datetime": START,
    "Period": Period(start=START),
    "ClaimLine": (ClaimLine(number=1, service_date="2026-01-05"),),
}
"""A value of each kind that some row masks, by the word for it in a record's annotations."""
GRANTS = [
    pytest.param(grant, id=f"{role}, {purpose}, row {number}")
    for role, row in DATA["matrix"].items()
    for purpose, grants in row["purposes"].items()
    for number, grant in enumerate(grants, 1)
]


def test_the_vocabulary_holds_the_types_of_the_schema() -> None:
    assert DATA["vocabulary"]["types"].keys() == FIELDS.keys()


@pytest.mark.parametrize("grant", GRANTS)
def test_every_field_that_a_row_excepts_is_a_field_of_the_schema(grant: Any) -> None:
    exceptions = grant.get("except", {})
    named = {*exceptions.get("allow", []), *exceptions.get("mask", {}), *exceptions.get("deny", {})}
    assert named <= COORDINATES.keys()


@pytest.mark.parametrize("grant", GRANTS)
def test_an_exception_changes_what_its_fields_tag_says(grant: Any) -> None:
    exceptions = grant.get("except", {})
    allowed = [name for name in exceptions.get("allow", []) if COORDINATES[name].tag in grant["allow"]]
    assert allowed == []


@pytest.mark.parametrize("grant", GRANTS)
def test_a_masked_field_is_a_value_that_its_mask_knows(grant: Any) -> None:
    key = MaskKey(secret=bytes(32), tenant="t", patient="p")
    for name, mask in grant.get("except", {}).get("mask", {}).items():
        coordinate = COORDINATES[name]
        assert not coordinate.edge
        record = getattr(types, name.split(".", maxsplit=1)[0])
        hint = str(record.__annotations__[coordinate.attribute])
        with_values = [value for kind, value in SAMPLES.items() if kind in hint]
        assert with_values, hint
        for value in with_values:
            try:
                assert apply(Mask(mask), value, key=key) != value
            except Unmaskable as refusal:
                pytest.fail(f"{name}: {refusal}")


@pytest.mark.parametrize("name", sorted(COORDINATES))
def test_every_field_of_the_schema_carries_a_tag_that_the_policies_know(name: str) -> None:
    assert COORDINATES[name].tag in Tag
    assert COORDINATES[name].tag in DATA["vocabulary"]["tags"]
