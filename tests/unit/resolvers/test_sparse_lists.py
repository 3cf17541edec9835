"""What lies hidden between the rows of a list leaves no trace in its pages, their lengths or their cursors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest

from portico.records.exchange import GraphQLRequest
from portico.records.references import By, RecordId, RecordType, Reference, SourceName, Tenant
from portico.records.types import Patient
from portico.records.values import HumanName
from resolvers.lists import SOURCE_PAGES_LIMIT, rows_for
from resolvers.pages import PAGE_LIMIT
from tests.changed import replace
from tests.contract.truth import Truth
from tests.house import EHR, MemoryHouse, RecordingConnector, memory_house
from tests.unit.resolvers.paged import pages


def _mostly_hidden(source: SourceName, truth: Truth) -> Truth:
    """Long runs of patients whom nobody but the patient may see."""
    if source != EHR:
        return truth
    patients = sorted((one for one in truth.records if isinstance(one, Patient)), key=lambda one: one.id.value)
    hidden = {one.id for number, one in enumerate(patients) if number % 20 not in (5, 18)}
    return replace(
        truth,
        records=tuple(
            replace(record, labels=frozenset({"V"})) if record.id in hidden else record for record in truth.records
        ),
    )


@pytest.fixture(scope="module")
async def dim() -> AsyncIterator[MemoryHouse]:
    async with memory_house(size=120, distort=_mostly_hidden) as running:
        yield running


@pytest.mark.parametrize("size", [1, 2, 3, 5, 11, 100])
async def test_pages_are_full_or_last_where_invisible_rows_lie_between(dim: MemoryHouse, size: int) -> None:
    read = await pages(dim, "biller", "patients", size)
    (whole,) = await pages(dim, "biller", "patients", PAGE_LIMIT)
    assert [id_ for page in read for id_ in page] == whole
    assert len(whole) > 5
    assert all(len(page) == size for page in read[:-1])
    assert read[-1], "a next page that was promised holds something"


def _only_visible(source: SourceName, truth: Truth) -> Truth:
    dimmed = _mostly_hidden(source, truth)
    kept = [one for one in dimmed.records if not (isinstance(one, Patient) and "V" in one.labels)]
    return replace(dimmed, records=tuple(kept))


@pytest.fixture(scope="module")
async def bare() -> AsyncIterator[MemoryHouse]:
    """The same world without those whom nobody may see."""
    async with memory_house(size=120, distort=_only_visible) as running:
        yield running


async def test_a_hidden_row_leaves_no_trace_in_a_page(dim: MemoryHouse, bare: MemoryHouse) -> None:
    query = """query ($after: String) { patients(first: 5, after: $after) {
      edges { node { birthDate gender } } pageInfo { hasNextPage } } }"""
    for_all = [await house.ask("biller", query) for house in (dim, bare)]
    assert for_all[0]["data"] == for_all[1]["data"]


PAGE = """query ($first: Int!, $after: String) { patients(first: $first, after: $after) { edges { cursor }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


@pytest.mark.parametrize("size", [1, 4, 12, 50])
async def test_a_hidden_row_leaves_no_trace_in_a_cursor(dim: MemoryHouse, bare: MemoryHouse, size: int) -> None:
    """Cursors are sealed without chance: where the bytes are the same, so is all that they hold."""
    after = None
    more = True
    while more:
        given, among_the_visible = [
            (await house.ask("biller", PAGE, first=size, after=after))["data"]["patients"] for house in (dim, bare)
        ]
        assert given == among_the_visible
        after, more = given["pageInfo"]["endCursor"], given["pageInfo"]["hasNextPage"]


@pytest.fixture
def ehr(house: MemoryHouse) -> Iterator[RecordingConnector]:
    """The EHR, which holds again what it held when a test is over."""
    connector = house.sources[Tenant("riverbend")][EHR]
    everyone = connector.held(RecordType.PATIENT)
    yield connector
    connector.hold(RecordType.PATIENT, everyone)


def _precede(ehr: RecordingConnector, by: int) -> None:
    """Put so many patients of the biller's clinic before all others whom nobody may see."""
    clinic = Reference(RecordType.ORGANIZATION, By.ID, "org-1")
    everyone = [one for one in ehr.held(RecordType.PATIENT) if isinstance(one, Patient)]
    one = next(each for each in everyone if each.managing_organization == clinic)
    first = replace(one, name=HumanName(family="!"), labels=frozenset({"V"}))
    ids = [f"!{number:06}" for number in range(by)]
    hidden = [replace(first, id=RecordId(one.type, EHR, id_), subject=id_) for id_ in ids]
    ehr.hold(RecordType.PATIENT, [*hidden, *everyone])


async def _three_patients(house: MemoryHouse) -> dict[str, Any]:
    """The biller's first page of three, with time for every page of the source."""
    request = GraphQLRequest(query=PAGE, variables={"first": 3})
    answer = await house.executor.answer(request, house.caller("biller", seconds=60))
    decoded: dict[str, Any] = orjson.loads(answer.body)
    return decoded


async def test_a_page_is_looked_for_however_long_the_hidden_rows_before_it(
    house: MemoryHouse, ehr: RecordingConnector
) -> None:
    _precede(ehr, by=PAGE_LIMIT * (SOURCE_PAGES_LIMIT - 1) + rows_for(3) - 4)
    page = (await _three_patients(house))["data"]["patients"]
    assert len(page["edges"]) == 3
    assert page["pageInfo"]["hasNextPage"] is True
    assert len(house.asked()) == SOURCE_PAGES_LIMIT


async def test_a_list_with_too_little_to_see_fails_and_never_ends_short(
    house: MemoryHouse, ehr: RecordingConnector
) -> None:
    """Neither a short page nor a cursor tells that anything lies there."""
    _precede(ehr, by=PAGE_LIMIT * (SOURCE_PAGES_LIMIT + 1))
    answer = await _three_patients(house)
    assert answer["data"] == {"patients": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["LIST_TOO_SPARSE"]
    assert len(house.asked()) == SOURCE_PAGES_LIMIT


async def test_a_page_of_none_an_empty_scope_and_nothing_to_see_answer_alike(
    house: MemoryHouse, ehr: RecordingConnector
) -> None:
    """The same bytes, whether the page is to hold nothing, nobody could be seen, or nobody is there."""
    none_wanted = (await house.ask("biller", PAGE, first=0))["data"]
    nobody_in_scope = (await house.ask("website", PAGE, first=3))["data"]
    hidden = [replace(one, labels=frozenset({"V"})) for one in ehr.held(RecordType.PATIENT)]
    ehr.hold(RecordType.PATIENT, hidden)
    nobody_seen = (await house.ask("biller", PAGE, first=3))["data"]
    ehr.hold(RecordType.PATIENT, [])
    nobody_there = (await house.ask("biller", PAGE, first=3))["data"]
    assert nobody_seen == nobody_there == none_wanted == nobody_in_scope


async def test_a_page_after_rights_were_lost_holds_what_may_be_seen_now(
    house: MemoryHouse, ehr: RecordingConnector
) -> None:
    """A cursor grants nothing: each page is judged by itself, the cursor's own row as well."""
    everyone = sorted(ehr.held(RecordType.PATIENT), key=lambda one: one.id.value)
    query = """query ($after: String) { patients(first: 4, after: $after) {
      edges { cursor node { provenance { sourceId } } } } }"""

    async def page(after: str | None) -> list[tuple[str, str]]:
        edges = (await house.ask("biller", query, after=after))["data"]["patients"]["edges"]
        return [(edge["cursor"], edge["node"]["provenance"]["sourceId"]) for edge in edges]

    first = await page(None)
    second = await page(first[-1][0])
    lost = {first[-1][1], second[0][1], second[2][1]}
    labelled = [replace(one, labels=frozenset({"V"})) if one.id.value in lost else one for one in everyone]
    ehr.hold(RecordType.PATIENT, labelled)
    now = [id_ for _, id_ in await page(first[-1][0])]
    assert now[:2] == [second[1][1], second[3][1]]
    assert lost.isdisjoint(now)
    assert len(now) == 4
