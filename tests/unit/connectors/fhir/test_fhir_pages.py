"""Pages: links are followed on the same server only, within bounds, and a search can go on after any hit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from yarl import URL

from connectors.fhir import FhirConnector
from connectors.fhir.datatypes import Malformed
from connectors.fhir.positions import Position
from connectors.fhir.searchsets import address
from connectors.fhir.searchsets import searchset as read_searchset
from portico.records.errors import SourceInvalid, SourceUnavailable, UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Page, Search
from tests.contract.questions import context, listing
from tests.unit.connectors.fhir.scripted import ScriptedEhr, json, patient, searchset

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
    bundle = {"resourceType": "Bundle", "type": "searchset", "link": [{"relation": "next", "url": url}]}
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


async def test_a_full_page_goes_on_at_the_servers_own_next(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(patient("c")),
    ]
    connector = connect()
    first = await connector.search(context(), SEARCH)
    assert (_ids(first), first.more) == (["a", "b"], True)
    second = await connector.search(context(), replace(SEARCH, after=first.hits[-1].position))
    assert (_ids(second), second.more) == (["c"], False)
    assert [each.method for each in ehr.received] == ["POST", "GET"]
    assert ehr.received[0].parameters == {"_sort": "_id", "_elements": "id,meta", "_count": "2"}


async def test_a_search_goes_on_amid_a_page(ehr: ScriptedEhr, connect: Connect) -> None:
    first_page = searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2")
    ehr.answers = [first_page, first_page, searchset(patient("c"), patient("d"))]
    connector = connect()
    first = await connector.search(context(), SEARCH)
    second = await connector.search(context(), replace(SEARCH, after=first.hits[0].position))
    assert (_ids(second), second.more) == (["b", "c"], True)


async def test_a_search_goes_on_even_if_the_server_has_forgotten_the_page(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), patient("b"), following=f"{ehr.url}/Patient?_cursor=2"),
        json({}, 410),
        searchset(patient("a"), patient("b"), patient("c"), patient("d"), patient("e")),
    ]
    connector = connect(page_size=500)
    first = await connector.search(context(), SEARCH)
    second = await connector.search(context(), replace(SEARCH, after=first.hits[-1].position))
    assert (_ids(second), second.more) == (["c", "d"], True)
    assert ehr.received[-1].parameters["_count"] == "500"


async def test_a_server_that_forgets_every_page_is_unavailable(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=2"),
        json({}, 410),
        searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=3"),
        json({}, 410),
    ]
    with pytest.raises(SourceUnavailable):
        await connect().search(context(), SEARCH)


async def test_short_and_empty_pages_are_filled_up_from_the_next(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [
        searchset(patient("a"), following=f"{ehr.url}/Patient?_cursor=2"),
        searchset(following=f"{ehr.url}/Patient?_cursor=3"),
        searchset(patient("b"), patient("c")),
    ]
    page = await connect().search(context(), SEARCH)
    assert (_ids(page), page.more) == (["a", "b"], True)


async def test_a_server_that_gives_more_than_asked_fills_the_page_and_no_more(
    ehr: ScriptedEhr, connect: Connect
) -> None:
    ehr.answers = [searchset(patient("a"), patient("b"), patient("c"))]
    connector = connect()
    first = await connector.search(context(), SEARCH)
    assert (_ids(first), first.more) == (["a", "b"], True)
    second = await connector.search(context(), replace(SEARCH, after=first.hits[-1].position))
    assert (_ids(second), second.more) == (["c"], False)


async def test_a_search_within_some_patients_that_finds_another_is_refused(ehr: ScriptedEhr, connect: Connect) -> None:
    ehr.answers = [searchset(patient("pat-9"))]
    with pytest.raises(SourceInvalid):
        await connect().search(context(), listing(RecordType.PATIENT, Condition("patient", Op.IN, ("pat-1",))))


async def test_a_position_cannot_lead_away_from_the_server(ehr: ScriptedEhr, connect: Connect) -> None:
    for link in ("http://127.0.0.1:9/r4/Patient", "/token", "../token"):
        with pytest.raises(SourceInvalid):
            await connect().search(context(), replace(SEARCH, after=str(Position(2, 0, link))))
    assert not ehr.received


# -- positions


@pytest.mark.parametrize("position", [Position(), Position(3, 1), Position(40, 0, "Patient?_cursor=a.b.c")])
def test_a_position_is_read_as_it_was_written(position: Position) -> None:
    assert Position.parse(str(position)) == position


@pytest.mark.parametrize("text", ["", "1", "1.2", "a.b.c", "-1.0.x", "1.-1.x", "²..", "1..x"])
def test_a_position_that_was_never_given_is_refused(text: str) -> None:
    with pytest.raises(UnsupportedPredicate):
        Position.parse(text)
