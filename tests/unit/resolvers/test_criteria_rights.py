"""A filter or an order needs the right to what it reveals; where it is missing, the value is as good as absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from portico.access.engine import Rule, Verdict
from portico.records.references import RecordType
from resolvers.criteria import REVEALS, Ordering, instant, revealed, written
from sandbox.population.planted import Planted
from tests.house import EHR, MemoryHouse

Answer = dict[str, Any]


async def _found(house: MemoryHouse, persona: str, root: str, filter_: dict[str, Any], field: str = "id") -> list[Any]:
    type_ = {"patients": "Patient", "appointments": "Appointment", "claims": "Claim", "practitioners": "Practitioner"}
    query = f"""query ($f: {type_.get(root, "Slot")}Filter) {{ {root}(first: 100, filter: $f) {{
      edges {{ node {{ {field} }} }} }} }}"""
    answer = await house.ask(persona, query, f=filter_)
    assert "errors" not in answer, answer["errors"]
    return [edge["node"][field.split(" ", maxsplit=1)[0]] for edge in answer["data"][root]["edges"]]


def _person(house: MemoryHouse, key: str) -> Any:
    return next(one for one in house.populations["riverbend"].people if one.key == key)


def _filters(house: MemoryHouse) -> dict[str, dict[str, Any]]:
    person = _person(house, Planted.PATIENT)
    return {
        "family": {"family": person.family},
        "given": {"given": person.given},
        "birthDate": {"birthDate": person.birth_date},
        "identifier": {"identifier": person.mrn},
        "mrn": {"mrn": person.mrn},
    }


@pytest.mark.parametrize("field", ["family", "given", "birthDate", "identifier", "mrn"])
async def test_a_filter_finds_for_who_may_know_what_it_reveals(house: MemoryHouse, field: str) -> None:
    name = await house.patient_name(Planted.PATIENT)
    assert name in await _found(house, "biller", "patients", _filters(house)[field])


@pytest.mark.parametrize("field", ["family", "given", "birthDate", "identifier", "mrn"])
async def test_a_researcher_finds_nobody_by_what_is_hidden_or_masked_and_asks_no_source(
    house: MemoryHouse, field: str
) -> None:
    assert len(await _found(house, "researcher", "patients", {})) > 30
    house.asked()
    assert await _found(house, "researcher", "patients", _filters(house)[field]) == []
    assert house.asked() == []


async def test_an_identifier_that_is_withheld_finds_nobody(house: MemoryHouse) -> None:
    """The physician sees the last four digits and no list of identifiers: the search must not complete them."""
    person = _person(house, Planted.PATIENT)
    for value in (person.ssn, person.mrn, person.drivers_license):
        assert await _found(house, "physician", "patients", {"identifier": value}) == []
        assert await _found(house, "front-desk", "patients", {"identifier": value}) == []


async def test_front_desk_finds_a_patient_by_mrn_and_by_no_other_number(house: MemoryHouse) -> None:
    """They may know the MRN in full, the last four digits of the SSN, and no other identifier."""
    person = _person(house, Planted.PATIENT)
    name = await house.patient_name(Planted.PATIENT)
    assert await _found(house, "front-desk", "patients", {"mrn": person.mrn}) == [name]
    assert await _found(house, "front-desk", "patients", {"mrn": person.mrn, "family": person.family}) == [name]
    others = [person.ssn, person.drivers_license, person.coverages[0].member_id, person.ehr_id, person.mrn[:-1]]
    for value in filter(None, others):
        assert await _found(house, "front-desk", "patients", {"mrn": value}) == []


async def test_front_desk_finds_nobody_of_another_clinic_by_mrn(house: MemoryHouse) -> None:
    people = [one for one in house.populations["riverbend"].people if one.ehr_id and one.organization != "org-1"]
    assert people
    for person in people[:5]:
        assert await _found(house, "front-desk", "patients", {"mrn": person.mrn}) == await _found(
            house, "front-desk", "patients", {"mrn": "no-such-number"}
        )


async def test_binary_search_by_mrn_learns_nothing_where_the_mrn_is_hidden(house: MemoryHouse) -> None:
    """Whatever number the researcher tries, held by somebody or not, the answer is the same and no source is asked."""
    query = """query ($f: PatientFilter) { patients(first: 100, filter: $f) {
      edges { node { id } cursor } pageInfo { hasNextPage endCursor } } }"""
    mrns = sorted(one.mrn for one in house.populations["riverbend"].people)
    guesses = [*mrns[:10], *(mrn[:length] for mrn in mrns[:2] for length in range(1, len(mrn))), "0", "zzz"]
    house.asked()
    answers = {str({**(await house.ask("researcher", query, f={"mrn": guess})), "extensions": {}}) for guess in guesses}
    assert len(answers) == 1
    assert house.asked() == []


async def test_binary_search_on_a_masked_date_learns_nothing(house: MemoryHouse) -> None:
    """Whatever bounds the researcher gives, the dates that are shifted for them never narrow a list."""
    query = """query ($f: AppointmentFilter) { appointments(first: 100, filter: $f) { edges { node { id } } } }"""
    low, high = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    answers = set()
    for _ in range(20):
        middle = low + (high - low) / 2
        answer = await house.ask("researcher", query, f={"startFrom": middle.isoformat()})
        answers.add(str(answer["data"]))
        low = middle
    assert answers == {"{'appointments': {'edges': []}}"}
    assert house.asked() == []


async def test_binary_search_on_a_hidden_field_behind_an_edge_learns_nothing(house: MemoryHouse) -> None:
    query = """query ($id: ID!, $f: AppointmentFilter) { patient(id: $id) {
      appointments(first: 100, filter: $f) { edges { node { id } } } } }"""
    name = await house.patient_name(Planted.PATIENT)
    answers = set()
    for year in range(2015, 2035):
        for bounds in ({"startFrom": f"{year}-01-01T00:00:00Z"}, {"startBefore": f"{year}-01-01T00:00:00Z"}):
            answers.add(str((await house.ask("researcher", query, id=name, f=bounds))["data"]))
    assert answers == {"{'patient': {'appointments': {'edges': []}}}"}
    full = await house.ask("physician", query, id=name, f={"startFrom": "2000-01-01T00:00:00Z"})
    assert len(full["data"]["patient"]["appointments"]["edges"]) == 8


async def test_a_filter_on_what_is_shown_works_though_the_default_order_is_hidden(house: MemoryHouse) -> None:
    """The researcher may know a claim's status but not its day, by which claims are ordered unless asked otherwise."""
    query = """query ($id: ID!, $s: [ClaimStatus!]) { patient(id: $id) {
      claims(first: 100, filter: {status: $s}) { edges { node { status } } } } }"""
    name = await house.patient_name(Planted.PATIENT)
    whole = await house.ask("researcher", query, id=name)
    statuses = [edge["node"]["status"] for edge in whole["data"]["patient"]["claims"]["edges"]]
    assert statuses
    some = await house.ask("researcher", query, id=name, s=[statuses[0]])
    found = [edge["node"]["status"] for edge in some["data"]["patient"]["claims"]["edges"]]
    assert found == [one for one in statuses if one == statuses[0]]


