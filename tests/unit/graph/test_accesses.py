"""Who looked at a patient: told to the patient, to a guardian and to an auditor, and to nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from portico.audit.entry import AuditEntry, Outcome
from portico.records.references import PatientId, Tenant
from resolvers.accesses import ROUNDS_LIMIT, ROWS_AT_ONCE
from sandbox.population.planted import Planted
from tests.house import MemoryHouse, memory_house

ACCESSES = """query ($id: ID!, $first: Int, $after: String, $from: DateTime, $until: DateTime) {
  patient(id: $id) { accesses(first: $first, after: $after, from: $from, until: $until) {
    pageInfo { hasNextPage startCursor endCursor } edges { cursor node { at purpose client disclosure sources released
      who { subject kind roles } } } } } }"""
OF_PATIENT = ACCESSES.replace("patient(id: $id) { accesses(", "accesses(patient: $id, ").removesuffix(" }")
NUMBERS = count()


def entry(*patients: PatientId, **changes: Any) -> AuditEntry:
    given: dict[str, Any] = {
        "tenant": Tenant("riverbend"),
        "request_id": f"r-{next(NUMBERS)}",
        "subject": "usr-nurse",
        "kind": "person",
        "roles": frozenset({"nurse", "teacher"}),
        "purpose": "TREAT",
        "client": "ward",
        "operation": "0f" * 32,
        "patients": frozenset(patients),
        "released": frozenset({"Patient.name"}),
        "masked": frozenset({"Patient.ssn"}),
        "withheld": frozenset({"Claim.paid"}),
        "sources": frozenset({"ehr", "billing"}),
        "policy_revision": "rev-1",
        "outcome": Outcome.PARTIAL,
        "at": datetime.now(UTC),
    }
    return AuditEntry(**{**given, **changes})


async def told(house: MemoryHouse, persona: str, key: str, **arguments: Any) -> list[dict[str, Any]]:
    name = await house.patient_name(key)
    answer = await house.ask(persona, OF_PATIENT if persona == "auditor" else ACCESSES, id=name, **arguments)
    assert "errors" not in answer, answer
    found = answer["data"] if persona == "auditor" else answer["data"]["patient"]
    return [edge["node"] for edge in found["accesses"]["edges"]]


async def test_a_patient_reads_who_looked_why_and_at_what(house: MemoryHouse) -> None:
    patient = await house.patient_id(Planted.PATIENT)
    await house.trail.commit(entry(patient))
    (newest, *_) = await told(house, "patient", Planted.PATIENT)
    at = datetime.fromisoformat(newest.pop("at"))
    assert timedelta(0) <= datetime.now(UTC) - at < timedelta(minutes=1)
    assert newest == {
        "purpose": "TREAT",
        "client": "ward",
        "disclosure": False,
        "sources": ["billing", "ehr"],
        "released": ["Patient.name", "Patient.ssn"],
        "who": {"subject": "usr-nurse", "kind": "person", "roles": ["nurse", "teacher"]},
    }


async def test_what_a_physician_was_shown_is_told_to_the_patient(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.PATIENT)
    await house.ask("physician", "query ($id: ID!) { patient(id: $id) { birthDate gender } }", id=name)
    (newest, *_) = await told(house, "patient", Planted.PATIENT)
    assert (newest["who"]["subject"], newest["released"]) == (
        "usr-physician", ["Patient.birthDate", "Patient.gender"],
    )  # fmt: skip


async def test_the_reading_of_accesses_is_an_access_too(house: MemoryHouse) -> None:
    patient = await house.patient_id(Planted.ELDER_CHILD)
    await house.trail.commit(entry(patient))
    await told(house, "auditor", Planted.ELDER_CHILD)
    assert house.trail.entries[-1].patients == {patient}
    newest, *_ = await told(house, "guardian", Planted.ELDER_CHILD)
    assert newest["who"] == {"subject": "usr-auditor", "kind": "person", "roles": ["auditor"]}
    assert {"Access.at", "Access.who"} <= set(newest["released"])


@pytest.mark.parametrize("persona", ["physician", "front-desk", "biller"])
async def test_whoever_may_not_know_who_looked_reads_that_it_is_withheld(house: MemoryHouse, persona: str) -> None:
    await house.trail.commit(entry(await house.patient_id(Planted.PATIENT)))
    answer = await house.ask(persona, "{ patients(first: 3) { edges { node { id accesses { edges { cursor } } } } } }")
    nodes = [edge["node"] for edge in answer["data"]["patients"]["edges"]]
    assert len(nodes) == 3
    assert {str(node["accesses"]) for node in nodes} == {"None"}
    (error,) = answer["errors"]
    assert (error["extensions"]["coordinate"], error["extensions"]["reason"]) == (
        "Patient.accesses", "minimum_necessary",
    )  # fmt: skip
    assert house.trail.entries[-1].released >= {"Patient.id"}
    assert "Patient.accesses" not in house.trail.entries[-1].released


@pytest.mark.parametrize(
    "persona", ["physician", "front-desk", "biller", "researcher", "operator", "website", "patient", "guardian"]
)
async def test_nobody_else_reads_them_by_the_patients_id(house: MemoryHouse, persona: str) -> None:
    await house.trail.commit(entry(await house.patient_id(Planted.STRANGER)))
    name = await house.patient_name(Planted.STRANGER)
    never = house.name("Patient", "portico", "0a0a0a0a-0000-4000-8000-00000000000a")  # type: ignore[arg-type]
    answers = [await house.ask(persona, OF_PATIENT, id=id_) for id_ in (name, never, "nonsense")]
    for answer in answers:
        assert answer["data"]["accesses"]["edges"] == []
        assert "errors" not in answer


async def test_an_auditor_reads_who_looked_and_nothing_of_the_patient(house: MemoryHouse) -> None:
    await house.trail.commit(entry(await house.patient_id(Planted.PATIENT)))
    newest, *_ = await told(house, "auditor", Planted.PATIENT)
    assert newest["who"]["subject"] == "usr-nurse"
    name = await house.patient_name(Planted.PATIENT)
    answer = await house.ask("auditor", "query ($id: ID!) { patient(id: $id) { id } node(id: $id) { id } }", id=name)
    assert answer["data"] == {"patient": None, "node": None}
    assert house.asked() == []


async def test_a_guardian_reads_of_their_wards_alone(house: MemoryHouse) -> None:
    ward, other = await house.patient_id(Planted.ELDER_CHILD), await house.patient_id(Planted.PATIENT)
    await house.trail.commit(entry(ward, subject="usr-ward"))
    await house.trail.commit(entry(other, subject="usr-other"))
    subjects = {one["who"]["subject"] for one in await told(house, "guardian", Planted.ELDER_CHILD)}
    assert "usr-ward" in subjects
    assert "usr-other" not in subjects
    stranger = await house.ask("guardian", ACCESSES, id=await house.patient_name(Planted.PATIENT))
    assert stranger["data"]["patient"] is None


async def test_an_access_to_what_is_kept_from_the_guardian_is_kept_from_them_too(house: MemoryHouse) -> None:
    ward = await house.patient_id(Planted.YOUNGER_CHILD)
    kept = {"SUD", "HIV", "RPRO", "minor-confidential"}
    for label in kept:
        await house.trail.commit(entry(ward, subject=f"usr-{label}", labels=frozenset({"PSY", label})))
    await house.trail.commit(entry(ward, subject="usr-PSY", labels=frozenset({"PSY"})))
    subjects = [one["who"]["subject"] for one in await told(house, "guardian", Planted.YOUNGER_CHILD)]
    assert subjects[0] == "usr-PSY"
    assert not {f"usr-{label}" for label in kept} & set(subjects)
    audited = {one["who"]["subject"] for one in await told(house, "auditor", Planted.YOUNGER_CHILD)}
    assert {"usr-PSY", *(f"usr-{label}" for label in kept)} <= audited


async def test_the_labels_of_what_an_answer_tells_are_recorded_with_it(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.SENSITIVE)
    await house.ask("physician", "query ($id: ID!) { patient(id: $id) { encounters { edges { cursor } } } }", id=name)
    assert "PSY" in house.trail.entries[-1].labels
    name = await house.patient_name(Planted.PATIENT)
    await house.ask("physician", "query ($id: ID!) { patient(id: $id) { gender } }", id=name)
    assert "PSY" not in house.trail.entries[-1].labels


async def test_a_refused_answer_and_a_command_are_no_accesses(house: MemoryHouse) -> None:
    patient = await house.patient_id(Planted.PATIENT)
    await house.trail.commit(entry(patient, subject="usr-refused", outcome=Outcome.REFUSED))
    await house.trail.commit(entry(patient, subject="usr-command", outcome=Outcome.DONE, command="breakTheGlass"))
    subjects = {one["who"]["subject"] for one in await told(house, "patient", Planted.PATIENT)}
    assert not {"usr-refused", "usr-command"} & subjects


@pytest.mark.parametrize(
    ("purpose", "listed"),
    [("TREAT", False), ("ETREAT", False), ("HPAYMT", False), ("HOPERAT", False), ("PATRQT", False),
     ("HRESCH", True), ("PUBHLTH", True), ("HMARKT", True), ("never heard of", True)],
)  # fmt: skip
async def test_a_disclosure_is_what_the_law_has_accounted_for(house: MemoryHouse, purpose: str, listed: bool) -> None:
    await house.trail.commit(entry(await house.patient_id(Planted.PATIENT), purpose=purpose))
    newest, *_ = await told(house, "patient", Planted.PATIENT)
    assert (newest["purpose"], newest["disclosure"]) == (purpose, listed)


@pytest.mark.parametrize(
    ("subject", "shown"),
    [
        ("usr-1", "usr-1"),
        ("line\nbreak\x1b[31m", "line\ufffdbreak\ufffd[31m"),
        ("\u202eright-to-left\u2066", "\ufffdright-to-left\ufffd"),
        ("zero\u200bwidth\ufeff", "zero\ufffdwidth\ufffd"),
        ("x" * 65, "x" * 64 + "…"),
        ("<b>é 名</b>", "<b>é 名</b>"),
    ],
)
async def test_the_name_of_whoever_looked_is_fit_to_be_shown(house: MemoryHouse, subject: str, shown: str) -> None:
    patient = await house.patient_id(Planted.PATIENT)
    await house.trail.commit(entry(patient, subject=subject, client=subject, roles=frozenset({subject})))
    newest, *_ = await told(house, "patient", Planted.PATIENT)
    assert newest["who"] == {"subject": shown, "kind": "person", "roles": [shown]}
    assert newest["client"] == shown


# -- pages


async def _walk(house: MemoryHouse, persona: str, key: str, first: int, **arguments: Any) -> list[list[str]]:
    pages: list[list[str]] = []
    after, more = None, True
    name = await house.patient_name(key)
    while more:
        answer = await house.ask(persona, ACCESSES, id=name, first=first, after=after, **arguments)
        found = answer["data"]["patient"]["accesses"]
        pages.append([edge["node"]["who"]["subject"] for edge in found["edges"]])
        after, more = found["pageInfo"]["endCursor"], found["pageInfo"]["hasNextPage"]
    return pages


@pytest.mark.parametrize("first", [1, 2, 3, 7, 100])
async def test_pages_are_full_or_last_and_nothing_is_missing_twice_or_hidden(house: MemoryHouse, first: int) -> None:
    """Whatever lies between that may not be seen, and though each reading adds a row of its own."""
    ward, until = await house.patient_id(Planted.ELDER_CHILD), None
    begun = datetime.now(UTC)
    for number in range(10):
        await house.trail.commit(entry(ward, subject=f"usr-{number}"))
        for _ in range(number):
            await house.trail.commit(entry(ward, subject="usr-hidden", labels=frozenset({"SUD"})))
    until = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    pages = await _walk(house, "guardian", Planted.ELDER_CHILD, first, until=until)
    seen = [subject for page in pages for subject in page]
    assert "usr-hidden" not in seen
    assert [one for one in seen if one.startswith("usr-") and one[4:].isdigit()][:10] == [
        f"usr-{number}" for number in reversed(range(10))
    ]
    assert {len(page) for page in pages[:-1]} <= {first}
    assert begun < datetime.now(UTC)


async def test_two_histories_that_differ_in_hidden_accesses_give_equal_bytes(house: MemoryHouse) -> None:
    """Cursors and page ends included."""
    ward = await house.patient_id(Planted.YOUNGER_CHILD)
    name = await house.patient_name(Planted.YOUNGER_CHILD)
    for number in range(3):
        await house.trail.commit(entry(ward, subject=f"usr-{number}"))
    query = ACCESSES.replace("released", "").replace(" at ", " ")
    before = (await house.ask("guardian", query, id=name, first=3))["data"]
    for _ in range(5):
        await house.trail.commit(entry(ward, subject="usr-hidden", labels=frozenset({"SUD"})))
    after = (await house.ask("guardian", query, id=name, first=4))["data"]
    # The first reading is an access itself; all the rest is as it was.
    assert after["patient"]["accesses"]["edges"][1:] == before["patient"]["accesses"]["edges"]


async def test_a_list_of_accesses_with_too_little_to_see_fails_and_never_ends_short() -> None:
    async with memory_house(size=25) as house:
        ward, name = await house.patient_id(Planted.ELDER_CHILD), await house.patient_name(Planted.ELDER_CHILD)
        await house.trail.commit(entry(ward, subject="usr-first"))
        hidden = [entry(ward, labels=frozenset({"SUD"})) for _ in range(ROWS_AT_ONCE * ROUNDS_LIMIT + 10)]
        for one in hidden:
            await house.trail.commit(one)
        answer = await house.ask("guardian", ACCESSES, id=name, first=5)
        assert answer["data"]["patient"]["accesses"] is None
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["LIST_TOO_SPARSE"]
        children = "{ patients { edges { node { accesses(first: 5) { pageInfo { hasNextPage } } } } } }"
        nodes = [edge["node"] for edge in (await house.ask("guardian", children))["data"]["patients"]["edges"]]
        assert [node["accesses"] is None for node in nodes].count(True) == 1, "the others' lists are theirs"


async def test_from_and_until_bound_the_list(house: MemoryHouse) -> None:
    patient = await house.patient_id(Planted.PATIENT)
    await house.trail.commit(entry(patient, subject="usr-now"))
    now = datetime.now(UTC)
    soon, recently = (now + timedelta(minutes=1)).isoformat(), (now - timedelta(minutes=1)).isoformat()
    assert "usr-now" in {
        one["who"]["subject"] for one in await told(house, "patient", Planted.PATIENT, **{"from": recently})
    }
    assert await told(house, "patient", Planted.PATIENT, **{"from": soon}) == []
    assert await told(house, "patient", Planted.PATIENT, until=recently) == []
    assert len(await told(house, "patient", Planted.PATIENT, until=soon, first=1)) == 1


@pytest.mark.parametrize(
    "arguments", [{"first": -1}, {"first": 101}, {"after": "nonsense"}, {"until": "2026-01-31T00:00:00"}]
)
async def test_bad_arguments_are_told(house: MemoryHouse, arguments: dict[str, Any]) -> None:
    name = await house.patient_name(Planted.PATIENT)
    for query in (ACCESSES, OF_PATIENT):
        answer = await house.ask("patient", query, id=name, **arguments)
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_ARGUMENT"]


async def test_a_cursor_of_the_accesses_is_good_for_its_reader_patient_and_period_only(house: MemoryHouse) -> None:
    ward, name = await house.patient_id(Planted.ELDER_CHILD), await house.patient_name(Planted.ELDER_CHILD)
    for _ in range(3):
        await house.trail.commit(entry(ward))
    answer = await house.ask("guardian", ACCESSES, id=name, first=1)
    cursor = answer["data"]["patient"]["accesses"]["pageInfo"]["endCursor"]
    again = await house.ask("guardian", ACCESSES, id=name, first=1, after=cursor)
    assert "errors" not in again
    other = await house.patient_name(Planted.YOUNGER_CHILD)
    replays = (
        ("guardian", ACCESSES, {"id": other}),
        ("guardian", ACCESSES, {"id": name, "until": "2040-01-01T00:00:00Z"}),
        ("guardian", OF_PATIENT, {"id": name}),
        ("auditor", OF_PATIENT, {"id": name}),
    )
    for persona, query, variables in replays:
        refused = await house.ask(persona, query, first=1, after=cursor, **variables)
        assert [error["extensions"]["code"] for error in refused["errors"]] == ["BAD_ARGUMENT"]


async def test_a_trail_that_cannot_be_read_releases_nothing(house: MemoryHouse) -> None:
    name = await house.patient_name(Planted.PATIENT)
    house.trail.available = False
    answer = await house.ask("patient", ACCESSES, id=name)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["AUDIT_UNAVAILABLE"]


async def test_the_accesses_of_many_patients_are_one_question() -> None:
    async with memory_house(size=25) as house:
        await _ask_of_many(house)


async def _ask_of_many(house: MemoryHouse) -> None:
    for key in (Planted.ELDER_CHILD, Planted.YOUNGER_CHILD):
        await house.trail.commit(entry(await house.patient_id(key)))
    house.trail.questions = 0
    answer = await house.ask(
        "guardian", "{ patients { edges { node { id accesses(first: 1) { edges { node { purpose } } } } } } }"
    )
    nodes = [edge["node"] for edge in answer["data"]["patients"]["edges"]]
    assert len(nodes) > 1
    assert all(len(node["accesses"]["edges"]) <= 1 for node in nodes)
    assert house.trail.questions == 1
