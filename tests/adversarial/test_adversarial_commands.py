"""Commands under attack: breaking the glass without need, stepping up on paper, and payloads that say too much."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from portico.access.principal import PrincipalKind
from portico.audit.entry import Outcome
from portico.records.exchange import GraphQLRequest
from portico.records.references import Tenant
from tests.glass import BREAK, CHART, END, REASON, REVIEW, Glass, refusal
from tests.house import MemoryHouse
from tests.oracles.closed import openings
from tests.oracles.leak import Needles
from tests.oracles.uniform import lasting_body

RIVERBEND = Tenant("riverbend")
WHOLE = "id at endsAt endedAt patientId reviewedAt reason reviewer verdict note who { subject kind roles }"


@pytest.fixture
def glass(house: MemoryHouse) -> Iterator[Glass]:
    broken = Glass(house)
    yield broken
    broken.mend()


async def untouched(glass: Glass) -> None:
    """Nothing was opened, nobody was alerted, and nothing was asked of a source."""
    assert not await glass.sees()
    assert await glass.house.alerts.waiting([RIVERBEND]) == 0
    assert glass.house.asked() == []
    assert all(entry.outcome is Outcome.REFUSED for entry in glass.commands())


@pytest.mark.parametrize(
    "reason",
    [
        "", " ", "x", "too short", "          x         ", "\t\n" * 20, "<b>" * 3334, "x" * 501,
        "unconscious\x00, no history", "unconscious\x1b[2J, no history",
        "unconscious\N{RIGHT-TO-LEFT OVERRIDE} history", "\N{ZERO WIDTH SPACE}" * 20,
    ],
)  # fmt: skip
async def test_a_reason_that_says_nothing_or_too_much_opens_nothing(glass: Glass, reason: str) -> None:
    answer = await glass.broken(reason=reason)

    assert refusal(answer)["code"] == "BAD_ARGUMENT"
    assert openings(answer) == []
    await untouched(glass)


async def test_without_a_reason_at_all_there_is_no_such_command(glass: Glass) -> None:
    for given in ({"patient": await glass.patient()}, {"patient": await glass.patient(), "reason": None}):
        answer = await glass.run(BREAK, input=given)
        assert refusal(answer)["code"] == "GRAPHQL_VALIDATION_FAILED"
    await untouched(glass)


async def test_a_reason_full_of_markup_is_text_for_reviewers_and_nobody_else(glass: Glass) -> None:
    reason = '<script>alert("1")</script> \',";--=1+1 {"admin":true}'
    await glass.access(reason=reason)
    queue = "{ emergencyAccesses { edges { node { reason } } } }"
    answer = await glass.run(queue, "privacy-officer", "HOPERAT")

    (edge,) = answer["data"]["emergencyAccesses"]["edges"]
    assert edge["node"]["reason"] == reason
    (alert,) = await glass.house.alerts.take([RIVERBEND], limit=9, lease_seconds=1)
    assert "script" not in alert.body
    assert all(b"script" not in entry.encode() for entry in glass.house.trail.entries)


@pytest.mark.parametrize("minutes", [0, -1, 61, 2**31 - 1])
async def test_no_access_outlasts_an_hour(glass: Glass, minutes: int) -> None:
    answer = await glass.broken(minutes=minutes)

    assert refusal(answer)["code"] == "BAD_ARGUMENT"
    await untouched(glass)


@pytest.mark.parametrize("number", [2, 5, 50])
async def test_glass_is_broken_for_one_patient_a_request(glass: Glass, number: int) -> None:
    one = 'a{0}: breakTheGlass(input: {{patient: "{1}", reason: "{2}"}}) {{ id }}'
    patient = await glass.patient()
    fields = " ".join(one.format(place, patient, REASON) for place in range(number))
    spread = f"mutation {{ ...F }} fragment F on Mutation {{ {fields} }}"
    for document in (f"mutation {{ {fields} }}", f"mutation {{ ... on Mutation {{ {fields} }} }}", spread):
        answer = await glass.run(document)
        assert refusal(answer)["code"] == "COST_EXCEEDED"
        assert "data" not in answer
    assert glass.house.trail.entries == []
    await untouched(glass)


async def test_glass_is_not_broken_for_ever_by_renewing_it(glass: Glass) -> None:
    for _ in range(5):
        await glass.access()

    for key in ("stranger", "restricted", "sensitive"):
        assert refusal(await glass.broken(key))["reason"] == "daily_limit"
    assert await glass.house.alerts.waiting([RIVERBEND]) == 5


async def test_patients_can_not_be_guessed_by_the_dozen(glass: Glass) -> None:
    guesses = [
        await glass.run(BREAK, input={"mrn": f"MRN-2{number:05}", "birthDate": "1980-01-01", "reason": REASON})
        for number in range(8)
    ]

    assert [refusal(answer)["reason"] for answer in guesses] == ["unknown_patient"] * 5 + ["daily_limit"] * 3
    assert refusal(await glass.broken())["reason"] == "daily_limit"
    assert all(openings(answer) == [] for answer in guesses)


@pytest.mark.parametrize(
    ("persona", "purpose"),
    [
        ("patient", "PATRQT"), ("guardian", "PATRQT"), ("front-desk", "HOPERAT"), ("biller", "HPAYMT"),
        ("researcher", "HRESCH"), ("auditor", "HOPERAT"), ("privacy-officer", "HOPERAT"), ("operator", "HOPERAT"),
        ("website", "HOPERAT"), ("physician", "TREAT"),
    ],
)  # fmt: skip
async def test_nobody_but_a_physician_in_an_emergency_breaks_glass(glass: Glass, persona: str, purpose: str) -> None:
    answer = await glass.run(BREAK, persona, purpose, input={"patient": await glass.patient(), "reason": REASON})

    assert refusal(answer)["code"] == "COMMAND_REFUSED"
    assert openings(answer) == []
    await untouched(glass)


async def test_no_program_breaks_glass_whatever_role_it_was_given(glass: Glass) -> None:
    answer = await glass.broken(with_={"kind": PrincipalKind.SERVICE})

    assert refusal(answer)["reason"] == "command_not_permitted"
    await untouched(glass)


async def test_a_grant_is_no_wider_than_its_patient_its_tenant_its_subject_and_its_purpose(glass: Glass) -> None:
    access = await glass.access()

    for key in ("restricted", "sensitive", "patient"):
        assert not await glass.sees(key)
    assert not await glass.sees(with_={"tenant": "harbor"})
    assert not await glass.sees(with_={"subject": "usr-impostor"})
    assert not await glass.sees(with_={"kind": PrincipalKind.SERVICE})
    assert not await glass.sees(purpose="TREAT")
    assert not await glass.sees(with_={"roles": frozenset({"biller"})})
    await glass.run(END, access=access["id"])
    assert not await glass.sees()


async def test_every_attempt_leaves_a_line_and_the_chain_is_sound(glass: Glass) -> None:
    access = await glass.access()
    await glass.broken(reason="x")
    await glass.broken(with_={"acr": None})
    await glass.run(END, with_={"subject": "usr-other"}, access=access["id"])
    await glass.run(END, access=access["id"])

    assert [(entry.command, entry.outcome.value) for entry in glass.commands()] == [
        ("breakTheGlass", "done"), ("breakTheGlass", "refused"), ("breakTheGlass", "refused"),
        ("endBreakTheGlass", "refused"), ("endBreakTheGlass", "done"),
    ]  # fmt: skip
    assert {report.flaw for report in await glass.house.trail.verify()} == {None}


STEP_UPS = {
    "too weak": {"acr": "aal1"},
    "of no kind": {"acr": None},
    "of another kind": {"acr": "AAL2"},
    "nearly": {"acr": "aal2 "},
    "too old": {"age": 301},
    "far too old": {"age": 16 * 60},
    "of the future": {"age": -60},
    "at no time": {"auth_time": None},
}


@pytest.mark.parametrize("case", STEP_UPS)
async def test_a_sign_in_that_is_too_weak_or_too_old_is_challenged_and_nothing_else_is_said(
    glass: Glass, case: str
) -> None:
    claims: dict[str, Any] = dict(STEP_UPS[case])
    if "age" in claims:
        claims["auth_time"] = int(glass.house.caller("physician").principal.auth_time or 0) - claims.pop("age")
    answer = await glass.broken(with_=claims)

    assert refusal(answer)["code"] == "STEP_UP_REQUIRED"
    assert refusal(answer)["challenge"] == {"acrValues": ["aal2", "aal3"], "maxAge": 300}
    assert openings(answer) == []
    await untouched(glass)


async def test_the_challenge_is_the_same_for_whomever_the_glass_were_broken(glass: Glass) -> None:
    bodies = set()
    for name in (await glass.patient(), await glass.patient("restricted"), "never-issued"):
        request = GraphQLRequest(query=BREAK, variables={"input": {"patient": name, "reason": REASON}})
        caller = glass.as_(glass.house.caller("physician", "ETREAT"), acr="aal1")
        bodies.add(lasting_body((await glass.house.executor.answer(request, caller)).body))

    assert len(bodies) == 1


async def test_an_authentication_is_the_tokens_to_claim_and_nobody_elses(glass: Glass) -> None:
    given = {"patient": await glass.patient(), "reason": REASON}
    for forged in ({"acr": "aal3"}, {"authTime": 4102444800}, {"acrValues": ["aal2"]}, {"stepUp": True}):
        answer = await glass.run(BREAK, with_={"acr": "aal1"}, input={**given, **forged})
        assert refusal(answer)["code"] == "GRAPHQL_VALIDATION_FAILED"
    await untouched(glass)


SET_BY_THE_SERVER = (
    "tenant", "subject", "who", "roles", "labels", "id", "at", "startedAt", "endsAt", "endedAt", "endedBy", "reviewer",
    "reviewedAt", "recordedAt", "recordedBy", "revokedAt", "source", "purpose",
)  # fmt: skip


@pytest.mark.parametrize("command", ["breakTheGlass", "endBreakTheGlass", "reviewEmergencyAccess", "revokeConsent"])
async def test_what_the_server_sets_can_not_be_sent_with_a_command(glass: Glass, command: str) -> None:
    type_ = f"{command[0].upper()}{command[1:]}Input"
    document = f"mutation ($input: {type_}!) {{ {command}(input: $input) {{ id }} }}"
    known = {"access": "x", "verdict": "JUSTIFIED", "consent": "x", "reason": REASON, "patient": await glass.patient()}
    fields = glass.house.schema.core.type_map[type_].to_kwargs()["fields"]
    given = {name: value for name, value in known.items() if name in fields}
    for name in SET_BY_THE_SERVER:
        answer = await glass.run(document, input={**given, name: "usr-forged"})
        assert refusal(answer)["code"] == "GRAPHQL_VALIDATION_FAILED", name
    assert glass.house.trail.entries == []
    await untouched(glass)


async def test_anothers_step_up_is_not_ones_own(glass: Glass) -> None:
    await glass.access()

    assert refusal(await glass.broken(with_={"subject": "usr-other", "acr": "aal1"}))["code"] == "STEP_UP_REQUIRED"
    assert not await glass.sees(with_={"subject": "usr-other"})


async def test_a_payload_says_what_a_look_would_say_and_no_more(glass: Glass, needles: Needles) -> None:
    document = f"""mutation ($input: BreakTheGlassInput!) {{
      again: breakTheGlass(input: $input) {{ ...Whole ... on Node {{ id }} ... on EmergencyAccess {{ {WHOLE} }} }}
    }}
    fragment Whole on EmergencyAccess {{ {WHOLE} }}"""
    caller = glass.house.caller("physician", "ETREAT")
    given = {"patient": await glass.patient(), "reason": REASON}
    answer = await glass.house.executor.answer(GraphQLRequest(query=document, variables={"input": given}), caller)
    payload = orjson.loads(answer.body)["data"]["again"]

    assert needles.leaked_in(answer.body) == set()
    assert {name: payload[name] for name in ("reason", "reviewer", "verdict", "note")} == dict.fromkeys(
        ("reason", "reviewer", "verdict", "note")
    )
    look = await glass.run(
        f"query ($id: ID!) {{ node(id: $id) {{ ... on EmergencyAccess {{ {WHOLE} }} }} }}", id=payload["id"]
    )
    assert look["data"]["node"] == payload


async def test_a_review_shows_its_reviewer_no_patient(glass: Glass, needles: Needles) -> None:
    access = await glass.access()
    caller = glass.house.caller("privacy-officer", "HOPERAT")
    said = {"access": access["id"], "verdict": "INCONCLUSIVE", "note": "asked the ward"}
    request = GraphQLRequest(query=REVIEW, variables={"input": said})
    answer = await glass.house.executor.answer(request, caller)

    assert orjson.loads(answer.body)["data"]["reviewEmergencyAccess"]["verdict"] == "INCONCLUSIVE"
    assert needles.leaked_in(answer.body) == set()
    chart = await glass.run(CHART, "privacy-officer", "HOPERAT", id=access["patientId"])
    assert chart["data"]["patient"] is None


async def test_refusals_repeat_no_argument(glass: Glass) -> None:
    for given in (
        {"mrn": "SECRET-NUMBER", "birthDate": "1901-02-03", "reason": "SECRET-REASON"},
        {"mrn": "SECRET-NUMBER", "birthDate": "SECRET-DATE", "reason": "SECRET-REASON"},
        {"patient": "SECRET-ID", "reason": "SECRET"},
    ):
        answer = orjson.dumps(await glass.run(BREAK, input=given))
        assert b"SECRET" not in answer
        assert b"1901" not in answer


async def test_a_patient_who_is_unknown_and_one_who_was_never_issued_are_refused_alike(glass: Glass) -> None:
    house = glass.house
    nobody = house.name("Patient", "portico", "00000000-0000-4000-8000-000000000000")  # type: ignore[arg-type]  # as its text
    bodies = set()
    for name in (nobody, "never-issued", await house.patient_name("stranger", "harbor")):
        request = GraphQLRequest(query=BREAK, variables={"input": {"patient": name, "reason": REASON}})
        bodies.add((await house.executor.answer(request, house.caller("physician", "ETREAT"))).body)

    assert len({lasting_body(body) for body in bodies}) == 1
