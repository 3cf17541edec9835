"""A patient says who may see what of theirs, and takes it back: by commands, for themselves alone."""

from __future__ import annotations

from typing import Any

import pytest

from portico.audit.entry import Outcome
from portico.records.references import RecordType
from tests.glass import Glass, refusal, refused

RECORD = """mutation ($input: RecordConsentInput!) { recordConsent(input: $input) {
  id kind purposes roles tags sensitivities parties period { start end } recordedAt revokedAt
} }"""
REVOKE = "mutation ($consent: ID!) { revokeConsent(input: {consent: $consent}) { id revokedAt } }"
MINE = """{ patients { edges { node { consents(first: 100) { edges { node {
  id kind purposes revokedAt provenance { source } } } } } } } }"""
CHART = "query ($id: ID!) { patient(id: $id) { id } }"


async def record(glass: Glass, persona: str = "patient", purpose: str = "PATRQT", **given: Any) -> Any:
    said = {"patient": await glass.patient("patient"), "kind": "DENY", **given}
    return await glass.run(RECORD, persona, purpose, input=said)


async def revoke(glass: Glass, consent: str, persona: str = "patient", purpose: str = "PATRQT") -> Any:
    return await glass.run(REVOKE, persona, purpose, consent=consent)


async def mine(glass: Glass) -> list[Any]:
    answer = await glass.run(MINE, "patient", "PATRQT")
    (patient,) = answer["data"]["patients"]["edges"]
    return [edge["node"] for edge in patient["node"]["consents"]["edges"]]


async def treated(glass: Glass) -> bool:
    """Whether the treating physician sees the patient."""
    answer = await glass.run(CHART, "physician", "TREAT", id=await glass.patient("patient"))
    return answer["data"]["patient"] is not None


async def test_a_denial_counts_for_the_next_answer_and_so_does_its_revocation(glass: Glass) -> None:
    assert await treated(glass)
    made = (await record(glass))["data"]["recordConsent"]
    assert not await treated(glass)

    revoked = await revoke(glass, made["id"])
    assert revoked["data"]["revokeConsent"]["revokedAt"] is not None
    assert await treated(glass)


