"""What a request tells a source is as sensitive as the coordinates that stand for it."""

from __future__ import annotations

import pytest

from portico.access.tags import Tag
from portico.records.references import By, RecordType
from portico.records.search import FIELDS, ORDERS, Condition, Search
from resolvers.payloads import told_by_keys, told_by_search
from tests.house import MemoryHouse


def _search(type_: RecordType, *fields: str, order: str = "id", after: str | None = None) -> Search:
    where = tuple(Condition(field, min(FIELDS[type_][field]), ("value",)) for field in fields)
    return Search(type=type_, where=where, order=order, limit=10, after=after)


@pytest.mark.parametrize(
    ("type_", "by", "tags"),
    [
        (RecordType.PATIENT, By.ID, set()),
        (RecordType.APPOINTMENT, By.ID, set()),
        (RecordType.CARE_TEAM_MEMBER, By.PATIENT, set()),
        (RecordType.CLAIM, By.PATIENT, set()),
        (RecordType.CLAIM, By.VISIT, {Tag.SCHEDULING}),
        (RecordType.ENCOUNTER, By.VISIT, {Tag.SCHEDULING}),
        (RecordType.PRACTITIONER, By.NPI, set()),
        (RecordType.LOCATION, By.SITE, set()),
        (RecordType.COVERAGE, By.MEMBER, {Tag.COVERAGE}),
    ],
)
def test_keys_tell_what_their_coordinate_would(house: MemoryHouse, type_: RecordType, by: By, tags: set[Tag]) -> None:
    assert told_by_keys(house.schema.tags, type_, by) == {Tag.PUBLIC, *tags}


@pytest.mark.parametrize(
    ("search", "tags"),
    [
        (_search(RecordType.PATIENT), set()),
        (_search(RecordType.PATIENT, "patient"), set()),
        (_search(RecordType.PATIENT, "organization"), {Tag.DEMOGRAPHIC}),
        (_search(RecordType.PATIENT, "mrn", "birth_date"), {Tag.IDENTIFIER, Tag.DEMOGRAPHIC}),
        (_search(RecordType.APPOINTMENT, "patient", "start"), {Tag.SCHEDULING}),
        (_search(RecordType.CLAIM, "patient"), set()),
        (_search(RecordType.CLAIM, "created"), {Tag.FINANCIAL}),
        (_search(RecordType.PRACTITIONER, "npi"), set()),
    ],
)
def test_conditions_tell_what_they_would_reveal(house: MemoryHouse, search: Search, tags: set[Tag]) -> None:
    assert told_by_search(house.schema.tags, search) == {Tag.PUBLIC, *tags}


def test_going_on_after_a_row_tells_what_the_rows_are_ordered_by(house: MemoryHouse) -> None:
    tags = house.schema.tags
    assert told_by_search(tags, _search(RecordType.PATIENT, order="family")) == {Tag.PUBLIC}
    assert told_by_search(tags, _search(RecordType.PATIENT, order="family", after="x")) == {Tag.PUBLIC, Tag.DEMOGRAPHIC}
    assert told_by_search(tags, _search(RecordType.PATIENT, order="id", after="x")) == {Tag.PUBLIC}


def test_everything_that_can_be_asked_by_has_its_tags(house: MemoryHouse) -> None:
    """A new key, condition or order without tags would fail each request that uses it."""
    tags = house.schema.tags
    for connector in house.sources["riverbend"].values():  # type: ignore[index]  # a tenant's name
        for type_, keys in connector.keys.items():
            assert all(told_by_keys(tags, type_, by) for by in keys - {By.ID})
            assert "id" not in tags[type_.value] or told_by_keys(tags, type_, By.ID)
    for type_, fields in FIELDS.items():
        assert told_by_search(tags, _search(type_, *fields))
        assert all(told_by_search(tags, _search(type_, order=order, after="x")) for order in ORDERS[type_])
