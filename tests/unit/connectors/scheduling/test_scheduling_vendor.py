"""How the connector takes what a vendor may do to it over HTTP."""

from __future__ import annotations

import time
from email.utils import formatdate

import orjson
import pytest

from portico.records.errors import SourceInvalid, SourceTimeout, SourceUnavailable, UnsupportedPredicate
from portico.records.references import By, RecordType
from portico.records.search import Condition, Op, Search
from tests.contract.questions import context
from tests.unit.connectors.scheduling.scripted_vendor import SOURCE, Answer, ScriptedVendor, connected, items

APPOINTMENT, SLOT = RecordType.APPOINTMENT, RecordType.SLOT
APPT = {"apptId": "A-1", "clientId": "CL-1", "flags": []}
UP = Answer({"up": True})


async def test_the_key_travels_in_its_header_and_no_clients_id_in_a_url() -> None:
    vendor = ScriptedVendor([items(APPT)])
    async with connected(vendor) as connector:
        await connector.find(context(), APPOINTMENT, By.PATIENT, ["CL-1"])
    ((method, path, headers, body),) = vendor.asked
    assert (method, path) == ("POST", "/alder/v2/appointments/lookup")
    assert headers["X-Api-Key"] == "sesame"
    assert orjson.loads(body) == {
        "clientIds": ["CL-1"],
        "fields": ["apptId", "clientId", "flags", "visitType"],
        "page": {"size": 100},
    }


async def test_only_the_fields_behind_the_wanted_attributes_are_asked_for() -> None:
    vendor = ScriptedVendor([items()])
    async with connected(vendor) as connector:
        await connector.find(context("start", "practitioner"), APPOINTMENT, By.VISIT, ["V-1"])
        await connector.find(context("status"), SLOT, By.ID, ["S-1"])
    fields = [orjson.loads(body)["fields"] for _, _, _, body in vendor.asked]
    assert fields == [
        ["apptId", "clientId", "flags", "provider", "starts", "startsFold", "tz", "visitNo", "visitType"],
        ["openingId", "state"],
    ]


async def test_every_condition_of_a_search_goes_to_the_vendor_in_one_request() -> None:
    vendor = ScriptedVendor([items()])
    where = (
        Condition("patient", Op.IN, ("CL-1", "CL-2")),
        Condition("patient", Op.IN, ("CL-2", "CL-3")),
        Condition("practitioner", Op.IN, ("1000000012",)),
        Condition("status", Op.IN, ("cancelled", "booked", "no such status")),
        Condition("start", Op.FROM, ("2026-01-01T00:00:00Z",)),
        Condition("start", Op.FROM, ("2026-02-01T00:00:00Z",)),
        Condition("start", Op.BEFORE, ("2026-03-01T00:00:00+00:00",)),
    )
    search = Search(type=APPOINTMENT, where=where, order="start", descending=True, limit=10)
    async with connected(vendor) as connector:
        await connector.search(context(), search)
    ((_, path, _, body),) = vendor.asked
    assert path == "/alder/v2/appointments/search"
    assert orjson.loads(body) == {
        "filter": {
            "clientIds": ["CL-2"],
            "npis": ["1000000012"],
            "states": ["CONF", "CXLC", "CXLP"],
            "from": "2026-02-01T00:00:00+00:00",
            "to": "2026-03-01T00:00:00+00:00",
        },
        "sort": "-starts",
        "fields": ["apptId", "clientId", "flags", "starts", "startsFold", "tz", "visitType"],
        "page": {"size": 10},
    }


@pytest.mark.parametrize(
    "where",
    [
        (Condition("status", Op.IN, ("no such status",)),),
        (Condition("patient", Op.IN, ("CL-1",)), Condition("patient", Op.IN, ("CL-2",))),
    ],
)
async def test_what_nothing_can_meet_is_not_asked(where: tuple[Condition, ...]) -> None:
    vendor = ScriptedVendor([items()])
    async with connected(vendor) as connector:
        page = await connector.search(context(), Search(type=APPOINTMENT, where=where, order="start", limit=10))
    assert (page.hits, page.more, vendor.asked) == ((), False, [])


async def test_more_keys_than_the_vendor_takes_are_the_callers_bug() -> None:
    vendor = ScriptedVendor([items()])
    async with connected(vendor) as connector:
        with pytest.raises(UnsupportedPredicate):
            await connector.find(context(), APPOINTMENT, By.ID, [f"A-{n}" for n in range(51)])
    assert not vendor.asked


