"""The simulated vendor keeps its own rules, whoever calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx2
import pytest
from starlette.testclient import TestClient

from sandbox.control import Control, Mode
from sandbox.population.model import Population
from sandbox.scheduling.allowance import Allowance
from sandbox.scheduling.book import APPOINTMENT_FIELDS, OPENING_FIELDS, Book
from sandbox.scheduling.refusals import Refusal
from sandbox.scheduling.server import MODES, build
from tests.contract.small_population import APPOINTMENT_STATUSES, TENANT, small_population
from tests.unit.connectors.channel.virtual_clock import VirtualClock

KEY: Final = "key-of-alder"
OTHER: Final = "birch"
BASE: Final = f"/{TENANT}/v2"
EVERYONE: Final[Mapping[str, object]] = {"filter": {}}
PLACE = {"id": "A-0001", "starts": "2026-01-05T12:00:00", "startsFold": 0, "tz": "America/New_York"}


@pytest.fixture(scope="module")
def control() -> Control:
    return Control("scheduling", MODES)


@pytest.fixture(scope="module")
def serving(control: Control) -> Iterator[TestClient]:
    populations = {TENANT: small_population(), OTHER: replace(small_population(), tenant=OTHER, visits=(), slots=())}
    app = build(populations, control, keys={TENANT: KEY, OTHER: "key-of-birch"}, requests_per_second=100_000)
    with TestClient(app, headers={"X-Api-Key": KEY}) as client:
        yield client


@pytest.fixture
def client(serving: TestClient, control: Control) -> Iterator[TestClient]:
    control.mode = Mode.WELL
    control.calls.clear()
    yield serving
    control.mode = Mode.WELL


def _items(answer: httpx2.Response) -> list[Mapping[str, Any]]:
    assert answer.status_code == 200, answer.text
    items: list[Mapping[str, Any]] = answer.json()["items"]
    return items


# -- who is in the book


def test_people_without_an_alias_and_visits_never_booked_are_not_in_the_book() -> None:
    population: Population = small_population()
    book = Book.of(population)
    assert {client["clientId"] for client in book.clients} == {
        person.scheduling.id for person in population.people if person.scheduling
    }
    booked = {visit.appointment_id for visit in population.visits if visit.appointment_id}
    assert {entry.id for entry in book.appointments} == booked
    assert "A-0042" not in booked, "Carver is unknown to the vendor"


def test_every_canonical_status_has_a_state_of_the_vendors_and_cancelled_has_two() -> None:
    base = small_population()
    visits = tuple(
        replace(base.visits[0], appointment_id=f"{status}-{day}", appointment_status=status, start=start)
        for status in APPOINTMENT_STATUSES
        for day, start in enumerate((base.visits[0].start, base.visits[0].start - timedelta(days=1)))
    )
    book = Book.of(replace(base, visits=visits))
    states = {entry.id: entry.state for entry in book.appointments}
    assert len(set(states.values())) == len(APPOINTMENT_STATUSES) + 1
    assert {states["cancelled-0"], states["cancelled-1"]} == {"CXLP", "CXLC"}


def test_times_are_local_with_their_zone_and_the_pass_of_a_repeated_hour() -> None:
    entries = {entry.id: entry for entry in Book.of(small_population()).appointments}
    first, second = entries["A-0001"].item, entries["A-0002"].item
    assert (first["starts"], first["startsFold"]) == ("2026-11-01T01:30:00", 0)
    assert (second["starts"], second["startsFold"]) == ("2026-11-01T01:30:00", 1)
    assert first["tz"] == second["tz"] == "America/New_York"
    for entry in entries.values():
        naive = datetime.fromisoformat(str(entry.item["starts"])).replace(fold=int(str(entry.item["startsFold"])))
        assert naive.replace(tzinfo=ZoneInfo(str(entry.item["tz"]))).timestamp() == entry.starts_at.timestamp()


def test_items_have_exactly_the_published_fields() -> None:
    book = Book.of(small_population())
    assert {frozenset(entry.item) for entry in book.appointments} == {APPOINTMENT_FIELDS}
    assert {frozenset(entry.item) for entry in book.openings} == {OPENING_FIELDS}


# -- who may ask


@pytest.mark.parametrize("key", ["", "wrong", "key-of-birch", KEY.upper(), f"{KEY} x"])
def test_a_tenant_is_entered_by_its_own_key_alone(client: TestClient, control: Control, key: str) -> None:
    for path in ("/status", "/clients"):
        assert client.get(BASE + path, headers={"X-Api-Key": key}).status_code == 401
    assert client.post(f"{BASE}/appointments/search", json=EVERYONE, headers={"X-Api-Key": key}).status_code == 401
    assert not control.calls


def test_tenants_hold_their_own(client: TestClient) -> None:
    mine = client.post(f"{BASE}/appointments/search", json=EVERYONE)
    theirs = client.post(f"/{OTHER}/v2/appointments/search", json=EVERYONE, headers={"X-Api-Key": "key-of-birch"})
    assert _items(mine)
    assert not _items(theirs)


# -- what may be asked


def test_a_look_up_gives_the_fields_that_are_asked_for_of_the_known_keys(client: TestClient) -> None:
    body = {"ids": ["A-0001", "nobody", "A-0002"], "fields": ["apptId", "state"]}
    assert _items(client.post(f"{BASE}/appointments/lookup", json=body)) == [
        {"apptId": "A-0001", "state": "HOLD"},
        {"apptId": "A-0002", "state": "SCHD"},
    ]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/appointments/lookup", {}),
        ("/appointments/lookup", {"ids": []}),
        ("/appointments/lookup", {"ids": [f"A-{n}" for n in range(51)]}),
        ("/appointments/lookup", {"ids": ["A-1"], "clientIds": ["CL-1"]}),
        ("/appointments/lookup", {"ids": "A-1"}),
        ("/appointments/lookup", {"ids": [1]}),
        ("/appointments/lookup", {"ids": ["A-1"], "fields": ["ssn"]}),
        ("/appointments/lookup", {"ids": ["A-1"], "verbose": True}),
        ("/appointments/lookup", []),
        ("/openings/lookup", {"clientIds": ["CL-1"]}),
        ("/appointments/search", {"filter": {"note": ["x"]}}),
        ("/appointments/search", {"filter": {"from": "2026-01-01T00:00:00"}}),
        ("/appointments/search", {"filter": {"to": "tomorrow"}}),
        ("/appointments/search", {"sort": "note"}),
        ("/appointments/search", {"page": {"size": 101}}),
        ("/appointments/search", {"page": {"size": 0}}),
        ("/appointments/search", {"page": {"size": "10"}}),
        ("/appointments/search", {"page": {"cursor": "made up"}}),
        ("/appointments/search", {"page": {"offset": 3}}),
        ("/appointments/search", {"page": {"after": "A-0001"}}),
        ("/appointments/search", {"page": {"after": {"id": "A-0001"}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"note": "x"}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"id": 7}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"starts": "noon"}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"starts": None}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"startsFold": 2}}}),
        ("/appointments/search", {"page": {"after": PLACE | {"tz": "Mars/Olympus"}}}),
        ("/appointments/search", {"page": {"after": PLACE, "cursor": "x"}}),
        ("/appointments/search", {"sort": "id", "page": {"after": PLACE}}),
        ("/appointments/lookup", {"ids": ["A-1"], "page": {"after": PLACE}}),
        ("/openings/search", {"filter": {"clientIds": ["CL-1"]}}),
    ],
)
def test_what_the_vendor_does_not_know_it_refuses(client: TestClient, path: str, body: object) -> None:
    answer = client.post(BASE + path, json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"].startswith(("BAD_", "TOO_MANY_KEYS"))


def test_a_body_that_is_no_json_is_refused(client: TestClient) -> None:
    assert client.post(f"{BASE}/appointments/search", content=b"{").status_code == 400


def test_fifty_keys_are_not_too_many(client: TestClient) -> None:
    body = {"ids": [f"A-{n:04d}" for n in range(50)]}
    assert _items(client.post(f"{BASE}/appointments/lookup", json=body))


def test_filters_are_all_applied_and_an_empty_list_wants_nothing(client: TestClient) -> None:
    def ids(**asked: object) -> set[str]:
        return {item["apptId"] for item in _items(client.post(f"{BASE}/appointments/search", json={"filter": asked}))}

    everything = ids()
    turner = ids(clientIds=["CL-10"])
    late = ids(**{"from": "2026-03-01T00:00:00Z"})
    assert everything > turner > turner & late
    assert ids(clientIds=["CL-10"], **{"from": "2026-03-01T00:00:00Z"}) == turner & late
    assert ids(clientIds=[]) == set()
    assert late.isdisjoint(ids(to="2026-03-01T00:00:00Z"))
    assert ids(siteCodes=["ALD-3"], npis=["1000000038"]) == ids(siteCodes=["ALD-3"])


@pytest.mark.parametrize("sort", ["starts", "-starts", "id", "-id"])
def test_pages_go_on_to_the_end_without_gap_or_repetition(client: TestClient, sort: str) -> None:
    whole = [item["apptId"] for item in _items(client.post(f"{BASE}/appointments/search", json={"sort": sort}))]
    paged: list[str] = []
    page: dict[str, object] = {"size": 7}
    while True:
        answer = client.post(f"{BASE}/appointments/search", json={"sort": sort, "page": page})
        paged += [item["apptId"] for item in _items(answer)]
        following = answer.json()["page"]["next"]
        if following is None:
            break
        page = {"size": 7, "cursor": following}
    assert paged == whole
    if sort.endswith("id"):
        assert whole == sorted(whole, reverse=sort.startswith("-"))


@pytest.mark.parametrize("sort", ["starts", "-starts", "id", "-id"])
def test_a_search_goes_on_after_any_item_told_by_its_own_words(client: TestClient, sort: str) -> None:
    whole = _items(client.post(f"{BASE}/appointments/search", json={"sort": sort}))
    words = ("starts", "startsFold", "tz") if sort.endswith("starts") else ()
    for place, item in enumerate(whole, start=1):
        after = {"id": item["apptId"], **{word: item[word] for word in words}}
        answer = client.post(f"{BASE}/appointments/search", json={"sort": sort, "page": {"size": 5, "after": after}})
        assert _items(answer) == whole[place : place + 5]
        following = answer.json()["page"]["next"]
        assert (following is None) is (place + 5 >= len(whole))
        if following is not None:
            page = {"size": 5, "cursor": following}
            rest = client.post(f"{BASE}/appointments/search", json={"sort": sort, "page": page})
            assert _items(rest) == whole[place + 5 : place + 10]


def test_a_search_goes_on_after_an_item_that_is_no_more(client: TestClient) -> None:
    whole = _items(client.post(f"{BASE}/appointments/search", json={}))
    for id_, expected in (("A-", whole[0]), ("B-", whole[1])):
        after = {"id": id_, **{word: whole[0][word] for word in ("starts", "startsFold", "tz")}}
        answer = client.post(f"{BASE}/appointments/search", json={"page": {"size": 1, "after": after}})
        assert _items(answer) == [expected]


def test_a_cursor_is_good_for_its_own_question_alone(client: TestClient) -> None:
    first = client.post(f"{BASE}/appointments/search", json={"page": {"size": 5}})
    stolen = {"size": 5, "cursor": first.json()["page"]["next"]}
    other = client.post(f"{BASE}/appointments/search", json={"sort": "-starts", "page": stolen})
    assert other.status_code == 400


def test_clients_come_page_by_page(client: TestClient) -> None:
    first = client.get(f"{BASE}/clients", params={"size": 8})
    rest = client.get(f"{BASE}/clients", params={"size": 8, "cursor": first.json()["page"]["next"]})
    assert len(_items(first)) == 8
    assert len(_items(rest)) == 3
    assert rest.json()["page"]["next"] is None
    assert _items(first)[0].keys() == {"clientId", "chartNo", "lastName", "firstName", "born"}


def test_every_call_is_noted_with_all_that_was_asked(client: TestClient, control: Control) -> None:
    body = {"visitNumbers": ["V-000001"], "fields": ["apptId"], "page": {"size": 3}}
    client.post(f"{BASE}/appointments/lookup", json=body)
    client.get(f"{BASE}/clients", params={"size": 2})
    noted = [(call["tenant"], call["operation"], call["parameters"]) for call in control.calls]
    assert noted == [(TENANT, "POST /appointments/lookup", body), (TENANT, "GET /clients", {"size": "2"})]


# -- the rate limit


def test_ten_requests_a_second_can_be_saved_up_and_no_more() -> None:
    clock = VirtualClock()
    allowance = Allowance(requests_per_second=10, clock=clock)
    clock.seconds += 3_600
    for _ in range(10):
        allowance.spend()
    with pytest.raises(Refusal) as caught:
        allowance.spend()
    assert (caught.value.status, caught.value.headers) == (429, {"Retry-After": "1"})
    clock.seconds += 0.1
    allowance.spend()
    with pytest.raises(Refusal):
        allowance.spend()


def test_a_refused_request_costs_nothing() -> None:
    clock = VirtualClock()
    allowance = Allowance(requests_per_second=1, clock=clock)
    allowance.spend()
    for _ in range(50):
        with pytest.raises(Refusal):
            allowance.spend()
    clock.seconds += 1
    allowance.spend()


def test_each_tenant_is_limited_by_itself_and_told_when_to_come_back() -> None:
    populations = {TENANT: small_population(), OTHER: small_population()}
    app = build(populations, Control("scheduling", MODES), keys={TENANT: KEY, OTHER: KEY}, requests_per_second=0.001)
    with TestClient(app, headers={"X-Api-Key": KEY}) as client:
        limited = client.get(f"{BASE}/status")
        assert limited.status_code == 429
        assert int(limited.headers["Retry-After"]) > 1


# -- misbehaving


@pytest.mark.parametrize(("mode", "status"), [(Mode.ERROR, 500), (Mode.THROTTLE, 429)])
def test_the_vendor_fails_on_command(client: TestClient, control: Control, mode: Mode, status: int) -> None:
    control.mode = mode
    answer = client.post(f"{BASE}/appointments/search", json=EVERYONE)
    assert answer.status_code == status
    assert (answer.headers.get("Retry-After") == "1") == (mode is Mode.THROTTLE)


def test_the_vendor_is_slow_on_command(client: TestClient, control: Control) -> None:
    control.mode, control.seconds = Mode.SLOW, 0.05
    assert client.get(f"{BASE}/status").elapsed >= timedelta(seconds=0.05)


def test_a_huge_answer_is_larger_than_anyone_wants(client: TestClient, control: Control) -> None:
    control.mode = Mode.HUGE
    with client.stream("GET", f"{BASE}/clients") as answer:
        assert sum(len(chunk) for chunk in answer.iter_bytes()) > 2**27


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/appointments/lookup", {"clientIds": ["CL-1"]}),
        ("/appointments/lookup", {"ids": ["A-0001"]}),
        ("/appointments/lookup", {"visitNumbers": ["V-000001"]}),
        ("/appointments/search", {"filter": {"clientIds": ["CL-1", "CL-2"]}}),
    ],
)
def test_asked_about_one_it_answers_about_others(
    client: TestClient, control: Control, path: str, body: dict[str, object]
) -> None:
    control.mode = Mode.WRONG_PATIENT
    clients = {item["clientId"] for item in _items(client.post(BASE + path, json=body))}
    assert clients
    assert "CL-1" not in clients


def test_a_mode_that_the_vendor_does_not_know_is_refused(client: TestClient) -> None:
    assert client.put("/_sandbox/mode", json={"mode": "foreign-next"}).status_code == 422
    assert client.put("/_sandbox/mode", json={"mode": "wrong-patient"}).status_code == 200
