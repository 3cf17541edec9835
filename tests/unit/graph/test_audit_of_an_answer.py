"""The audit entry of an answer names exactly the patients and coordinates that the answer holds."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.errors import SourceUnavailable
from portico.records.references import PatientId, Tenant
from sandbox.population.planted import Planted
from tests.house import BILLING, MemoryHouse

QUERY = """query Ward { patients(first: 7) { edges { node { __typename id name { family } birthDate ssn
    identifiers { value } managingOrganization { __typename id name }
    appointments(first: 2) { edges { node { __typename id start reason practitioner { __typename npi } } } }
    claims(first: 2) { edges { node { __typename status billed { amount } diagnoses { code } } } } } } } }"""


def _held(value: Any, found: set[str]) -> None:
    """Every coordinate under which an answer holds something, read off the answer itself."""
    match value:
        case {"__typename": type_, **fields}:
            found |= {f"{type_}.{name}" for name, one in fields.items() if one is not None}
            for one in fields.values():
                _held(one, found)
        case dict():
            for one in value.values():
                _held(one, found)
        case list():
            for one in value:
                _held(one, found)


async def _asked(house: MemoryHouse, persona: str, query: str, **variables: Any) -> tuple[dict[str, Any], AuditEntry]:
    answer = await house.ask(persona, query, **variables)
    (entry,) = house.trail.entries
    return answer, entry


async def _patients(house: MemoryHouse, names: list[str]) -> set[PatientId]:
    ids = {}
    for person in house.populations["riverbend"].people:
        if person.ehr_id:
            ids[await house.patient_name(person.key)] = await house.patient_id(person.key)
    return {ids[name] for name in names}


@pytest.mark.parametrize("persona", ["physician", "front-desk", "biller", "researcher", "guardian", "patient"])
async def test_an_entry_names_exactly_whom_and_what_the_answer_tells(house: MemoryHouse, persona: str) -> None:
    answer, entry = await _asked(house, persona, QUERY)
    nodes = [edge["node"] for edge in answer["data"]["patients"]["edges"]]
    assert entry.patients == await _patients(house, [node["id"] for node in nodes])
    held: set[str] = set()
    _held(answer["data"], held)
    masked = {_of_type(one, answer) for one in answer["extensions"]["portico"].get("masked", ())}
    assert entry.masked == masked
    assert entry.withheld == {error["extensions"]["coordinate"] for error in answer.get("errors", ())}
    assert held - entry.masked <= entry.released
    assert not entry.released & entry.withheld
    assert entry.released - held <= _absent(answer), "what is released but not there is an empty value"


def _of_type(path: str, answer: dict[str, Any]) -> str:
    """The coordinate behind a masked path, by the answer's own type names."""
    value = answer["data"]
    *steps, last = path.split(".")
    for step in steps:
        value = value[0] if step == "@" else value[step]
    return f"{value['__typename']}.{last}"


def _absent(answer: dict[str, Any]) -> set[str]:
    found: set[str] = set()

    def walk(value: Any) -> None:
        match value:
            case {"__typename": type_, **fields}:
                found.update(f"{type_}.{name}" for name, one in fields.items() if one is None)
                for one in fields.values():
                    walk(one)
            case dict():
                for one in value.values():
                    walk(one)
            case list():
                for one in value:
                    walk(one)

    walk(answer["data"])
    return found


async def test_the_row_that_only_proves_a_next_page_is_not_in_the_entry(house: MemoryHouse) -> None:
    """To know whether more follows, one row more is looked at: its patient was not shown to anybody."""
    for first in (1, 2, 5):
        house.trail.entries.clear()
        answer, entry = await _asked(house, "biller", f"{{ patients(first: {first}) {{ edges {{ node {{ id }} }} }} }}")
        assert len(answer["data"]["patients"]["edges"]) == len(entry.patients) == first
        assert entry.released == {"Patient.id"}