# -- what HTTP can do


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer({}, 500), SourceUnavailable),
        (Answer({}, 502), SourceUnavailable),
        (Answer({}, 401), SourceUnavailable),
        (Answer({}, 403), SourceUnavailable),
        (Answer({}, 400), SourceInvalid),
        (Answer({}, 404), SourceInvalid),
        (Answer({}, 302, {"Location": "http://169.254.169.254/"}), SourceInvalid),
        (Answer(b"<html>", media_type="text/html"), SourceInvalid),
        (Answer(b"<html>"), SourceInvalid),
        (Answer(b""), SourceInvalid),
        (Answer(b"\xff\xfe{}"), SourceInvalid),
        (Answer(b"[" * 100_000), SourceInvalid),
        (Answer([]), SourceInvalid),
        (Answer(None), SourceInvalid),
        (Answer(b"\x1f\x8b\x08\x00", headers={"Content-Encoding": "gzip"}), SourceInvalid),
        (Answer(b'{"items":[' + b" " * 20_000), SourceInvalid),
    ],
)
async def test_each_failure_is_one_of_three(answer: Answer, expected: type[Exception]) -> None:
    vendor = ScriptedVendor([answer])
    async with connected(vendor, body_limit_bytes=10_000) as connector:
        with pytest.raises(expected) as caught:
            await connector.find(context(), APPOINTMENT, By.ID, ["A-1"])
    assert getattr(caught.value, "source", None) == SOURCE
    assert "A-1" not in str(caught.value)
    assert len(vendor.asked) == 1


async def test_a_busy_vendor_is_waited_for_as_long_as_it_asks() -> None:
    vendor = ScriptedVendor([Answer({}, 429, {"Retry-After": "0"}), Answer({}, 503, {"Retry-After": "0"}), UP])
    async with connected(vendor) as connector:
        await connector.ping(context())
    assert len(vendor.asked) == 3


@pytest.mark.parametrize(
    "retry_after", ["2", "3600", formatdate(time.time() + 1, usegmt=True), "-1", "soon", "", "\u0661"]
)
async def test_a_wait_that_is_too_long_or_unclear_is_not_begun(retry_after: str) -> None:
    vendor = ScriptedVendor([Answer({}, 429, {"Retry-After": retry_after})])
    began = time.monotonic()
    async with connected(vendor) as connector:
        with pytest.raises(SourceUnavailable):
            await connector.ping(context(seconds=1.5))
    assert time.monotonic() - began < 1.0
    assert len(vendor.asked) == 1


async def test_a_vendor_that_is_busy_for_ever_is_given_up_by_the_deadline() -> None:
    vendor = ScriptedVendor([Answer({}, 429, {"Retry-After": "0"})])
    async with connected(vendor) as connector:
        with pytest.raises((SourceUnavailable, SourceTimeout)):
            await connector.ping(context(seconds=0.35))
    assert 2 <= len(vendor.asked) <= 5


async def test_a_dropped_connection_is_tried_once_more() -> None:
    vendor = ScriptedVendor([Answer(drop=True), UP])
    async with connected(vendor) as connector:
        await connector.ping(context())
    vendor = ScriptedVendor([Answer(drop=True)])
    async with connected(vendor) as connector:
        with pytest.raises(SourceUnavailable):
            await connector.find(context(), APPOINTMENT, By.ID, ["A-1"])
    assert len(vendor.asked) == 2


async def test_a_vendor_that_says_it_is_not_up_is_unavailable() -> None:
    async with connected(ScriptedVendor([Answer({"up": False})])) as connector:
        with pytest.raises(SourceUnavailable):
            await connector.ping(context())


async def test_a_closed_connector_is_unavailable() -> None:
    async with connected(ScriptedVendor([UP])) as connector:
        await connector.aclose()
        with pytest.raises(SourceUnavailable):
            await connector.ping(context())


# -- pages that lie


@pytest.mark.parametrize(
    "answer",
    [
        Answer({"items": {}}),
        Answer({"items": [1], "page": {"next": None}}),
        Answer({"items": []}),
        Answer({"items": [], "page": {}}),
        Answer({"items": [], "page": {"next": 7}}),
        items(*[APPT] * 101),
        items({**APPT, "apptId": "A-2"}),
        items({**APPT, "apptId": None}),
        items({"apptId": "A-1", "flags": []}),
        items({"apptId": "A-1", "clientId": "CL-1"}),
        items({**APPT, "flags": "BHVL"}),
        items({**APPT, "flags": [1]}),
    ],
    ids=[
        "items no list", "an item no object", "no page", "no next", "next no text", "more than asked", "another's",
        "no id", "no client", "no flags", "flags no list", "a flag no text",
    ],
)  # fmt: skip
async def test_an_answer_out_of_shape_or_about_something_else_is_invalid(answer: Answer) -> None:
    async with connected(ScriptedVendor([answer])) as connector:
        with pytest.raises(SourceInvalid):
            await connector.find(context(), APPOINTMENT, By.ID, ["A-1"])