@pytest.mark.parametrize("order", ["FAMILY_ASC", "FAMILY_DESC", "BIRTH_DATE_ASC", "BIRTH_DATE_DESC"])
async def test_an_order_by_what_is_hidden_or_masked_reveals_nothing(house: MemoryHouse, order: str) -> None:
    """It falls back to the order of the source's own ids, whatever direction was asked for."""
    query = f"{{ patients(first: 100, orderBy: {order}) {{ edges {{ node {{ id }} }} }} }}"
    answer = await house.ask("researcher", query)
    ids = [edge["node"]["id"] for edge in answer["data"]["patients"]["edges"]]
    charted = [person for person in house.populations["riverbend"].people if person.ehr_id]
    charted.sort(key=lambda person: person.ehr_id or "")
    expected = [name for person in charted if (name := await house.patient_name(person.key)) in ids]
    assert ids == expected


async def test_an_order_by_what_may_be_known_orders(house: MemoryHouse) -> None:
    query = "{ patients(first: 100, orderBy: %s) { edges { node { birthDate } } } }"
    for order, backwards in (("BIRTH_DATE_ASC", False), ("BIRTH_DATE_DESC", True)):
        answer = await house.ask("biller", query % order)
        dates = [edge["node"]["birthDate"] for edge in answer["data"]["patients"]["edges"]]
        assert dates == sorted(dates, reverse=backwards)
        assert len(set(dates)) > 10