async def test_a_consent_is_answered_as_it_was_given(glass: Glass) -> None:
    answer = await record(
        glass, kind="PERMIT", purposes=["HRESCH"], roles=["researcher"], tags=["CLINICAL"], sensitivities=["SUD"],
        start="2026-01-01T00:00:00+00:00", end="2030-01-01T00:00:00+00:00",
    )  # fmt: skip
    made = answer["data"]["recordConsent"]

    assert (made["kind"], made["purposes"], made["roles"]) == ("PERMIT", ["HRESCH"], ["researcher"])
    assert (made["tags"], made["sensitivities"], made["parties"]) == (["CLINICAL"], ["SUD"], [])
    assert made["period"] == {"start": "2026-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}
    assert made["revokedAt"] is None
    assert made["id"] in [one["id"] for one in await mine(glass)]


async def test_a_consent_can_concern_one_practitioner_or_one_organization(glass: Glass) -> None:
    npi = glass.house.personas["physician"].npi
    doctor = next(one for one in glass.house.populations["riverbend"].practitioners if one.npi == npi)
    answer = await record(
        glass,
        practitioners=[glass.house.name(RecordType.PRACTITIONER, "ehr", doctor.ehr_id)],
        organizations=[glass.house.name(RecordType.ORGANIZATION, "ehr", "org-1")],
    )

    assert answer["data"]["recordConsent"]["parties"] == [f"npi {npi}", "organization org-1"]
    assert not await treated(glass)


@pytest.mark.parametrize("what", ["practitioners", "organizations"])
async def test_a_party_that_names_nobody_is_refused(glass: Glass, what: str) -> None:
    nobody = glass.house.name(RecordType.PRACTITIONER, "ehr", "nobody")
    for name in ("x", nobody, await glass.patient()):
        assert refusal(await record(glass, **{what: [name]}))["code"] == "BAD_ARGUMENT"
    assert await treated(glass)


@pytest.mark.parametrize(
    "given",
    [
        {"purposes": [""]},
        {"purposes": ["TREATT"]},
        {"purposes": ["TREAT", "treatment"]},
        {"purposes": ["x" * 65]},
        {"roles": ["a\nb"]},
        {"sensitivities": ["S\N{LATIN SMALL LETTER U WITH DIAERESIS}D"]},
        {"roles": [f"role-{number}" for number in range(51)]},
        {"start": "2026-01-02T00:00:00+00:00", "end": "2026-01-01T00:00:00+00:00"},
        {"start": "2026-01-02T00:00:00"},
    ],
)
async def test_what_could_not_be_kept_as_it_stands_is_refused(glass: Glass, given: dict[str, Any]) -> None:
    before = len(await mine(glass))

    assert refusal(await record(glass, **given))["code"] == "BAD_ARGUMENT"
    assert len(await mine(glass)) == before


@pytest.mark.parametrize(
    ("persona", "purpose", "reason"),
    [
        ("guardian", "PATRQT", "command_not_permitted"),
        ("physician", "TREAT", "command_not_permitted"),
        ("privacy-officer", "HOPERAT", "command_not_permitted"),
        ("website", "HOPERAT", "command_not_permitted"),
    ],
)
async def test_nobody_speaks_for_the_patient(glass: Glass, persona: str, purpose: str, reason: str) -> None:
    made = (await record(glass))["data"]["recordConsent"]["id"]

    assert refusal(await record(glass, persona, purpose))["reason"] == reason
    assert refusal(await revoke(glass, made, persona, purpose))["reason"] == reason


async def test_a_patient_speaks_for_nobody_else(glass: Glass) -> None:
    answer = await record(glass, patient=await glass.patient("stranger"))

    assert refusal(answer)["reason"] == "no_relationship"
    never = await record(glass, patient="never-issued")
    assert {**refusal(never)} == {**refusal(answer)}


async def test_what_a_source_keeps_is_for_the_source_to_change(glass: Glass) -> None:
    told = [one for one in await mine(glass) if one["provenance"]["source"] != "portico"]
    for one in told:
        assert refusal(await revoke(glass, one["id"]))["reason"] == "kept_by_its_source"
    assert [one["id"] for one in await mine(glass) if one["revokedAt"]] == []


@pytest.mark.parametrize("name", ["", "x"])
async def test_a_consent_that_never_was_can_not_be_revoked(glass: Glass, name: str) -> None:
    assert refusal(await revoke(glass, name))["reason"] == "no_relationship"


@pytest.mark.parametrize("sensitivities", [["hiv"], ["HIV", "everything"]])
async def test_a_consent_that_could_not_be_seen_again_is_not_made(glass: Glass, sensitivities: list[str]) -> None:
    """A label that nobody knows denies everything, and nobody is cleared for it: it could never be revoked."""
    before = await mine(glass)
    answer = await record(glass, sensitivities=sensitivities)

    assert refusal(answer)["code"] == "BAD_ARGUMENT"
    assert await mine(glass) == before
    assert await treated(glass)


async def test_a_consent_with_other_unknown_words_can_be_taken_back(glass: Glass) -> None:
    answer = await record(glass, roles=["doctor"])
    assert not await treated(glass)

    await revoke(glass, answer["data"]["recordConsent"]["id"])
    assert await treated(glass)


async def test_a_revocation_may_be_repeated_and_the_first_one_stays(glass: Glass) -> None:
    made = (await record(glass))["data"]["recordConsent"]["id"]
    first = (await revoke(glass, made))["data"]["revokeConsent"]

    assert (await revoke(glass, made))["data"]["revokeConsent"] == first


async def test_both_are_audited_before_they_have_an_effect(glass: Glass) -> None:
    made = (await record(glass))["data"]["recordConsent"]["id"]
    await revoke(glass, made)

    done = [(entry.command, entry.outcome) for entry in glass.commands()]
    assert done == [("recordConsent", Outcome.DONE), ("revokeConsent", Outcome.DONE)]
    glass.house.trail.available = False
    answer = await record(glass)
    glass.house.trail.available = True
    assert refusal(answer)["code"] == "AUDIT_UNAVAILABLE"
    assert await treated(glass)


async def test_a_refusal_is_audited(glass: Glass) -> None:
    await record(glass, patient=await glass.patient("stranger"))

    assert [refused(entry) for entry in glass.commands()] == [("recordConsent", "no_relationship")]


async def test_a_day_has_a_limit(glass: Glass) -> None:
    for _ in range(50):
        assert "errors" not in await record(glass, kind="OPT_IN", purposes=["HMARKT"])

    assert refusal(await record(glass))["reason"] == "daily_limit"
    assert await treated(glass)


async def test_consents_are_theirs_alone_to_see(glass: Glass) -> None:
    made = (await record(glass, kind="OPT_IN", purposes=["HMARKT"]))["data"]["recordConsent"]["id"]
    one = "query ($id: ID!) { node(id: $id) { id } }"

    assert (await glass.run(one, "patient", "PATRQT", id=made))["data"]["node"] == {"id": made}
    for persona, purpose in (("physician", "TREAT"), ("guardian", "PATRQT"), ("privacy-officer", "HOPERAT")):
        assert (await glass.run(one, persona, purpose, id=made))["data"]["node"] is None