async def test_an_entry_says_who_why_and_with_which_document(house: MemoryHouse) -> None:
    answer, entry = await _asked(house, "physician", QUERY)
    told = answer["extensions"]["portico"]
    assert (entry.tenant, entry.subject, entry.kind, entry.client) == (
        "riverbend", "usr-physician", "person", "workstation",
    )  # fmt: skip
    assert entry.purpose == "TREAT"
    assert entry.roles == {"physician"}
    assert entry.operation == hashlib.sha256(QUERY.encode()).hexdigest()
    assert entry.operation_name == "Ward"
    assert entry.request_id == told["requestId"]
    assert entry.policy_revision == told["policy"]["revision"] == house.engine.revision
    assert entry.sources == set(told["sources"]) == {"ehr", "scheduling", "billing"}
    assert {error["extensions"]["decisionId"] for error in answer["errors"]} <= entry.decision_ids


async def test_decisions_from_memory_are_cited_like_fresh_ones(house: MemoryHouse) -> None:
    await house.ask("biller", QUERY)
    fresh = house.trail.entries[-1].decision_ids
    await house.ask("biller", QUERY)
    assert house.trail.entries[-1].decision_ids
    assert house.trail.entries[-1].decision_ids <= fresh
    assert house.trail.entries[-1].policy_revision == house.engine.revision


@pytest.mark.parametrize(
    ("persona", "query", "outcome"),
    [
        ("patient", "{ patients { edges { node { email } } } }", Outcome.RELEASED),
        ("physician", "{ patients(first: 1) { edges { node { ssn } } } }", Outcome.PARTIAL),
        ("front-desk", "{ patients(first: 1) { edges { node { identifiers { value } } } } }", Outcome.PARTIAL),
        ("auditor", "{ patients { edges { node { email } } } }", Outcome.RELEASED),
        ("physician", "{ patients(first: 1) { edges { node { email } } } }", Outcome.RELEASED),
    ],
)
async def test_an_outcome_says_whether_everything_was_released(
    house: MemoryHouse, persona: str, query: str, outcome: Outcome
) -> None:
    _, entry = await _asked(house, persona, query)
    assert entry.outcome is outcome


async def test_a_failed_source_makes_the_outcome_partial_and_its_edge_is_not_released(house: MemoryHouse) -> None:
    house.sources[Tenant("riverbend")][BILLING].failure = SourceUnavailable(BILLING)
    query = "query ($id: ID!) { patient(id: $id) { gender claims { edges { cursor } } } }"
    _, entry = await _asked(house, "biller", query, id=await house.patient_name(Planted.PATIENT))
    assert entry.outcome is Outcome.PARTIAL
    assert "Patient.claims" not in entry.released | entry.withheld
    assert entry.sources == {"ehr", "billing"}


async def test_what_tells_about_nobody_names_nobody(house: MemoryHouse) -> None:
    _, entry = await _asked(house, "website", "{ practitioners { edges { node { npi } } } slots { edges { cursor } } }")
    assert entry.patients == frozenset()
    assert entry.released == {"Practitioner.npi"}


async def test_somebody_who_may_not_be_seen_is_in_no_entry(house: MemoryHouse) -> None:
    query = "query ($id: ID!) { patient(id: $id) { name { family } } }"
    _, entry = await _asked(house, "physician", query, id=await house.patient_name(Planted.STRANGER))
    assert (entry.patients, entry.released, entry.sources) == (frozenset(), frozenset(), frozenset())


async def test_a_document_that_is_refused_leaves_no_entry_and_reveals_nothing(house: MemoryHouse) -> None:
    for query in ("{ nothing }", "{", "{ patients(first: 1000000000000) { edges { cursor } } }"):
        assert "data" not in await house.ask("physician", query)
    assert house.trail.entries == []


async def test_entries_of_all_answers_make_a_sound_chain(house: MemoryHouse) -> None:
    for persona in house.personas:
        await house.ask(persona, QUERY)
    assert [report.flaw for report in await house.trail.verify()] == [None, None]


async def test_no_entry_holds_a_value_of_a_record(house: MemoryHouse) -> None:
    for persona in ("physician", "biller", "patient", "researcher"):
        await house.ask(persona, QUERY)
    written = b"".join(entry.encode() for entry in house.trail.entries).decode()
    for person in house.populations["riverbend"].people:
        for value in (person.ssn, person.email, person.mrn, person.birth_date, person.phone):
            assert value not in written