async def test_an_order_behind_an_edge_that_is_hidden_reveals_nothing(house: MemoryHouse) -> None:
    query = """query ($id: ID!) { patient(id: $id) {
      up: appointments(first: 100, orderBy: START_ASC) { edges { node { id } } }
      down: appointments(first: 100, orderBy: START_DESC) { edges { node { id } } } } }"""
    name = await house.patient_name(Planted.PATIENT)
    hidden = (await house.ask("researcher", query, id=name))["data"]["patient"]
    assert hidden["up"] == hidden["down"]
    shown = (await house.ask("patient", query, id=name))["data"]["patient"]
    assert shown["up"]["edges"] == shown["down"]["edges"][::-1] != shown["down"]["edges"]


async def test_a_row_whose_class_may_not_be_searched_is_not_found_among_rows_that_may(house: MemoryHouse) -> None:
    """One list, two classes: by name only those patients are found whose name the caller may know."""

    def namesakes_hidden(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is not Rule.CLASSES:
            return verdict
        return Verdict(
            {key: _without_name(answer, verdict) for key, answer in verdict.result.items()},
            verdict.revision,
            verdict.decision_id,
        )

    found = await _found(house, "physician", "patients", {"family": "re"})
    house.engine.publish()
    house.engine.twist = namesakes_hidden
    none = await _found(house, "physician", "patients", {"family": "re"})
    house.engine.publish()
    assert found
    assert none == []


def _without_name(answer: Answer, _: Verdict) -> Answer:
    hidden = {"effect": "mask", "mask": "initial"}
    return {**answer, "overrides": {**answer["overrides"], "Patient.name": hidden}} if answer["visible"] else answer


async def test_names_are_matched_by_prefix_in_any_case_and_literally(house: MemoryHouse) -> None:
    for family, key in (("lindq", Planted.ELDER_CHILD), ("O'SHAUGH", Planted.APOSTROPHE), ("<scr", Planted.MARKUP)):
        names = await _found(house, "researcher", "patients", {"family": family})
        assert names == []
        name = await house.patient_name(key)
        assert (name in await _found(house, "biller", "patients", {"family": family})) is (
            _person(house, key).organization == "org-1"
        )


@pytest.mark.parametrize("text", ["%", "_", "%%", "W%", "*", "(a+)+$", "\\", "'", "' or 1=1 --", "^", ".*", "{}", "$1"])
async def test_text_that_means_something_elsewhere_is_matched_literally(house: MemoryHouse, text: str) -> None:
    for field in ("family", "given", "identifier", "mrn"):
        assert await _found(house, "biller", "patients", {field: text}) == []


HOSTILE: dict[str, Any] = {
    "a NUL": {"family": "a\x00b"},
    "right to left": {"family": "\N{RIGHT-TO-LEFT OVERRIDE}nhoj"},
    "a line break": {"given": "a\nb"},
    "10 KB": {"family": "x" * 10_240},
    "129 letters": {"identifier": "x" * 129},
    "an MRN of 129 letters": {"mrn": "x" * 129},
    "nothing": {"family": ""},
    "blanks": {"given": "   "},
    "half a surrogate": {"family": "\ud800"},
    "a month": {"birthDate": "1980-01"},
    "a day that never was": {"birthDate": "1980-02-30"},
    "other digits": {"birthDate": "".join(chr(0x0660 + int(d)) if d != "-" else d for d in "1980-01-01")},
    "an instant for a day": {"birthDate": "1980-01-01T00:00:00Z"},
    "a week date": {"birthDate": "1980-W01-1"},
}


@pytest.mark.parametrize("why", HOSTILE)
async def test_a_hostile_filter_is_a_bad_argument_that_repeats_nothing(house: MemoryHouse, why: str) -> None:
    query = "query ($f: PatientFilter) { patients(filter: $f) { edges { node { id } } } }"
    answer = await house.ask("biller", query, f=HOSTILE[why])
    assert answer["data"] == {"patients": None}
    (error,) = answer["errors"]
    ((name, value),) = HOSTILE[why].items()
    assert error["extensions"]["code"] == "BAD_ARGUMENT"
    assert f"filter.{name}" in error["message"]
    assert not value or value not in error["message"]
    assert house.asked() == []


@pytest.mark.parametrize(
    "bounds",
    [
        {"startFrom": "2026-01-01T00:00:00"},
        {"startBefore": "2026-01-01"},
        {"startFrom": "0001-01-01T00:00:00+14:00"},
        {"startBefore": "9999-12-31T23:59:59-12:00"},
        {"status": []},
        {"patient": ""},
        {"practitioner": "x" * 10_240},
        {"patient": "a\x00"},
    ],
)
async def test_a_bad_bound_is_a_bad_argument_at_a_root_and_behind_an_edge(
    house: MemoryHouse, bounds: dict[str, Any]
) -> None:
    query = """query ($f: AppointmentFilter, $id: ID!) { root: appointments(filter: $f) { edges { node { id } } }
      patient(id: $id) { gender appointments(filter: $f) { edges { node { id } } } } }"""
    answer = await house.ask("physician", query, f=bounds, id=await house.patient_name(Planted.PATIENT))
    assert answer["data"]["root"] is None
    assert answer["data"]["patient"]["appointments"] is None
    assert answer["data"]["patient"]["gender"]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_ARGUMENT"}
    assert len(answer["errors"]) == 2


async def test_null_conditions_are_no_conditions(house: MemoryHouse) -> None:
    nulls = {"startFrom": None, "startBefore": None, "status": None, "patient": None, "practitioner": None}
    assert await _found(house, "physician", "appointments", nulls) == await _found(
        house, "physician", "appointments", {}
    )


async def test_all_conditions_must_be_met(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.PATIENT)
    own = await _found(house, "physician", "appointments", {"patient": name}, "status")
    assert sorted(own) == sorted(["FULFILLED"] * 4 + ["CANCELLED", "NOSHOW", "BOOKED", "BOOKED"])
    both = {"patient": name, "status": ["BOOKED", "NOSHOW", "BOOKED"]}
    assert sorted(await _found(house, "physician", "appointments", both, "status")) == ["BOOKED", "BOOKED", "NOSHOW"]
    doctor = house.name(RecordType.PRACTITIONER, EHR, "prac-4")
    assert await _found(house, "physician", "appointments", {"patient": name, "practitioner": doctor}) == []


async def test_a_filter_by_practitioner_finds_theirs_at_a_root_and_behind_an_edge(house: MemoryHouse) -> None:
    doctor = house.name(RecordType.PRACTITIONER, EHR, "prac-1")
    found = await _found(house, "physician", "appointments", {"practitioner": doctor}, "practitioner { id }")
    assert {one["id"] for one in found} == {doctor}
    query = """query ($id: ID!, $d: ID!) { patient(id: $id) { appointments(filter: {practitioner: $d}) {
      edges { node { practitioner { id } } } } } }"""
    answer = await house.ask("patient", query, id=await house.patient_name(Planted.PATIENT), d=doctor)
    edges = answer["data"]["patient"]["appointments"]["edges"]
    assert {edge["node"]["practitioner"]["id"] for edge in edges} == {doctor}


async def test_a_filter_by_a_patient_who_may_not_be_seen_finds_what_one_who_never_was_finds(
    house: MemoryHouse,
) -> None:
    nobody = house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")
    for name in (await house.patient_name(Planted.STRANGER), nobody, "forged", house.name(RecordType.CLAIM, "x", "y")):
        assert await _found(house, "physician", "appointments", {"patient": name}) == []
        assert await _found(house, "patient", "claims", {"patient": name}) == []


async def test_slots_are_found_by_site_time_and_status(house: MemoryHouse) -> None:
    site = house.name(RecordType.LOCATION, EHR, "loc-1")
    slots = await _found(house, "website", "slots", {"location": site, "status": ["FREE"]}, "location { id }")
    assert {one["id"] for one in slots} == {site}
    assert await _found(house, "website", "slots", {"startFrom": "2200-01-01T00:00:00+02:00"}) == []


def test_every_field_of_a_filter_has_the_attribute_that_it_reveals(house: MemoryHouse) -> None:
    for type_, fields in REVEALS.items():
        for attribute in fields.values():
            assert attribute in house.schema.tags[type_.value], f"{type_} {attribute}"


def test_the_order_by_id_reveals_nothing() -> None:
    assert revealed(RecordType.PATIENT, (), Ordering("id")) == frozenset()
    assert revealed(RecordType.PATIENT, (), Ordering("family")) == {"name"}
    assert revealed(RecordType.PATIENT, (), None) == frozenset()


def test_instants_are_written_in_utc() -> None:
    moment = datetime.fromisoformat("2026-07-01T01:30:00+02:00")
    assert written(instant(moment)) == "2026-06-30T23:30:00+00:00"
