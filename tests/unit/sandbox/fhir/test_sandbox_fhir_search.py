"""FHIR search, as the specification has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from fhirclient.models.bundle import Bundle
from fhirclient.models.capabilitystatement import CapabilityStatement
from starlette.testclient import TestClient

from sandbox.control import Control
from sandbox.fhir.datatypes import MRN, SITE, VISIT
from sandbox.fhir.parameters import PARAMETERS
from tests.contract.small_population import PAYLOAD_FAMILY, TENANT
from tests.unit.sandbox.fhir.conftest import BASE

Ask = Callable[[str], Any]


def _ids(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    Bundle(bundle)
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


def test_ids_between_commas_are_a_disjunction_and_unknown_ones_are_none(ask: Ask) -> None:
    assert set(_ids(ask("Patient?_id=pat-1,pat-3,nobody"))) == {"pat-1", "pat-3"}


def test_repeated_parameters_are_a_conjunction(ask: Ask) -> None:
    assert _ids(ask("Patient?_id=pat-1,pat-2&_id=pat-2,pat-3")) == ["pat-2"]
    assert _ids(ask("Patient?family=baker&given=sam&_id=pat-3")) == ["pat-3"]


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (f"identifier={MRN}|MRN0001", ["pat-1"]),
        ("identifier=MRN0001", ["pat-1"]),
        ("identifier=MRN0001,900-55-0003", ["pat-1", "pat-3"]),
        (f"identifier={SITE}|MRN0001", []),
        ("identifier=|MRN0001", []),
        ("identifier=mrn0001", []),
        ("identifier=MRN000", []),
    ],
)
def test_tokens_match_whole_and_within_their_system(ask: Ask, question: str, found: list[str]) -> None:
    assert _ids(ask(f"Patient?{question}")) == found


def test_a_system_alone_matches_whoever_has_an_identifier_of_it(ask: Ask) -> None:
    assert len(_ids(ask(f"Patient?identifier={MRN}|"))) == 11


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("family=BAK", ["pat-2", "pat-3"]),
        ("family=mull", ["pat-6"]),
        ("family=MÜLLER-l", ["pat-6"]),
        ("given=zoe", ["pat-6"]),
        ("family=aker", []),
        ("family=%25", []),
        ("family=archer,mason", ["pat-1", "pat-9"]),
        ("name=Ada", ["pat-1"]),
    ],
)
def test_strings_match_by_prefix_without_case_and_accents(ask: Ask, question: str, found: list[str]) -> None:
    assert _ids(ask(f"Patient?{question}")) == found


def test_escaped_separators_are_literal(ask: Ask) -> None:
    escaped = PAYLOAD_FAMILY.replace("\\", "\\\\").replace(",", "\\,").replace("|", "\\|")
    assert _ids(ask(f"Patient?family={quote(escaped)}")) == ["pat-7"]
    assert _ids(ask("Patient?_id=pat-1\\,pat-2")) == []
    assert _ids(ask("Patient?identifier=a\\|MRN0001")) == []


@pytest.mark.parametrize(
    ("question", "count"),
    [
        ("birthdate=1980-02-29", 2),
        ("birthdate=1980", 2),
        ("birthdate=1980-02", 2),
        ("birthdate=1980-03", 0),
        ("birthdate=ge2016", 1),
        ("birthdate=gt2016-03-05", 0),
        ("birthdate=lt1980&birthdate=ge1948", 4),
        ("birthdate=ne1980", 9),
        ("birthdate=1980-02-29,2016-03-05", 3),
        ("birthdate=le1944-05-14", 2),
    ],
)
def test_dates_match_by_the_span_of_their_precision(ask: Ask, question: str, count: int) -> None:
    assert len(_ids(ask(f"Patient?{question}"))) == count


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("patient=pat-1", {"con-1-a", "con-1-e", "con-2-a", "con-2-e", "con-2-i"}),
        ("patient=Patient/pat-1&status=active", {"con-1-a", "con-2-a"}),
        ("status=entered-in-error,inactive&patient=pat-1", {"con-1-e", "con-2-e", "con-2-i"}),
        ("patient=pat-5", set()),
        ("patient=pat-6&_lastUpdated=2025-03-01", {"con-4-a", "con-4-e"}),
        ("patient=pat-6&_lastUpdated=gt2025-03-01", set()),
        ("patient=pat-6&_lastUpdated=ge2025-03-01T09:30:00Z", {"con-4-a", "con-4-e"}),
        ("patient=pat-6&_lastUpdated=gt2025-03-01T04:29:59.5-05:00", {"con-4-a", "con-4-e"}),
        ("patient=pat-6&_lastUpdated=gt2025-03-01T09:30:00Z", set()),
        ("patient=pat-6&_lastUpdated=lt2025-03-01T09:30:00Z", set()),
    ],
)
def test_consents_are_found_by_patient_status_and_last_update(ask: Ask, question: str, found: set[str]) -> None:
    assert set(_ids(ask(f"Consent?{question}&_count=100"))) == found


@pytest.mark.parametrize("instant", ["ge2025-03-01T25:00:00Z", "2025-03-01Tnoon"])
def test_an_instant_that_is_none_is_refused(ask: Ask, instant: str) -> None:
    assert ask(f"Consent?_lastUpdated={instant}").status_code == 400


def test_references_match_bare_and_with_their_type(ask: Ask) -> None:
    bare = _ids(ask("Encounter?patient=pat-6"))
    assert bare
    assert bare == _ids(ask("Encounter?subject=Patient/pat-6"))
    assert _ids(ask("Encounter?subject=Practitioner/pat-6")) == []
    assert set(_ids(ask("Coverage?beneficiary=pat-1,pat-2"))) == {"cov-1-1", "cov-1-2", "cov-2-1"}
    assert set(_ids(ask("Patient?organization=org-2"))) == {"pat-6", "pat-11"}
    assert _ids(ask(f"Encounter?identifier={VISIT}|V-000010")) == []
    assert _ids(ask(f"Encounter?identifier={VISIT}|V-000011")) == ["enc-11"]


def test_elements_are_those_asked_for_and_those_required_marked_as_a_subset(ask: Ask) -> None:
    (entry,) = ask("Patient?_id=pat-1&_elements=birthDate,deceased").json()["entry"]
    assert entry["resource"].keys() == {"resourceType", "id", "meta", "birthDate", "deceasedBoolean"}
    assert entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    (entry,) = ask("Coverage?_id=cov-1-1&_elements=period").json()["entry"]
    assert entry["resource"].keys() == {"resourceType", "id", "meta", "status", "beneficiary", "payor", "period"}
    whole = ask("Patient?_id=pat-1").json()["entry"][0]["resource"]
    assert "tag" not in whole["meta"]


def test_order_is_by_the_first_then_the_next_name(ask: Ask) -> None:
    ids = _ids(ask("Patient?_sort=family,_id&_count=100"))
    assert ids.index("pat-2") + 1 == ids.index("pat-3")
    assert ids[0] == "pat-1"
    backwards = _ids(ask("Patient?_sort=-family,-_id&_count=100"))
    assert backwards == ids[::-1]
    assert _ids(ask("Patient?_sort=-birthdate&_count=1")) == ["pat-11"]


def test_pages_follow_an_opaque_link_to_the_end(ask: Ask) -> None:
    whole = _ids(ask("Patient?_sort=_id&_count=100"))
    answer, gathered = ask("Patient?_sort=_id&_count=3"), []
    for _ in range(10):
        gathered += _ids(answer)
        assert answer.json()["total"] == len(whole)
        links = {link["relation"]: link["url"] for link in answer.json()["link"]}
        if "next" not in links:
            break
        assert links["next"].startswith(f"{BASE}/Patient?_cursor=")
        assert "_id" not in links["next"]
        answer = ask(links["next"].removeprefix(f"{BASE}/"))
    assert gathered == whole


def test_a_page_that_is_exactly_full_has_no_next(ask: Ask) -> None:
    assert [link["relation"] for link in ask("Patient?_count=11").json()["link"]] == ["self"]
    assert ask("Patient?_count=0").json()["total"] == 11


def test_a_forgotten_or_foreign_cursor_is_gone(ask: Ask) -> None:
    link = ask("Patient?_count=1").json()["link"][1]["url"]
    assert ask(link.removeprefix(f"{BASE}/").replace("Patient", "Encounter")).status_code == 410
    assert ask("Patient?_cursor=never-given").status_code == 410


@pytest.mark.parametrize(
    "question",
    [
        "Patient?shoe-size=44",
        "Patient?family:exact=Baker",
        "Patient?_include=Patient:organization",
        "Patient?family=",
        "Patient?_sort=ssn",
        "Patient?_count=many",
        "Patient?birthdate=yesterday",
        "Patient?birthdate=1980-13",
        "Patient?identifier=a|b|c",
        "Patient?_format=xml",
    ],
)
def test_what_it_does_not_understand_is_refused_with_an_outcome(ask: Ask, question: str) -> None:
    answer = ask(question)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.json()["resourceType"] == "OperationOutcome"


def test_unknown_types_paths_and_methods_are_refused_with_an_outcome(ask: Ask, http: TestClient, token: str) -> None:
    assert ask("Observation?_id=1").json()["resourceType"] == "OperationOutcome"
    assert ask("Observation?_id=1").status_code == 404
    assert ask("Patient/nobody").status_code == 404
    removed = http.delete(f"{BASE}/Patient/pat-1", headers={"Authorization": f"Bearer {token}"})
    assert removed.status_code == 405
    assert removed.json()["resourceType"] == "OperationOutcome"


def test_a_search_by_post_takes_its_form_and_is_the_same_search(http: TestClient, token: str, control: Control) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    form = {"_id": "pat-1,pat-2", "_elements": "name", "_count": "5"}
    answer = http.post(f"{BASE}/Patient/_search", data=form, headers=headers)
    assert sorted(_ids(answer)) == ["pat-1", "pat-2"]
    assert http.post(f"{BASE}/Patient/_search", json=form, headers=headers).status_code == 415
    assert control.calls[0]["operation"] == "POST /Patient/_search"
    assert control.calls[0]["parameters"] == form
    assert control.calls[0]["tenant"] == TENANT


def test_a_resource_is_read_by_its_id(ask: Ask, control: Control) -> None:
    assert ask("Patient/pat-1").json()["id"] == "pat-1"
    assert [call["operation"] for call in control.calls] == ["GET /Patient/pat-1"]


def test_repeated_parameters_are_recorded_whole(ask: Ask, control: Control) -> None:
    ask("Patient?birthdate=ge1980&birthdate=lt1990&_count=2")
    assert control.calls[0]["parameters"] == {"birthdate": ["ge1980", "lt1990"], "_count": "2"}


def test_the_capability_statement_is_valid_open_and_lists_every_parameter(http: TestClient, control: Control) -> None:
    document = http.get(f"{BASE}/metadata").json()
    assert CapabilityStatement(document).as_json() == document
    listed = {
        resource["type"]: {parameter["name"] for parameter in resource["searchParam"]}
        for resource in document["rest"][0]["resource"]
    }
    assert listed == {type_: set(parameters) for type_, parameters in PARAMETERS.items()}
    assert not control.calls
