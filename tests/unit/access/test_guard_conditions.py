"""What is released only to somebody who authenticated so, not released whatever else is said, and said besides."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from portico.access.decisions import Decisions, Facts, Tally
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.guard import STEP_UP_REQUIRED, Case, Guard, Masked, Released, Withheld
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.access.step_up import StepUp
from portico.access.tags import Coordinate, Tag
from portico.records.references import PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.types import Patient
from portico.records.values import Provenance
from tests.changed import replace
from tests.policy.questions import REST

NOW = 1_800_000_000
ASKED = {"acr": ["aal2", "aal3"], "max_age_seconds": 300}
TAGS = {
    "Patient": {
        attribute: Coordinate(f"Patient.{attribute}", attribute, tag, edge)
        for attribute, tag, edge in (
            ("id", Tag.PUBLIC, False),
            ("ssn", Tag.IDENTIFIER, False),
            ("email", Tag.CONTACT, False),
            ("claims", Tag.FINANCIAL, True),
        )
    },
}

ALLOWED = {"visible": True, "allow": ["PUBLIC", "IDENTIFIER", "CONTACT", "FINANCIAL"], **REST}


class Saying:
    """A policy engine with one answer to everything."""

    revision = "r1"

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = answer

    @property
    def status(self) -> PolicyStatus:
        return PolicyStatus(revision=self.revision)

    async def ask(self, _: Rule, input_: Mapping[str, Any]) -> Verdict:
        return Verdict(dict.fromkeys(input_["classes"], self.answer), self.revision, "d1")

    async def aclose(self) -> None:
        """Nothing is held."""


def _caller(**claims: Any) -> Caller:
    principal = Principal(
        subject="usr-1",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset(),
        purposes=frozenset(),
        client="workstation",
        acr="aal2",
        auth_time=NOW - 60,
        expires_at=NOW + 60,
    )
    return Caller(principal=replace(principal, **claims), purpose=Purpose.EMERGENCY, request_id="q", deadline=0)


def _guard(**says: Any) -> Guard:
    return Guard(Decisions(Saying({**ALLOWED, **says})), TAGS, mask_secret=bytes(range(32)), clock=lambda: NOW)


PATIENT = Patient(
    id=RecordId(RecordType.PATIENT, SourceName("ehr"), "pt-1"),
    provenance=Provenance(
        source="ehr", source_id="pt-1", retrieved_at=datetime(2026, 1, 1, tzinfo=UTC), mapping_version="1"
    ),
    subject="pt-1",
    ssn="900-51-0001",
    email="a@b.example",
)
CASE = Case.of(PATIENT, PatientId("p1"), Facts(frozenset({"emergency"})))


async def _released(guard: Guard, caller: Caller) -> Released:
    (released,) = await guard.release(caller, [CASE], frozenset(TAGS["Patient"]), Tally())
    assert released is not None
    return released


async def test_a_value_is_released_to_somebody_who_authenticated_as_asked() -> None:
    released = await _released(_guard(step_up={"IDENTIFIER": ASKED}), _caller())
    assert (released.values["ssn"], released.values["email"]) == ("900-51-0001", "a@b.example")


@pytest.mark.parametrize(
    ("claims", "met"),
    [
        ({"acr": "aal3"}, True),
        ({"acr": "aal1"}, False),
        ({"acr": "AAL2"}, False),
        ({"acr": None}, False),
        ({"auth_time": NOW}, True),
        ({"auth_time": NOW - 300}, True),
        ({"auth_time": NOW - 301}, False),
        ({"auth_time": NOW + 1}, False),
        ({"auth_time": None}, False),
        ({"auth_time": 0}, False),
    ],
)
async def test_too_old_too_weak_future_and_unknown_authentications_are_challenged(
    claims: dict[str, Any], *, met: bool
) -> None:
    released = await _released(_guard(step_up={"IDENTIFIER": ASKED}), _caller(**claims))
    challenge = Withheld("Patient.ssn", STEP_UP_REQUIRED, "d1", StepUp(("aal2", "aal3"), 300))
    assert released.values["ssn"] == ("900-51-0001" if met else challenge)
    assert released.values["email"] == "a@b.example"
    assert released.values["id"] == CASE.record.id


async def test_a_step_up_is_judged_when_a_value_is_released_though_the_decision_is_remembered() -> None:
    now = float(NOW)
    guard = Guard(
        Decisions(Saying({**ALLOWED, "step_up": {"IDENTIFIER": ASKED}})), TAGS, mask_secret=bytes(32), clock=lambda: now
    )
    caller = _caller(auth_time=NOW)
    assert (await _released(guard, caller)).values["ssn"] == "900-51-0001"
    now += 301
    assert isinstance((await _released(guard, caller)).values["ssn"], Withheld)


async def test_a_masked_value_and_an_edge_wait_for_the_step_up_too() -> None:
    says = {
        "allow": ["PUBLIC", "FINANCIAL"],
        "mask": {"IDENTIFIER": "last4"},
        "step_up": {"IDENTIFIER": ASKED, "FINANCIAL": ASKED},
    }
    met = await _released(_guard(**says), _caller())
    assert (met.values["ssn"], met.denied) == (Masked("Patient.ssn", "***-**-0001"), {})
    unmet = await _released(_guard(**says), _caller(acr=None))
    assert unmet.values["ssn"].reason == unmet.denied["claims"].reason == STEP_UP_REQUIRED


async def test_a_fields_step_up_is_asked_for_besides_its_tags() -> None:
    both = {"IDENTIFIER": ASKED, "Patient.ssn": {"acr": ["aal3", "aal4"], "max_age_seconds": 900}}
    released = await _released(_guard(step_up=both), _caller())
    assert released.values["ssn"].challenge == StepUp(("aal3",), 300)
    never = {"IDENTIFIER": ASKED, "Patient.ssn": {"acr": ["aal4"], "max_age_seconds": 900}}
    assert (await _released(_guard(step_up=never), _caller(acr="aal4"))).values["ssn"].challenge == StepUp((), 300)


async def test_what_is_denied_anyway_is_not_challenged() -> None:
    released = await _released(
        _guard(allow=["PUBLIC"], deny={"IDENTIFIER": "minimum_necessary"}, step_up={"IDENTIFIER": ASKED}),
        _caller(acr=None),
    )
    assert released.values["ssn"] == Withheld("Patient.ssn", "minimum_necessary", "d1")


async def test_what_waits_for_a_step_up_can_be_filtered_and_ordered_by_nobody() -> None:
    guard = _guard(step_up={"IDENTIFIER": ASKED})
    ssn, email = TAGS["Patient"]["ssn"], TAGS["Patient"]["email"]
    assert await guard.in_full(_caller(), {CASE.class_}, [ssn], Tally()) == frozenset()
    assert await guard.in_full(_caller(), {CASE.class_}, [email], Tally()) == {CASE.class_}


async def test_a_record_whose_existence_waits_for_a_step_up_is_not_there() -> None:
    guard = _guard(step_up={"PUBLIC": ASKED})
    assert await guard.release(_caller(), [CASE], frozenset({"email"}), Tally()) == [None]


async def test_no_override_lifts_a_refusal() -> None:
    says = {
        "allow": ["PUBLIC", "CONTACT"],
        "refuse": {"IDENTIFIER": "not_consented", "FINANCIAL": "not_consented"},
        "overrides": {"Patient.ssn": {"effect": "allow"}, "Patient.claims": {"effect": "allow"}},
    }
    released = await _released(_guard(**says), _caller())
    assert released.values["ssn"] == Withheld("Patient.ssn", "not_consented", "d1")
    assert released.denied["claims"].reason == "not_consented"
    assert await _guard(**says).in_full(_caller(), {CASE.class_}, [TAGS["Patient"]["ssn"]], Tally()) == frozenset()


async def test_a_refusal_of_what_tells_that_the_record_exists_hides_it() -> None:
    guard = _guard(allow=["CONTACT"], refuse={"PUBLIC": "not_consented"})
    assert await guard.release(_caller(), [CASE], frozenset({"email"}), Tally()) == [None]


async def test_a_release_carries_its_notices() -> None:
    notices = {"part2_redisclosure": "Protected."}
    assert (await _released(_guard(notices=notices), _caller())).notices == notices
    assert (await _released(_guard(), _caller())).notices == {}


@pytest.mark.parametrize("says", [{}, {"allow": ["PUBLIC", "CONTACT"], "refuse": {"IDENTIFIER": "not_consented"}}])
async def test_what_waits_for_a_step_up_does_not_tell_what_the_patient_said(says: dict[str, Any]) -> None:
    weak = _caller(acr="aal1")
    released = await _released(_guard(step_up={"IDENTIFIER": ASKED}, **says), weak)
    withheld = released.values["ssn"]
    assert isinstance(withheld, Withheld)
    assert (withheld.reason, withheld.challenge) == (STEP_UP_REQUIRED, StepUp.of(ASKED))


async def test_after_the_step_up_the_patients_refusal_is_the_reason() -> None:
    says = {"allow": ["PUBLIC", "CONTACT"], "refuse": {"IDENTIFIER": "not_consented"}}
    released = await _released(_guard(step_up={"IDENTIFIER": ASKED}, **says), _caller())
    assert released.values["ssn"] == Withheld("Patient.ssn", "not_consented", "d1")
