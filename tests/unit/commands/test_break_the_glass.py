"""Breaking the glass: who may, for whom, what it opens, what it leaves behind, and how it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import orjson
import pytest

from portico.access.engine import Rule
from portico.audit.entry import Outcome
from portico.records.errors import AuditUnavailable, SourceUnavailable
from portico.records.references import Tenant
from tests.glass import BREAK, CHART, END, REASON, Glass, refusal, refused

RIVERBEND = Tenant("riverbend")


async def test_a_physician_sees_a_stranger_only_once_the_glass_is_broken(glass: Glass) -> None:
    assert not await glass.sees()
    access = await glass.access(minutes=30)

    assert access["who"] == {"subject": "usr-physician", "kind": "person", "roles": ["physician"]}
    assert access["patientId"] == await glass.patient()
    began, ends = (datetime.fromisoformat(access[name]) for name in ("at", "endsAt"))
    assert ends - began == timedelta(minutes=30)
    assert await glass.sees()


async def test_it_opens_one_chart_for_one_person_and_one_purpose(glass: Glass) -> None:
    await glass.access()

    assert not await glass.sees("restricted")
    assert not await glass.sees(purpose="TREAT")
    assert not await glass.sees(with_={"subject": "usr-another-physician"})


async def test_a_list_under_the_emergency_holds_the_one_patient(glass: Glass) -> None:
    everyone = "{ patients { edges { node { id } } } }"
    assert (await glass.run(everyone))["data"]["patients"]["edges"] == []
    await glass.access()

    found = (await glass.run(everyone))["data"]["patients"]["edges"]
    assert [edge["node"]["id"] for edge in found] == [await glass.patient()]


async def test_an_emergency_shows_no_money(glass: Glass) -> None:
    await glass.access()
    answer = await glass.run(
        "query ($id: ID!) { patient(id: $id) { claims { edges { node { id } } } } }", id=await glass.patient()
    )

    assert answer["data"]["patient"]["claims"] is None
    assert refusal(answer)["coordinate"] == "Patient.claims"


async def test_a_patient_can_be_named_by_number_and_birth_date(glass: Glass) -> None:
    person = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger")
    answer = await glass.run(BREAK, input={"mrn": person.mrn, "birthDate": person.birth_date, "reason": REASON})

    assert answer["data"]["breakTheGlass"]["patientId"] == await glass.patient()
    assert await glass.sees()


@pytest.mark.parametrize(
    "wrong", [{"birthDate": "1901-01-01"}, {"mrn": "MRN-000000"}, {"mrn": "*"}, {"mrn": "MRN-2000"}]
)
async def test_number_and_birth_date_must_both_be_right(glass: Glass, wrong: dict[str, str]) -> None:
    person = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger")
    named = {"mrn": person.mrn, "birthDate": person.birth_date, "reason": REASON, **wrong}
    answer = await glass.run(BREAK, input=named)

    assert answer["data"] == {"breakTheGlass": None}
    assert refusal(answer)["reason"] == "unknown_patient"


async def test_the_ehr_is_not_asked_for_anybody_before_the_policies_allow_the_command(glass: Glass) -> None:
    person = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger")
    named = {"mrn": person.mrn, "birthDate": person.birth_date, "reason": REASON}
    for persona, purpose in (("front-desk", "HOPERAT"), ("patient", "PATRQT"), ("website", "HOPERAT")):
        answer = await glass.run(BREAK, persona, purpose, input=named)
        assert refusal(answer)["reason"] == "command_not_permitted"
    answer = await glass.run(BREAK, with_={"acr": "aal1"}, input=named)
    assert refusal(answer)["code"] == "STEP_UP_REQUIRED"

    assert glass.house.asked() == []


async def test_once_the_day_is_spent_a_right_guess_and_a_wrong_one_are_the_same(glass: Glass) -> None:
    """Otherwise numbers and birth dates could be tried for nothing, and how long each took would tell."""
    person = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger")
    right = {"mrn": person.mrn, "birthDate": str(person.birth_date)}
    for number in range(5):
        missed = await glass.broken(patient=None, mrn=f"MRN-NONE-{number}", birthDate="1950-01-01")
        assert refusal(missed)["reason"] == "unknown_patient"
    glass.house.asked()

    answers = [await glass.broken(patient=None, **named) for named in (right, right | {"mrn": "MRN-NONE"})]
    assert [refusal(answer)["reason"] for answer in answers] == ["daily_limit"] * 2
    assert glass.house.asked() == []
    calls = [answer["extensions"]["portico"]["policy"]["calls"] for answer in answers]
    assert calls[0] == calls[1]


async def test_a_failing_ehr_is_told_and_gives_nothing(glass: Glass) -> None:
    ehr = next(iter(glass.house.sources[RIVERBEND].values()))
    ehr.failure = SourceUnavailable("ehr")
    answer = await glass.run(BREAK, input={"mrn": "MRN-1", "birthDate": "1980-01-01", "reason": REASON})

    assert refusal(answer)["code"] == "SOURCE_UNAVAILABLE"
    assert [refused(entry) for entry in glass.commands()] == [("breakTheGlass", "SOURCE_UNAVAILABLE")]
    assert await glass.house.alerts.waiting([RIVERBEND]) == 0


@pytest.mark.parametrize(
    "named",
    [
        {},
        {"mrn": "MRN-1"},
        {"birthDate": "1980-01-01"},
        {"patient": "x", "mrn": "MRN-1"},
        {"patient": "x", "mrn": "MRN-1", "birthDate": "1980-01-01"},
        {"mrn": "", "birthDate": "1980-01-01"},
        {"mrn": "a\nb", "birthDate": "1980-01-01"},
        {"mrn": "1" * 129, "birthDate": "1980-01-01"},
        {"mrn": "MRN-1", "birthDate": "1980"},
        {"mrn": "MRN-1", "birthDate": "1980-02-30"},
        {"mrn": "MRN-1", "birthDate": "\N{ARABIC-INDIC DIGIT ONE}980-01-01"},
    ],
)
async def test_a_patient_is_named_in_one_way_and_wholly(glass: Glass, named: dict[str, str]) -> None:
    answer = await glass.run(BREAK, input={"reason": REASON, **named})

    assert refusal(answer)["code"] == "BAD_ARGUMENT"
    assert glass.house.asked() == []


@pytest.mark.parametrize("name", ["", "x", "stranger", "a" * 5000, "\N{SNOWMAN}"])
async def test_an_id_that_was_never_issued_is_refused_like_an_unknown_patient(glass: Glass, name: str) -> None:
    answer = await glass.run(BREAK, input={"patient": name, "reason": REASON})

    assert (refusal(answer)["code"], refusal(answer)["reason"]) == ("COMMAND_REFUSED", "unknown_patient")


async def test_neither_another_tenants_patient_nor_another_kind_of_record_can_be_named(glass: Glass) -> None:
    house = glass.house
    names = [
        await house.patient_name("stranger", "harbor"),
        house.name("Practitioner", "ehr", "dr-1"),  # type: ignore[arg-type]  # as its text
        house.name("EmergencyAccess", "portico", await house.patient_id("stranger")),  # type: ignore[arg-type]  # as above
    ]
    for name in names:
        assert refusal(await glass.run(BREAK, input={"patient": name, "reason": REASON}))["reason"] == "unknown_patient"


async def test_nobodys_own_record_is_their_emergency(glass: Glass) -> None:
    chart = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger").ehr_id
    answer = await glass.broken(with_={"patients": frozenset({chart})})

    assert refusal(answer)["reason"] == "own_record"
    person = next(one for one in glass.house.populations["riverbend"].people if one.key == "stranger")
    by_number = {"mrn": person.mrn, "birthDate": person.birth_date, "reason": REASON}
    answer = await glass.run(BREAK, with_={"patients": frozenset({chart})}, input=by_number)
    assert refusal(answer)["reason"] == "own_record"


async def test_start_and_end_are_audited_with_their_answers(glass: Glass) -> None:
    access = await glass.access()
    await glass.run(END, access=access["id"])

    patient = await glass.house.patient_id("stranger")
    told = [(entry.command, entry.outcome, entry.patients, entry.purpose) for entry in glass.house.trail.entries]
    assert told == [
        ("breakTheGlass", Outcome.DONE, {patient}, "ETREAT"),
        (None, Outcome.RELEASED, {patient}, "ETREAT"),
        ("endBreakTheGlass", Outcome.DONE, {patient}, "ETREAT"),
        (None, Outcome.RELEASED, {patient}, "ETREAT"),
    ]
    started, _, ended, _ = glass.house.trail.entries
    assert started.target == ended.target
    assert started.operation_name == "Break"
    assert started.decision_ids
    assert {report.flaw for report in await glass.house.trail.verify()} == {None}


async def test_a_refusal_is_audited_with_its_reason_and_whom_it_was_about(glass: Glass) -> None:
    await glass.broken(with_={"acr": "aal1"})
    await glass.broken(reason="help")
    await glass.run(BREAK, "biller", "HPAYMT", input={"patient": await glass.patient(), "reason": REASON})

    assert [refused(entry) for entry in glass.commands()] == [
        ("breakTheGlass", "STEP_UP_REQUIRED"),
        ("breakTheGlass", "BAD_ARGUMENT"),
        ("breakTheGlass", "command_not_permitted"),
    ]
    assert {patient for entry in glass.commands() for patient in entry.patients} == {
        await glass.house.patient_id("stranger")
    }


async def test_where_it_can_not_be_recorded_nothing_is_opened(glass: Glass) -> None:
    glass.house.trail.available = False
    answer = await glass.broken()
    glass.house.trail.available = True

    assert answer["data"] is None
    assert refusal(answer)["code"] == AuditUnavailable.code
    assert not await glass.sees()
    assert await glass.house.alerts.waiting([RIVERBEND]) == 0


@pytest.mark.parametrize("rule", [Rule.COMMAND, Rule.CLASSES, Rule.CEILING])
async def test_where_the_policies_do_not_answer_nothing_is_told(glass: Glass, rule: Rule) -> None:
    house = glass.house

    def silent(asked: Rule, verdict: Any) -> Any:
        if asked is rule:
            raise AuditUnavailable  # any failure of what decides or records
        return verdict

    house.engine.publish()
    house.engine.twist = silent
    answer = await glass.broken()
    house.engine.twist = lambda _, verdict: verdict

    assert answer["data"] is None
    assert glass.commands() == []
    assert not await glass.sees()


async def test_the_alert_names_ids_and_nothing_clinical(glass: Glass) -> None:
    access = await glass.access(minutes=15, reason="collapsed at the reception, suspected overdose")
    (alert,) = await glass.house.alerts.take([RIVERBEND], limit=5, lease_seconds=1)
    body = orjson.loads(alert.body)

    assert body.keys() == {
        "event", "id", "tenant", "at", "access", "patient", "subject", "roles", "client", "purpose", "minutes",
    }  # fmt: skip
    assert (body["id"], body["access"], body["patient"]) == (alert.id, access["id"], access["patientId"])
    assert (body["subject"], body["minutes"], body["purpose"]) == ("usr-physician", 15, "ETREAT")
    assert "overdose" not in alert.body


async def test_an_end_counts_at_once_and_only_once(glass: Glass) -> None:
    access = await glass.access()
    ended = await glass.run(END, access=access["id"])

    assert ended["data"]["endBreakTheGlass"]["endedAt"] is not None
    assert not await glass.sees()
    again = await glass.run(END, access=access["id"])
    assert refusal(again)["reason"] == "no_relationship"


async def test_what_another_declared_is_not_theirs_to_end_even_for_the_same_patient(glass: Glass) -> None:
    mine = await glass.access()
    other = {"subject": "usr-another-physician"}
    await glass.broken(with_=other)

    assert refusal(await glass.run(END, with_=other, access=mine["id"]))["reason"] == "no_relationship"
    assert await glass.sees()


async def test_a_privacy_officer_ends_any_access(glass: Glass) -> None:
    access = await glass.access()
    ended = await glass.run(END, "privacy-officer", "HOPERAT", access=access["id"])

    assert ended["data"]["endBreakTheGlass"]["id"] == access["id"]
    assert not await glass.sees()


@pytest.mark.parametrize(("persona", "purpose"), [("physician", "ETREAT"), ("privacy-officer", "HOPERAT")])
async def test_an_access_that_never_was_is_refused(glass: Glass, persona: str, purpose: str) -> None:
    for name in ("x", await glass.patient(), ""):
        answer = await glass.run(END, persona, purpose, access=name)
        assert refusal(answer)["reason"] == ("no_relationship" if persona == "physician" else "unknown_access")


async def test_an_access_is_over_at_its_last_instant(glass: Glass) -> None:
    access = await glass.access(minutes=1)
    ends = datetime.fromisoformat(access["endsAt"])
    caller = glass.house.caller("physician", "ETREAT")
    patient = await glass.house.patient_id("stranger")

    async def related(at: datetime) -> frozenset[str]:
        standings = await glass.house.crosswalk.standings_of(caller.principal, [patient], at=at)
        return standings[patient].facts.relationships

    assert "emergency" in await related(ends - timedelta(microseconds=1))
    assert "emergency" not in await related(ends)


async def test_the_chart_can_be_seen_in_the_same_breath_as_its_data_class_allows(glass: Glass) -> None:
    await glass.access()
    answer = await glass.run(CHART, id=await glass.patient())

    chart = answer["data"]["patient"]
    assert chart["ssn"].startswith("*") or len(chart["ssn"]) < len("000-00-0000")
    assert chart["encounters"]["edges"] != []
    assert answer["extensions"]["portico"]["masked"] == ["patient.ssn"]


async def test_clinical_data_of_an_emergency_need_a_sign_in_that_is_not_old(glass: Glass) -> None:
    await glass.access()
    old = {"auth_time": glass.house.signed_in_at - 7200}
    answer = await glass.run(CHART, with_=old, id=await glass.patient())

    assert answer["data"]["patient"]["name"] is not None
    reasons = {error["extensions"]["reason"] for error in answer["errors"]}
    assert reasons == {"step_up_required"}
