"""Pages put together are the list, whatever lies hidden in between; a cursor is good for one caller and one list."""

from __future__ import annotations

from typing import Any

import pytest

from portico.access.engine import Rule, Verdict
from portico.records.errors import BadArgument
from portico.records.references import RecordId, RecordType, SourceName, Tenant
from portico.records.types import Claim, Record
from portico.records.values import Provenance
from resolvers.criteria import Ordering, Place, Placed, in_order, reader, written
from resolvers.pages import DEFAULT_PAGE, PAGE_LIMIT, ListArguments
from sandbox.population.planted import Planted
from tests.house import NOW, MemoryHouse
from tests.unit.resolvers.paged import pages

CLAIM = RecordType.CLAIM
Row = dict[str, Any]
ROOTS = {
    "patients": ("biller", "researcher", "physician", "guardian"),
    "appointments": ("front-desk", "researcher", "physician"),
    "claims": ("biller", "researcher", "patient"),
    "slots": ("website",),
    "practitioners": ("website", "biller"),
}


@pytest.mark.parametrize(("field", "persona"), [(field, who) for field, all_ in ROOTS.items() for who in all_])
async def test_pages_of_a_root_list_give_every_visible_row_once_and_in_order(
    house: MemoryHouse, field: str, persona: str
) -> None:
    whole = [id_ for page in await pages(house, persona, field, PAGE_LIMIT) for id_ in page]
    assert len(whole) == len(set(whole)) > 0
    for size in (1, 2, 7) if len(whole) < 100 else (7, 50):
        assert [id_ for page in await pages(house, persona, field, size) for id_ in page] == whole


@pytest.mark.parametrize("order", ["FAMILY_DESC", "BIRTH_DATE_ASC", "BIRTH_DATE_DESC"])
async def test_every_order_lists_the_same_patients(house: MemoryHouse, order: str) -> None:
    whole = [id_ for page in await pages(house, "biller", "patients", 9) for id_ in page]
    other = [id_ for page in await pages(house, "biller", "patients", 9, f", orderBy: {order}") for id_ in page]
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


async def test_a_record_that_left_its_list_is_passed_over(house: MemoryHouse) -> None:
    """The cursor of a visit goes on after that visit, whether it still is there or not."""
    query = """query ($id: ID!, $first: Int!, $after: String) { patient(id: $id) {
      appointments(first: $first, after: $after) { edges { cursor node { id } } } } }"""
    name = await house.patient_name(Planted.PATIENT)

    async def edges(first: int, after: str | None = None) -> list[dict[str, Any]]:
        answer = await house.ask("patient", query, id=name, first=first, after=after)
        rows: list[dict[str, Any]] = answer["data"]["patient"]["appointments"]["edges"]
        return rows

    everything = await edges(100)
    assert len(everything) > 2
    gone = house.seal.open(("id", "riverbend"), everything[0]["node"]["id"])
    assert gone is not None
    scheduling = house.sources[Tenant("riverbend")][SourceName("scheduling")]
    scheduling.twist = lambda records: [one for one in records if one.id.value != gone[2]]
    assert await edges(100, everything[0]["cursor"]) == everything[1:]


@pytest.mark.parametrize("descending", [False, True])
def test_every_place_in_an_ordering_says_what_comes_after_it(descending: bool) -> None:
    provenance = Provenance(source="s", source_id="x", retrieved_at=NOW, mapping_version="1")
    ordering, rows, read = Ordering("created", descending=descending), list[Placed[Record]](), reader(CLAIM, "created")
    for number, created in enumerate(["2026-01-02", "2026-01-01", "2026-01-02", None, "2026-01-03", None]):
        id_ = RecordId(CLAIM, SourceName("s"), f"c{number}")
        claim = Claim(id=id_, provenance=provenance, subject="p", created=created)
        rows.append((read(claim) if number != 4 else None, claim.id.value, claim))
    placed = in_order(rows, ordering)
    ids = [id_ for _, id_, _ in placed]
    places = [Place(id_, value and written(value)) for value, id_, _ in placed]
    assert ids == [*(["c2", "c0", "c1"] if descending else ["c1", "c0", "c2"]), "c3", "c4", "c5"]
    for at, place in enumerate(places):
        assert [other.id for other in places if place.precedes(other, ordering)] == ids[at + 1 :]
