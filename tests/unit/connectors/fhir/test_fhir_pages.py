"""Pages: links are followed on the same server only, within bounds, and a search can go on after any hit."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
from starlette.responses import Response
from yarl import URL

from connectors.fhir import FhirConnector
from connectors.fhir.datatypes import Malformed
from connectors.fhir.hints import Hint, Hints, search_mark
from connectors.fhir.positions import Position
from connectors.fhir.searchsets import address
from connectors.fhir.searchsets import searchset as read_searchset
from connectors.fhir.shapes import Bundle, Link
from portico.records.errors import SourceInvalid, SourceUnavailable, UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Page, Search
from portico.records.types import Patient
from tests.changed import replace
from tests.contract.questions import context, listing
from tests.unit.connectors.fhir.scripted import ScriptedEhr, json, patient, searchset, shaped

Connect = Callable[..., FhirConnector]
BASE = URL("https://ehr.example:8443/tenant/r4/")
ASKED = ["pat-1", "pat-2", "pat-3"]


# -- where a link may lead


@pytest.mark.parametrize(
    ("link", "target"),
    [
        (
            "https://ehr.example:8443/tenant/r4/Patient?_cursor=a%2Cb",
            "https://ehr.example:8443/tenant/r4/Patient?_cursor=a%2Cb",
        ),
        ("https://ehr.example:8443/tenant/r4?_getpages=1", "https://ehr.example:8443/tenant/r4?_getpages=1"),
        ("Patient?_cursor=1", "https://ehr.example:8443/tenant/r4/Patient?_cursor=1"),
        ("?_getpages=1", "https://ehr.example:8443/tenant/r4/?_getpages=1"),
    ],
)
def test_a_link_under_the_base_is_followed_as_it_is(link: str, target: str) -> None:
    assert str(address(BASE, link)) == target


@pytest.mark.parametrize(
    "link",
    [
        "https://elsewhere.example/tenant/r4/Patient?_cursor=1",
        "https://ehr.example.elsewhere.example:8443/tenant/r4/Patient",
        "http://ehr.example:8443/tenant/r4/Patient?_cursor=1",
        "https://ehr.example/tenant/r4/Patient?_cursor=1",
        "https://ehr.example:8443/tenant/r40/Patient",
        "https://ehr.example:8443/tenant/other/Patient",
        "https://ehr.example:8443/tenant/r4/../../admin",
        "https://ehr.example:8443/tenant/r4/%2e%2e/%2E%2E/admin",
        "https://ehr.example:8443@elsewhere.example/tenant/r4/Patient",
        "https://someone:secret@ehr.example:8443/tenant/r4/Patient",
        "https://ehr.example:8443/tenant/r4/Patient#fragment",
        "//elsewhere.example/tenant/r4/Patient",
        "/admin",
        "../other",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://ehr.example:99999/tenant/r4/",
        "https://[::1/",
        "urn:uuid:1",
    ],
)
def test_a_link_to_anywhere_else_is_refused(link: str) -> None:
    with pytest.raises(Malformed) as caught:
        address(BASE, link)
    assert link not in str(caught.value)


@pytest.mark.parametrize("url", [None, 5, "", "."])
def test_a_next_link_without_an_address_is_refused(url: object) -> None:
    bundle = Bundle[object](resource_type="Bundle", type="searchset", link=[Link(relation="next", url=url)])
    with pytest.raises(Malformed):
        read_searchset(bundle, BASE)


async def test_a_foreign_link_costs_the_answer_and_is_not_followed(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"), following="http://127.0.0.1:9/r4/Patient?_cursor=1")]
    with pytest.raises(SourceInvalid):
        await connect().find(context(), RecordType.PATIENT, By.ID, ASKED)
    assert len(ehr.received) == 1


# -- look-ups


async def test_all_pages_of_a_lookup_are_gathered(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("pat-1"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("pat-2"), patient("pat-1"), following=f"{ehr.url}?_getpages=3"),
        searchset(patient("pat-3")),
    ]
    found = await connect().find(context(), RecordType.PATIENT, By.ID, ASKED)
    assert sorted(record.id.value for record in found) == ASKED
    assert [(each.method, each.path, each.parameters) for each in ehr.received[1:]] == [
        ("GET", "/r4/Patient", {"_cursor": "2"}),
        ("GET", "/r4", {"_getpages": "3"}),
    ]


async def test_pages_without_end_are_refused_at_the_limit(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"), following=f"{ehr.url}/Patient?_cursor=same")]
    with pytest.raises(SourceInvalid):
        await connect(page_limit=4).find(context(), RecordType.PATIENT, By.ID, ASKED)
    assert len(ehr.received) == 5


async def test_a_lookup_whose_next_page_is_gone_is_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-1"), following=f"{ehr.url}/Patient?_cursor=2"), json({}, 410)]
    with pytest.raises(SourceUnavailable):
        await connect().find(context(), RecordType.PATIENT, By.ID, ASKED)


# -- searches


SEARCH = Search(type=RecordType.PATIENT, order="id", limit=2)


def _ids(page: Page) -> list[str]:
    return [hit.record.id.value for hit in page.hits]


def _asked(ehr: ScriptedEhr) -> list[dict[str, str]]:
    return [each.parameters for each in ehr.received]


async def _first(connector: FhirConnector, search: Search = SEARCH) -> str:
    """The position of the last hit of a first page."""
    return (await connector.search(context(), search)).hits[-1].position


async def test_a_first_page_costs_one_search(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2")]
    page = await connect().search(context(), SEARCH)
    assert (_ids(page), page.more) == (["a", "b"], True)
    assert _asked(ehr) == [{"_sort": "_id", "_elements": "id,meta", "_count": "2"}]


async def test_a_search_goes_on_by_ids_alone_and_then_asks_for_its_rows(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("a"), patient("b"), patient("c"), patient("d"), following=f"{ehr.url}/Patient?_cursor=5"),
        searchset(patient("d", gender="other"), patient("c", gender="female")),
    ]
    connector = connect()
    after = await _first(connector)
    page = await connector.search(context("gender"), replace(SEARCH, after=after))
    assert (_ids(page), page.more) == (["c", "d"], True)
    assert [hit.record.gender for hit in page.hits if isinstance(hit.record, Patient)] == ["female", "other"]
    assert _asked(ehr)[1:] == [
        {"_sort": "_id", "_elements": "id", "_count": "5"},
        {"_id": "c,d", "_elements": "gender,id,meta", "_count": "2"},
    ]


async def test_rows_are_asked_for_under_the_conditions_of_the_search(ehr: ScriptedEhr, connect: Connect) -> None:
    search = replace(SEARCH, where=(Condition("family", Op.PREFIX, ("Sm",)),), order="family", descending=True)
    ehr.answers = [searchset(patient("a"), patient("b")), searchset(patient("b"))]
    assert _ids(await connect().search(context(), replace(search, after="a"))) == ["b"]
    assert _asked(ehr) == [
        {"family": "Sm", "_sort": "-family,-_id", "_elements": "id,name", "_count": "1000"},
        {"family": "Sm", "_id": "b", "_elements": "id,meta,name", "_count": "1"},
    ]


async def test_a_place_far_down_is_found_behind_the_servers_own_link(ehr: ScriptedEhr, connect: Connect) -> None:
    link = f"{ehr.url}/Patient?_cursor=2"
    ehr.answers = [
        searchset(patient("a"), patient("b"), following=link),
        searchset(patient("c"), patient("d"), patient("e"), patient("f")),
        searchset(patient("c"), patient("d")),
        searchset(patient("c"), patient("d"), patient("e"), patient("f")),
        searchset(patient("e"), patient("f")),
    ]
    connector = connect()
    second = await connector.search(context(), replace(SEARCH, after="b"))
    assert _ids(second) == ["c", "d"]
    third = await connector.search(context(), replace(SEARCH, after=second.hits[-1].position))
    assert (_ids(third), third.more) == (["e", "f"], False)
    assert [each.method for each in ehr.received] == ["POST", "GET", "POST", "GET", "POST"]


@pytest.mark.parametrize("gone", [json({}, 410), json({}, 400), searchset(patient("x")), searchset()])
async def test_a_link_behind_which_the_row_no_longer_is_costs_a_walk(
    ehr: ScriptedEhr, connect: Connect, gone: Response
) -> None:
    ehr.answers = [
        searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("c"), patient("d"), patient("e")),
        searchset(patient("c"), patient("d")),
        gone,
        searchset(patient("a"), patient("b"), patient("c"), patient("d"), patient("e")),
        searchset(patient("e")),
    ]
    connector = connect()
    second = await connector.search(context(), replace(SEARCH, after="b"))
    third = await connector.search(context(), replace(SEARCH, after=second.hits[-1].position))
    assert (_ids(third), third.more) == (["e"], False)
    assert _asked(ehr)[4]["_count"] == "1000"


async def test_a_row_that_has_gone_is_passed_over_once_the_server_says_so(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("a"), patient("c"), patient("d")), searchset(), searchset(patient("c"))]
    page = await connect().search(context(), replace(SEARCH, after="b", limit=1))
    assert (_ids(page), page.more) == (["c"], True)
    assert _asked(ehr)[1] == {"_id": "b", "_elements": "id", "_count": "1"}


async def test_a_server_that_sorts_otherwise_than_we_do_is_followed(ehr: ScriptedEhr, connect: Connect) -> None:
    """Before the row that is looked for stands one that by our reckoning comes after it."""
    ehr.answers = [
        searchset(patient("B"), patient("c"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("a")),
        searchset(patient("e"), following=f"{ehr.url}/Patient?_cursor=3"),
        searchset(patient("a"), patient("d")),
        searchset(patient("d")),
    ]
    page = await connect().search(context(), replace(SEARCH, after="a"))
    assert (_ids(page), page.more) == (["d"], False)


async def test_a_row_that_moved_in_the_order_is_gone_on_from_where_it_was(ehr: ScriptedEhr, connect: Connect) -> None:
    def named(id_: str, family: str) -> dict[str, Any]:
        return patient(id_, name=[{"family": family}])

    search = replace(SEARCH, order="family")
    ehr.answers = [
        searchset(named("a", "Adams"), named("c", "Clark"), named("b", "Zander")),
        searchset(named("b", "Zander")),
        searchset(named("c", "Clark"), named("b", "Zander")),
    ]
    assert _ids(await connect().search(context(), replace(search, after="b baker"))) == ["c", "b"]


async def test_a_list_by_birth_date_goes_on_from_the_date_where_nobody_is_left_out(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    search, after = replace(SEARCH, order="birth_date"), "a 1980-02-29"
    row = patient("a", birthDate="1980-02-29")
    for options, asked, expected in (
        ({"absent_first": True}, replace(search, after=after), "ge1980-02-29"),
        ({}, replace(search, after=after), None),
        ({"absent_first": True}, replace(search, after=after, descending=True), None),
        ({"absent_first": True}, replace(search, after="a"), None),
        ({"absent_first": True}, replace(search, after="a yesterday"), None),
    ):
        ehr.reset()
        ehr.answers = [searchset(row)]
        await connect(**options).search(context(), asked)
        assert _asked(ehr)[0].get("birthdate") == expected


async def test_a_list_that_goes_on_too_deep_is_given_up(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=same")]
    with pytest.raises(SourceInvalid, match="too deep"):
        await connect(page_limit=4).search(context(), replace(SEARCH, after="b"))
    assert len(ehr.received) == 4
    with pytest.raises(SourceInvalid):
        await connect(page_limit=4).search(context(), SEARCH)


async def test_a_server_that_loses_a_walk_is_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    for search in (SEARCH, replace(SEARCH, after="b")):
        ehr.reset()
        ehr.answers = [searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=2"), json({}, 410)]
        with pytest.raises(SourceUnavailable):
            await connect().search(context(), search)


async def test_a_server_that_lists_what_it_does_not_have_is_invalid(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(*(patient(id_) for id_ in "abcdef")), searchset()]
    with pytest.raises(SourceInvalid):
        await connect().search(context(), replace(SEARCH, after="b"))


async def test_a_server_that_answers_with_other_rows_than_it_listed_is_invalid(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    ehr.answers = [searchset(patient("a"), patient("b"), patient("c")), searchset(patient("c"), patient("z"))]
    with pytest.raises(SourceInvalid):
        await connect().search(context(), replace(SEARCH, after="b"))


async def test_short_and_empty_pages_are_filled_up_from_the_next(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(following=f"{ehr.url}/Patient?_cursor=3"),
        searchset(patient("b"), patient("c")),
    ]
    page = await connect().search(context(), SEARCH)
    assert (_ids(page), page.more) == (["a", "b"], True)


async def test_a_row_that_slid_onto_the_next_page_is_there_once(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("a"), patient("b")),
    ]
    page = await connect().search(context(), replace(SEARCH, limit=3))
    assert (_ids(page), page.more) == (["a", "b"], False)


async def test_a_server_that_gives_more_than_asked_fills_the_page_and_no_more(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    ehr.answers = [searchset(patient("a"), patient("b"), patient("c"))]
    page = await connect().search(context(), SEARCH)
    assert (_ids(page), page.more) == (["a", "b"], True)


async def test_a_search_within_some_patients_that_finds_another_is_refused(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-9"))]
    with pytest.raises(SourceInvalid):
        await connect().search(context(), listing(RecordType.PATIENT, Condition("patient", Op.IN, ("pat-1",))))


async def test_a_foreign_link_in_a_walk_is_refused_and_not_followed(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("a"), following="http://127.0.0.1:9/r4/Patient?_cursor=1")]
    with pytest.raises(SourceInvalid):
        await connect().search(context(), replace(SEARCH, after="b"))
    assert len(ehr.received) == 1


# -- positions


@pytest.mark.parametrize("position", [Position("a"), Position("A-1.b", "o'rourke, jr."), Position("a", " two  words")])
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", " ", "a ", " a", "20.0.Patient?_cursor=1", "a/b", "a" * 65, "\u00e9"])
def test_a_position_that_was_never_given_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedPredicate):
        Position.parse(text)


def test_a_position_holds_the_value_that_the_order_compares_and_the_id() -> None:
    names = [{"family": "Zoë"}, {"given": ["x"]}, {"family": "M" * 300}]
    resource = shaped(patient("a", birthDate="1980-02", name=names))
    assert str(Position.of(resource, "id")) == "a"
    assert str(Position.of(resource, "birth_date")) == "a 1980-02"
    assert str(Position.of(resource, "family")) == f"a {'m' * 200}"
    assert str(Position.of(shaped(patient("a")), "family")) == "a"


# -- hints


def test_hints_are_bounded_and_hold_nothing_that_was_searched_for() -> None:
    hints, search = Hints(limit=2), search_mark("Patient", [("family", "canaryname")])
    places = [Position(id_, "canaryname") for id_ in "abc"]
    for number, place in enumerate(places[:2]):
        hints.note(search, place, Hint(place=number))
    assert hints.of(search, places[0]) == Hint(place=0)
    hints.note(search, places[2], Hint("Patient?_cursor=1"))
    assert [hints.of(search, place) for place in places] == [Hint(place=0), None, Hint("Patient?_cursor=1")]
    assert hints.of(search_mark("Practitioner", [("family", "canaryname")]), places[0]) is None
    assert b"canaryname" not in pickle.dumps(hints)
