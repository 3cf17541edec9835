"""Looking into emergency accesses afterwards: the queue, the review, and what the patient sees of it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.glass import END, REVIEW, Glass, refusal, refused

QUEUE = """query ($reviewed: Boolean, $first: Int = 20, $after: String) {
  emergencyAccesses(first: $first, after: $after, filter: {reviewed: $reviewed}) {
    edges { cursor node { id at reason who { subject } patientId verdict note reviewer reviewedAt } }
    pageInfo { hasNextPage endCursor }
  }
}"""
MINE = "{ patients { edges { node { emergencyAccesses { edges { node { id at endsAt who { roles } %s } } } } } } }"
REASONS = {"reason", "reviewer", "verdict", "note"}


async def queue(glass: Glass, persona: str = "privacy-officer", purpose: str = "HOPERAT", **variables: Any) -> Any:
    return await glass.run(QUEUE, persona, purpose, **variables)


def nodes(answer: Any) -> list[Any]:
    return [edge["node"] for edge in answer["data"]["emergencyAccesses"]["edges"]]


async def review(
    glass: Glass, access: str, persona: str = "privacy-officer", purpose: str = "HOPERAT", **given: Any
) -> Any:
    said = {"access": access, "verdict": "JUSTIFIED", **given}
    return await glass.run(REVIEW, persona, purpose, input=said)


async def test_a_privacy_officer_sees_every_access_with_its_reason_the_latest_first(glass: Glass) -> None:
    first, second = await glass.access("stranger"), await glass.access("restricted")
    found = nodes(await queue(glass))

    assert [access["id"] for access in found] == [second["id"], first["id"]]
    assert {access["reason"] for access in found} == {"unconscious, no history known"}
    assert found[1]["patientId"] == await glass.patient("stranger")


async def test_the_queue_is_paged(glass: Glass) -> None:
    made = [(await glass.access(key))["id"] for key in ("stranger", "restricted", "sensitive", "accented")]
    walked: list[str] = []
    after: str | None = None
    while True:
        answer = await queue(glass, first=3, after=after)
        page = answer["data"]["emergencyAccesses"]
        walked += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break

    assert walked == made[::-1]


async def test_the_queue_can_be_of_what_nobody_has_looked_into(glass: Glass) -> None:
    done, open_ = await glass.access("stranger"), await glass.access("restricted")
    await review(glass, done["id"])

    assert [access["id"] for access in nodes(await queue(glass, reviewed=False))] == [open_["id"]]
    assert [access["id"] for access in nodes(await queue(glass, reviewed=True))] == [done["id"]]
    assert len(nodes(await queue(glass, reviewed=None))) == 2


@pytest.mark.parametrize(
    ("persona", "purpose"),
    [
        ("physician", "TREAT"), ("physician", "ETREAT"), ("front-desk", "HOPERAT"), ("biller", "HPAYMT"),
        ("researcher", "HRESCH"), ("auditor", "HOPERAT"), ("operator", "HOPERAT"), ("website", "HOPERAT"),
        ("guardian", "PATRQT"), ("patient", "PATRQT"), ("other-clinic", "TREAT"),
    ],
)  # fmt: skip
async def test_nobody_else_sees_the_queue(glass: Glass, persona: str, purpose: str) -> None:
    await glass.access("stranger")
    answer = await queue(glass, persona, purpose)
    expected = ["stranger"] if (persona, purpose) == ("physician", "ETREAT") else []

    assert len(nodes(answer)) == len(expected)
    assert all(access["reason"] is None for access in nodes(answer))


async def test_another_clinics_officer_sees_nothing_of_it(glass: Glass) -> None:
    await glass.access("stranger")
    answer = await glass.run(QUEUE, "privacy-officer", "HOPERAT", with_={"tenant": "harbor"})

    assert nodes(answer) == []


async def test_a_review_is_kept_and_audited(glass: Glass) -> None:
    access = await glass.access()
    answer = await review(glass, access["id"], verdict="UNJUSTIFIED", note="  no  such\tadmission ")

    given = answer["data"]["reviewEmergencyAccess"]
    assert given["verdict"] == "UNJUSTIFIED"
    assert given["note"] == "no such admission"
    assert given["reviewer"] == "usr-privacy-officer"
    assert given["reviewedAt"] is not None
    done = glass.commands()[-1]
    assert (done.command, done.subject) == ("reviewEmergencyAccess", "usr-privacy-officer")
    assert nodes(await queue(glass, reviewed=False)) == []


async def test_a_review_is_given_once(glass: Glass) -> None:
    access = await glass.access()
    await review(glass, access["id"])

    assert refusal(await review(glass, access["id"], verdict="UNJUSTIFIED"))["reason"] == "already_reviewed"
    assert refused(glass.commands()[-1]) == ("reviewEmergencyAccess", "already_reviewed")


async def test_nobody_reviews_what_they_did_themselves_whatever_their_roles(glass: Glass) -> None:
    access = await glass.access()
    both = {"subject": "usr-physician", "roles": frozenset({"physician", "privacy-officer"})}
    said = {"access": access["id"], "verdict": "JUSTIFIED"}
    answer = await glass.run(REVIEW, "privacy-officer", "HOPERAT", with_=both, input=said)

    assert refusal(answer)["reason"] == "own_access"


@pytest.mark.parametrize(
    ("persona", "purpose"), [("physician", "ETREAT"), ("auditor", "HOPERAT"), ("patient", "PATRQT")]
)
async def test_nobody_else_reviews(glass: Glass, persona: str, purpose: str) -> None:
    access = await glass.access()

    assert refusal(await review(glass, access["id"], persona, purpose))["reason"] == "command_not_permitted"


@pytest.mark.parametrize("note", ["x" * 2001, "a\x07b", "\N{RIGHT-TO-LEFT OVERRIDE}x"])
async def test_a_note_has_bounds(glass: Glass, note: str) -> None:
    access = await glass.access()

    assert refusal(await review(glass, access["id"], note=note))["code"] == "BAD_ARGUMENT"


async def test_a_patient_sees_who_broke_the_glass_for_them_but_not_what_reviewers_read(glass: Glass) -> None:
    access = await glass.access("patient")
    await review(glass, access["id"])
    answer = await glass.run(MINE % "reviewedAt reason reviewer verdict note", "patient", "PATRQT")

    (edge,) = answer["data"]["patients"]["edges"][0]["node"]["emergencyAccesses"]["edges"]
    node = edge["node"]
    assert node["id"] == access["id"]
    assert node["who"] == {"roles": ["physician"]}
    assert node["reviewedAt"] is not None
    assert {name: node[name] for name in REASONS} == dict.fromkeys(REASONS)
    assert {error["extensions"]["coordinate"] for error in answer["errors"]} == {
        f"EmergencyAccess.{name}" for name in REASONS
    }


async def test_a_guardian_sees_it_for_their_wards(glass: Glass) -> None:
    access = await glass.access("elder-child")
    answer = await glass.run(MINE % "", "guardian", "PATRQT")

    found = [
        edge["node"]["id"]
        for patient in answer["data"]["patients"]["edges"]
        for edge in patient["node"]["emergencyAccesses"]["edges"]
    ]
    assert found == [access["id"]]


async def test_a_treating_physician_does_not_see_who_broke_the_glass(glass: Glass) -> None:
    await glass.access("patient")
    answer = await glass.run(MINE % "", "physician", "TREAT")

    assert all(patient["node"]["emergencyAccesses"] is None for patient in answer["data"]["patients"]["edges"])


async def test_an_access_can_be_asked_for_by_its_id_by_those_who_may_see_it(glass: Glass) -> None:
    access = await glass.access("patient")
    one = "query ($id: ID!) { node(id: $id) { id ... on EmergencyAccess { reason } } }"

    officer = await glass.run(one, "privacy-officer", "HOPERAT", id=access["id"])
    assert officer["data"]["node"]["reason"] is not None
    patient = await glass.run(one, "patient", "PATRQT", id=access["id"])
    assert patient["data"]["node"] == {"id": access["id"], "reason": None}
    for persona, purpose in (("biller", "HPAYMT"), ("physician", "TREAT"), ("other-clinic", "TREAT")):
        assert (await glass.run(one, persona, purpose, id=access["id"]))["data"]["node"] is None


async def test_the_order_is_either_way(glass: Glass) -> None:
    made = [(await glass.access(key))["id"] for key in ("stranger", "restricted")]
    early_first = "{ emergencyAccesses(orderBy: AT_ASC) { edges { node { id } } } }"
    answer = await glass.run(early_first, "privacy-officer", "HOPERAT")

    assert [access["id"] for access in nodes(answer)] == made


async def test_an_ended_access_stays_in_the_queue(glass: Glass) -> None:
    access = await glass.access()
    await glass.run(END, access=access["id"])

    assert [one["id"] for one in nodes(await queue(glass))] == [access["id"]]


async def test_asking_for_the_queue_is_no_source_call_and_no_egress(glass: Glass) -> None:
    await glass.access()
    glass.house.asked()
    await queue(glass)

    assert glass.house.asked() == []


async def test_portico_is_no_source_in_the_list_of_sources(glass: Glass) -> None:
    answer = await glass.run("{ sources { name } }", "operator", "HOPERAT")

    assert sorted(source["name"] for source in answer["data"]["sources"]) == ["billing", "ehr", "scheduling"]


async def test_the_times_are_those_of_the_declaration(glass: Glass) -> None:
    access = await glass.access(minutes=20)
    (found,) = nodes(await queue(glass))

    assert found["at"] == access["at"]
    began = datetime.fromisoformat(access["at"])
    assert datetime.fromisoformat(access["endsAt"]) - began == timedelta(minutes=20)