async def test_hits_of_other_patients_are_invalid() -> None:
    search = Search(type=APPOINTMENT, where=(Condition("patient", Op.IN, ("CL-1",)),), order="start", limit=10)
    async with connected(ScriptedVendor([items({**APPT, "clientId": "CL-2"})])) as connector:
        with pytest.raises(SourceInvalid):
            await connector.search(context(), search)


async def test_pages_without_end_are_given_up() -> None:
    vendor = ScriptedVendor([items(following="again")])
    search = Search(type=APPOINTMENT, order="start", limit=10)
    async with connected(vendor, page_limit=3, scan_page_limit=4) as connector:
        with pytest.raises(SourceInvalid):
            await connector.find(context(), APPOINTMENT, By.ID, ["A-1"])
        with pytest.raises(SourceInvalid):
            await connector.search(context(), search)
        with pytest.raises(SourceInvalid):
            await anext(aiter(connector.people(context())))
        with pytest.raises(SourceInvalid):
            await anext(aiter(connector.relations(context())))
    assert len(vendor.asked) == 3 + 3 + 4 + 4


async def test_a_scan_turns_its_pages_slowly_but_not_past_its_deadline() -> None:
    vendor = ScriptedVendor([items({"clientId": "CL-1"}, following="two"), items()])
    async with connected(vendor, scan_pages_per_second=20) as connector:
        began = time.monotonic()
        assert len([person async for person in connector.people(context())]) == 1
        assert time.monotonic() - began >= 0.05
    async with connected(ScriptedVendor([items(following="two")]), scan_pages_per_second=0.001) as connector:
        with pytest.raises(SourceTimeout):
            await anext(aiter(connector.relations(context(seconds=0.1))))


async def test_a_search_goes_on_over_pages_that_are_smaller_than_asked() -> None:
    times = {"starts": "2026-11-01T01:30:00", "startsFold": 1, "tz": "America/New_York"}
    pages = [
        items({**APPT, "apptId": "A-1", **times}, following="two"),
        items({**APPT, "apptId": "A-2", "starts": None}, following="three"),
    ]
    vendor = ScriptedVendor([*pages, items({**APPT, "apptId": "A-3"})])
    async with connected(vendor) as connector:
        page = await connector.search(context(), Search(type=APPOINTMENT, order="start", limit=3))
    assert [(hit.record.id.value, hit.position) for hit in page.hits] == [
        ("A-1", '["A-1","2026-11-01T01:30:00",1,"America/New_York"]'),
        ("A-2", '["A-2",null,null,null]'),
        ("A-3", '["A-3",null,null,null]'),
    ]
    assert not page.more
    assert [orjson.loads(body)["page"] for _, _, _, body in vendor.asked] == [
        {"size": 3},
        {"size": 2, "after": {"id": "A-1", **times}},
        {"size": 1, "after": {"id": "A-2", "starts": None, "startsFold": None, "tz": None}},
    ]


async def test_a_search_by_id_goes_on_after_the_id_alone() -> None:
    vendor = ScriptedVendor([items({"openingId": "S-2"})])
    async with connected(vendor) as connector:
        page = await connector.search(context(), Search(type=SLOT, order="id", limit=3, after='["S-1"]'))
    assert [hit.position for hit in page.hits] == ['["S-2"]']
    ((_, _, _, body),) = vendor.asked
    assert orjson.loads(body) == {
        "filter": {},
        "sort": "id",
        "fields": ["openingId"],
        "page": {"size": 3, "after": {"id": "S-1"}},
    }


@pytest.mark.parametrize("after", ["", "0.two", "{}", "[]", "null", '["A-1"]', '["A-1",1,2]', "[[]"])
async def test_a_position_that_was_never_given_for_this_order_is_refused(after: str) -> None:
    vendor = ScriptedVendor([items()])
    async with connected(vendor) as connector:
        with pytest.raises(UnsupportedPredicate):
            await connector.search(context(), Search(type=APPOINTMENT, order="start", limit=3, after=after))
    assert not vendor.asked
