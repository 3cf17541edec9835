"""Pages put together are the list, whatever lies hidden in between; a cursor is good for one caller and one list."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from portico.access.engine import Rule, Verdict
from portico.records.errors import BadArgument
from portico.records.references import SourceName
from portico.records.types import Appointment, Patient
from resolvers.criteria import Ordering
from resolvers.lists import ROUNDS_LIMIT
from resolvers.pages import DEFAULT_PAGE, PAGE_LIMIT, ListArguments
from sandbox.population.planted import Planted
from tests.contract.truth import Truth
from tests.house import EHR, MemoryHouse, memory_house

Row = dict[str, Any]
ROOTS = {
    "patients": ("biller", "researcher", "physician", "guardian"),
    "appointments": ("front-desk", "researcher", "physician"),
    "claims": ("biller", "researcher", "patient"),
    "slots": ("website",),
    "practitioners": ("website", "biller"),
}


async def _pages(house: MemoryHouse, persona: str, field: str, size: int, extra: str = "") -> list[list[str]]:
    """The ids of every page of a root list; every page but the last must be full."""
    query = f"""query ($first: Int!, $after: String) {{ {field}(first: $first, after: $after{extra}) {{
      edges {{ cursor node {{ id }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }} }} }}"""
    pages: list[list[str]] = []
    after = None
    while True:
        answer = await house.ask(persona, query, first=size, after=after)
        found = answer["data"][field]
        edges, info = found["edges"], found["pageInfo"]
        pages.append([edge["node"]["id"] for edge in edges])
        assert info["hasPreviousPage"] is False
        assert info["startCursor"] == (edges[0]["cursor"] if edges else None)
        assert info["endCursor"] == (edges[-1]["cursor"] if edges else None)
        if not info["hasNextPage"]:
            return pages
        assert len(edges) == size, "a page is full or the last one"
        after = info["endCursor"]


@pytest.mark.parametrize(("field", "persona"), [(field, who) for field, all_ in ROOTS.items() for who in all_])
async def test_pages_of_a_root_list_give_every_visible_row_once_and_in_order(
    house: MemoryHouse, field: str, persona: str
) -> None:
    whole = [id_ for page in await _pages(house, persona, field, PAGE_LIMIT) for id_ in page]
    assert len(whole) == len(set(whole)) > 0
    for size in (1, 2, 7) if len(whole) < 100 else (7, 50):
        assert [id_ for page in await _pages(house, persona, field, size) for id_ in page] == whole


@pytest.mark.parametrize("order", ["FAMILY_DESC", "BIRTH_DATE_ASC", "BIRTH_DATE_DESC"])
async def test_every_order_lists_the_same_patients(house: MemoryHouse, order: str) -> None:
    whole = [id_ for page in await _pages(house, "biller", "patients", 9) for id_ in page]
    other = [id_ for page in await _pages(house, "biller", "patients", 9, f", orderBy: {order}") for id_ in page]
    assert sorted(other) == sorted(whole)
    assert other != whole


EDGE_LISTS = ("appointments", "encounters", "claims", "coverages", "careTeam")


@pytest.mark.parametrize("edge", EDGE_LISTS)
@pytest.mark.parametrize("size", [1, 2, 3])
async def test_pages_of_an_edge_list_give_every_visible_row_once_and_in_order(
    house: MemoryHouse, edge: str, size: int
) -> None:
    query = f"""query ($id: ID!, $first: Int!, $after: String) {{ patient(id: $id) {{
      {edge}(first: $first, after: $after) {{ edges {{ cursor node {{ __typename provenance {{ sourceId }} }} }}
      pageInfo {{ hasNextPage endCursor }} }} }} }}"""
    for who in (Planted.PATIENT, Planted.SENSITIVE, Planted.MISSPELT):
        name = await house.patient_name(who)

        async def page(first: int, after: str | None, name: str = name) -> Any:
            answer = await house.ask("physician", query, id=name, first=first, after=after)
            return answer["data"]["patient"][edge]

        whole = [row["node"]["provenance"]["sourceId"] for row in (await page(100, None))["edges"]]
        assert whole
        together: list[str] = []
        after, more = None, True
        while more:
            found = await page(size, after)
            together += [row["node"]["provenance"]["sourceId"] for row in found["edges"]]
            after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
            assert len(found["edges"]) == size or not more
        assert together == whole


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
    pages = await _pages(dim, "researcher", "patients", size)
    assert sum(map(len, pages)) == 12
    assert all(len(page) == size for page in pages[:-1])
    assert pages[-1], "a next page that was promised holds something"


async def test_a_hidden_row_leaves_no_trace_in_a_page(dim: MemoryHouse) -> None:
    """The same list in a world without the hidden patients: the same rows, pages and promises."""

    def only_visible(source: SourceName, truth: Truth) -> Truth:
        dimmed = _mostly_hidden(source, truth)
        kept = [one for one in dimmed.records if not (isinstance(one, Patient) and "V" in one.labels)]
        return replace(dimmed, records=tuple(kept))

    query = """query ($after: String) { patients(first: 5, after: $after) {
      edges { node { birthDate gender } } pageInfo { hasNextPage } } }"""
    async with memory_house(size=120, distort=only_visible) as bare:
        for_all = [await house.ask("researcher", query) for house in (dim, bare)]
        assert for_all[0]["data"] == for_all[1]["data"]


async def test_where_looking_is_given_up_the_end_cursor_goes_on() -> None:
    """A run of hidden rows longer than a request may read: the page says that there may be more."""

    def hidden(source: SourceName, truth: Truth) -> Truth:
        if source != EHR:
            return truth
        patients = [one for one in truth.records if isinstance(one, Patient)]
        last = max(patients, key=lambda one: one.id.value)
        others = [
            replace(
                last,
                id=replace(last.id, value=f"pt-0{number:06}"),
                subject=f"pt-0{number:06}",
                labels=frozenset({"V"}),
            )
            for number in range(PAGE_LIMIT * ROUNDS_LIMIT)
        ]
        return replace(truth, records=(*truth.records, *others))

    async with memory_house(size=25, distort=hidden) as long:
        query = """query ($after: String) { patients(first: 3, after: $after) { edges { node { id } }
          pageInfo { hasNextPage endCursor } } }"""
        first = (await long.ask("researcher", query))["data"]["patients"]
        assert first["edges"] == []
        assert first["pageInfo"]["hasNextPage"] is True
        assert len(long.asked()) == ROUNDS_LIMIT
        second = (await long.ask("researcher", query, after=first["pageInfo"]["endCursor"]))["data"]["patients"]
        assert len(second["edges"]) == 3


async def _cursor(house: MemoryHouse, persona: str, query: str) -> str:
    answer = await house.ask(persona, query)
    cursor: str = answer["data"]["list"]["edges"][0]["cursor"]
    return cursor


LIST = "{ list: patients(first: 1) { edges { cursor } } }"


@pytest.mark.parametrize(
    ("persona", "query"),
    [
        ("front-desk", 'patients(first: 1, after: "%s")'),
        ("researcher", 'patients(first: 1, after: "%s")'),
        ("other-clinic", 'patients(first: 1, after: "%s")'),
        ("biller", 'patients(first: 1, after: "%s", orderBy: FAMILY_DESC)'),
        ("biller", 'patients(first: 1, after: "%s", orderBy: BIRTH_DATE_ASC)'),
        ("biller", 'patients(first: 1, after: "%s", filter: {family: "w"})'),
        ("biller", 'claims(first: 1, after: "%s")'),
        ("biller", 'practitioners(first: 1, after: "%s")'),
        ("auditor", 'patients(first: 1, after: "%s")'),
    ],
)
async def test_a_cursor_replayed_elsewhere_is_a_bad_argument(house: MemoryHouse, persona: str, query: str) -> None:
    cursor = await _cursor(house, "biller", LIST)
    root = query % cursor
    answer = await house.ask(persona, f"{{ list: {root} {{ edges {{ node {{ __typename }} }} }} }}")
    assert answer["data"] == {"list": None}
    (error,) = answer["errors"]
    assert error["extensions"]["code"] == "BAD_ARGUMENT"
    assert cursor not in error["message"]


async def test_a_cursor_is_good_again_for_its_own_caller_with_another_page_size(house: MemoryHouse) -> None:
    cursor = await _cursor(house, "biller", LIST)
    query = f'{{ patients(first: 5, after: "{cursor}") {{ edges {{ node {{ id }} }} }} }}'
    assert len((await house.ask("biller", query))["data"]["patients"]["edges"]) == 5


async def test_a_cursor_of_one_purpose_is_bad_for_another(house: MemoryHouse) -> None:
    doctors = "{ list: practitioners(first: 1) { edges { cursor } } }"
    cursor = await _cursor(house, "physician", doctors)
    query = f'{{ practitioners(first: 1, after: "{cursor}") {{ edges {{ node {{ id }} }} }} }}'
    assert "errors" not in await house.ask("physician", query, "TREAT")
    other = await house.ask("physician", query, "ETREAT")
    assert [error["extensions"]["code"] for error in other["errors"]] == ["BAD_ARGUMENT"]


async def test_a_cursor_of_one_patients_list_is_bad_for_anothers(house: MemoryHouse) -> None:
    query = """query ($id: ID!, $after: String) { patient(id: $id) {
      claims(first: 1, after: $after) { edges { cursor node { id } } } } }"""
    one, other = [await house.patient_name(key) for key in (Planted.PATIENT, Planted.MISSPELT)]
    first = (await house.ask("biller", query, id=one))["data"]["patient"]["claims"]["edges"][0]["cursor"]
    assert "errors" not in await house.ask("biller", query, id=one, after=first)
    answer = await house.ask("biller", query, id=other, after=first)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]
    root = await house.ask("biller", f'{{ claims(after: "{first}") {{ edges {{ cursor }} }} }}')
    assert [error["extensions"]["code"] for error in root["errors"]] == ["BAD_ARGUMENT"]


@pytest.mark.parametrize("after", ["", "x", "A" * 10_240, "\x00", "null", "0", "\N{CYRILLIC SMALL LETTER A}", "-1"])
async def test_what_is_no_cursor_is_a_bad_argument(house: MemoryHouse, after: str) -> None:
    query = "query ($after: String) { patients(after: $after) { edges { cursor } } }"
    answer = await house.ask("biller", query, after=after)
    assert answer["data"] == {"patients": None}
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]
    assert house.asked() == []


async def test_a_cursor_is_bad_once_the_policies_order_the_list_otherwise(house: MemoryHouse) -> None:
    """Where the right to an order is lost between two pages, the position means nothing any more."""
    cursor = await _cursor(house, "biller", LIST)

    def nameless(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        classes = {key: _nameless(answer) for key, answer in verdict.result.items()}
        return Verdict(classes, verdict.revision, verdict.decision_id)

    query = f'{{ patients(first: 1, after: "{cursor}") {{ edges {{ cursor node {{ name {{ family }} }} }} }} }}'
    house.engine.publish()
    house.engine.twist = nameless
    answer = await house.ask("biller", query)
    house.engine.publish()
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]


def _nameless(answer: dict[str, Any]) -> dict[str, Any]:
    if not answer["visible"]:
        return answer
    hidden = {"effect": "deny", "reason": "minimum_necessary"}
    return {**answer, "overrides": {**answer["overrides"], "Patient.name": hidden}}


async def test_a_page_of_none_asks_no_source_and_promises_nothing(house: MemoryHouse) -> None:
    query = "{ patients(first: 0) { edges { cursor } pageInfo { hasNextPage endCursor startCursor } } }"
    answer = await house.ask("biller", query)
    assert answer["data"]["patients"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "endCursor": None, "startCursor": None},
    }
    assert house.asked() == []


@pytest.mark.parametrize("first", [-1, 101, 2_147_483_647, -2_147_483_648])
async def test_a_page_size_out_of_range_is_a_bad_argument_wherever_it_stands(house: MemoryHouse, first: int) -> None:
    query = """query ($n: Int!, $id: ID!) { practitioners(first: $n) { edges { cursor } }
      patient(id: $id) { claims(first: $n) { edges { cursor } } gender } }"""
    answer = await house.ask("biller", query, n=first, id=await house.patient_name(Planted.PATIENT))
    assert answer["data"]["practitioners"] is None
    assert answer["data"]["patient"]["claims"] is None
    assert answer["data"]["patient"]["gender"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_ARGUMENT"}
    assert all(str(first) not in error["message"] for error in answer["errors"])


def test_a_page_size_is_between_0_and_100() -> None:
    for first in (0, 1, DEFAULT_PAGE, PAGE_LIMIT):
        assert ListArguments(first, None, (), Ordering("id")).first == first
    for first in (-1, PAGE_LIMIT + 1):
        with pytest.raises(BadArgument):
            ListArguments(first, None, (), Ordering("id"))


async def test_a_record_that_left_its_list_ends_its_cursor(house: MemoryHouse) -> None:
    """The cursor of a visit goes on after that visit; when it is gone, the client starts again."""
    query = """query ($id: ID!, $after: String) { patient(id: $id) { appointments(first: 1, after: $after) {
      edges { cursor node { id } } } } }"""
    name = await house.patient_name(Planted.PATIENT)
    cursor = (await house.ask("patient", query, id=name))["data"]["patient"]["appointments"]["edges"][0]["cursor"]
    scheduling = next(iter(house.sources.values()))[SourceName("scheduling")]
    scheduling.twist = lambda records: [one for one in records if not isinstance(one, Appointment)]
    answer = await house.ask("patient", query, id=name, after=cursor)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]
