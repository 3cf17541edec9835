"""Whatever lies hidden between the rows: pages are the visible rows, with the bytes of a world that has no others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portico.records.references import RecordType, Tenant
from portico.records.types import Patient
from portico.records.values import HumanName
from tests.changed import replace
from tests.house import EHR, MemoryHouse, memory_house, only

FAMILIES = st.one_of(
    st.none(), st.sampled_from(["Adams", "adams", "Ádams", "Baker", ""]), st.text(max_size=12), st.just("Long" * 90)
)
BORN = st.one_of(st.none(), st.sampled_from(["1980-02-29", "1980-02-28", "2001-01-01"]))
ORDERS = {
    "FAMILY_ASC": ("family", False),
    "FAMILY_DESC": ("family", True),
    "BIRTH_DATE_ASC": ("birth_date", False),
    "BIRTH_DATE_DESC": ("birth_date", True),
}
PAGE = """query ($first: Int!, $after: String, $order: PatientOrder!) {
  patients(first: $first, after: $after, orderBy: $order) {
    edges { cursor node { id birthDate name { family } provenance { sourceId } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


@st.composite
def worlds(draw: st.DrawFn) -> list[tuple[int, str | None, str | None, bool]]:
    """Rows in any order: which person, their family name and birth date, and whether they are hidden."""
    people = draw(st.lists(st.integers(0, 24), unique=True, max_size=25))
    return [(number, draw(FAMILIES), draw(BORN), draw(st.booleans())) for number in people]


@dataclass(frozen=True, slots=True, repr=False)
class Stage:
    """A house that explains nothing, and the patients whom its biller may see."""

    house: MemoryHouse
    patients: list[Patient]


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Stage]:
    async with memory_house(size=60, explain=False) as house:
        ehr = house.sources[Tenant("riverbend")][EHR]
        answer = await house.ask("biller", "{ patients(first: 100) { edges { node { provenance { sourceId } } } } }")
        seen = {edge["node"]["provenance"]["sourceId"] for edge in answer["data"]["patients"]["edges"]}
        patients = [one for one in only(ehr.held(RecordType.PATIENT), RecordType.PATIENT) if one.id.value in seen]
        assert len(patients) >= 25
        yield Stage(house, [one for one in patients if isinstance(one, Patient)])


async def _pages(house: MemoryHouse, rows: Sequence[Patient], size: int, order: str) -> list[bytes]:
    """Every page of the list in a world of these rows, byte for byte."""
    house.sources[Tenant("riverbend")][EHR].hold(RecordType.PATIENT, rows)
    pages: list[bytes] = []
    after = None
    while True:
        answer = await house.answer("biller", PAGE, first=size, after=after, order=order)
        pages.append(answer.body)
        info = orjson.loads(answer.body)["data"]["patients"]["pageInfo"]
        if not info["hasNextPage"]:
            return pages
        after = info["endCursor"]


def _rows(pages: Sequence[bytes]) -> list[list[Any]]:
    return [orjson.loads(page)["data"]["patients"]["edges"] for page in pages]


@settings(max_examples=40, deadline=None)
@given(world=worlds(), size=st.integers(1, 8), order=st.sampled_from(sorted(ORDERS)))
async def test_pages_are_the_visible_rows_whatever_lies_hidden_between_them(
    stage: Stage, world: list[tuple[int, str | None, str | None, bool]], size: int, order: str
) -> None:
    house = stage.house
    rows = [
        replace(
            stage.patients[number],
            name=None if family is None else HumanName(family=family),
            birth_date=born,
            labels=frozenset({"V"}) if hidden else frozenset(),
        )
        for number, family, born, hidden in world
    ]
    visible = [row for row in rows if not row.labels]
    pages = await _pages(house, rows, size, order)
    assert pages == await _pages(house, visible, size, order)
    edges = _rows(pages)
    assert all(len(page) == size for page in edges[:-1]), "a page is full or the last one"
    assert len(edges) == 1 or edges[-1], "a next page that was promised holds something"
    (whole,) = _rows(await _pages(house, visible, 100, order))
    assert [edge["node"] for page in edges for edge in page] == [edge["node"] for edge in whole]
    assert sorted(edge["node"]["provenance"]["sourceId"] for edge in whole) == sorted(row.id.value for row in visible)
    field, descending = ORDERS[order]
    dates = [edge["node"]["birthDate"] or "" for edge in whole]
    assert field != "birth_date" or dates == sorted(dates, reverse=descending)
    cursors = [edge["cursor"] for page in edges for edge in page]
    assert len(set(cursors)) == len(cursors)
