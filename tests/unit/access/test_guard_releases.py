"""The guard: a record goes in, what the policies release comes out, and there is no way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from portico.access.decisions import NOBODY, DecisionClass, Decisions, Facts, Tally
from portico.access.engine import PolicyStatus, Rule, Verdict
from portico.access.guard import Case, Guard, Masked, Released, Withheld
from portico.access.principal import Caller, Principal, PrincipalKind, Purpose
from portico.access.tags import Coordinate, Tag, TagTable
from portico.records.errors import PolicyUnavailable
from portico.records.references import PatientId, RecordId, RecordType, SourceName, Tenant
from portico.records.types import Gender, Organization, Patient
from portico.records.values import Provenance
from tests.policy.questions import REST

SECRET = bytes(range(32))
TAGS: TagTable = {
    "Patient": {
        attribute: Coordinate(f"Patient.{attribute}", attribute, tag, edge)
        for attribute, tag, edge in (
            ("id", Tag.PUBLIC, False),
            ("birth_date", Tag.DEMOGRAPHIC, False),
            ("gender", Tag.DEMOGRAPHIC, False),
            ("ssn", Tag.IDENTIFIER, False),
            ("email", Tag.CONTACT, False),
            ("claims", Tag.FINANCIAL, True),
        )
    },
    "Organization": {"name": Coordinate("Organization.name", "name", Tag.PUBLIC, edge=False)},
}
EVERYTHING = frozenset(TAGS["Patient"])
CALLER = Caller(
    principal=Principal(
        subject="usr-1",
        kind=PrincipalKind.PERSON,
        tenant=Tenant("riverbend"),
        roles=frozenset(),
        purposes=frozenset(),
        client="workstation",
        expires_at=0,
    ),
    purpose=Purpose.TREATMENT,
    request_id="q",
    deadline=0,
)


class ByRelationship:
    """A policy engine that answers by the one relationship of a class."""

    revision = "r1"

    def __init__(self, /, **answers: dict[str, Any]) -> None:
        self.answers = answers
        self.asked = 0

    @property
    def status(self) -> PolicyStatus:
        return PolicyStatus(revision=self.revision)

    async def ask(self, _: Rule, input_: Mapping[str, Any]) -> Verdict:
        self.asked += 1
        classes = input_["classes"].items()
        result = {key: self.answers.get("".join(one["relationships"]), HIDDEN) for key, one in classes}
        return Verdict(result, self.revision, "d1")

    async def aclose(self) -> None:
        """Nothing is held."""


HIDDEN = {"visible": False, "allow": [], "mask": {}, "deny": {}, "overrides": {}}


def _says(**parts: Any) -> dict[str, Any]:
    return {"visible": True, "allow": ["PUBLIC"], **REST, **parts}


def _patient(number: int = 1, **values: Any) -> Patient:
    given: dict[str, Any] = {
        "birth_date": "1980-07-10",
        "gender": Gender.FEMALE,
        "ssn": "900-51-0001",
        "email": "a@b.example",
        **values,
    }
    id_ = f"pt-{number}"
    return Patient(id=RecordId(RecordType.PATIENT, SourceName("ehr"), id_), provenance=_from(id_), subject=id_, **given)


def _from(id_: str) -> Provenance:
    return Provenance(source="ehr", source_id=id_, retrieved_at=datetime(2026, 1, 1, tzinfo=UTC), mapping_version="1")


def _case(relationship: str, number: int = 1, **values: Any) -> Case:
    return Case.of(_patient(number, **values), PatientId(f"p{number}"), Facts(frozenset({relationship})))


def _guard(**answers: dict[str, Any]) -> Guard:
    return Guard(Decisions(ByRelationship(**answers)), TAGS, mask_secret=SECRET)


async def _released(guard: Guard, *cases: Case, wanted: frozenset[str] = EVERYTHING) -> list[Released | None]:
    return await guard.release(CALLER, cases, wanted, Tally())


async def _one(guard: Guard, case: Case, wanted: frozenset[str] = EVERYTHING) -> Released:
    (released,) = await _released(guard, case, wanted=wanted)
    assert released is not None
    return released


async def test_allowed_values_are_released_as_they_are() -> None:
    released = await _one(_guard(self=_says(allow=["PUBLIC", "DEMOGRAPHIC", "FINANCIAL"])), _case("self"))
    assert released.values["birth_date"] == "1980-07-10"
    assert released.values["gender"] is Gender.FEMALE
    assert "claims" not in released.values
    assert released.denied == {}


async def test_masked_values_are_released_in_part() -> None:
    released = await _one(_guard(self=_says(mask={"IDENTIFIER": "last4", "DEMOGRAPHIC": "year"})), _case("self"))
    assert released.values["ssn"] == Masked("Patient.ssn", "***-**-0001")
    assert released.values["birth_date"] == Masked("Patient.birth_date", "1980")
    assert released.values["gender"] == Withheld("Patient.gender", "mask_not_applicable", "d1")


async def test_an_absent_value_is_absent_and_neither_masked_nor_withheld() -> None:
    released = await _one(_guard(self=_says(mask={"IDENTIFIER": "last4"})), _case("self", ssn=None))
    assert released.values["ssn"] is None


async def test_withheld_values_say_why_and_hold_nothing() -> None:
    released = await _one(_guard(self=_says(deny={"CONTACT": "minimum_necessary"})), _case("self"))
    assert released.values["email"] == Withheld("Patient.email", "minimum_necessary", "d1")
    assert released.values["ssn"] == Withheld("Patient.ssn", "not_permitted", "d1")
    assert "900-51-0001" not in repr(released)
    assert "a@b.example" not in repr(released)


async def test_an_edge_is_followed_only_where_it_is_allowed_in_full() -> None:
    for answer, reason in (
        (_says(allow=["PUBLIC", "FINANCIAL"]), None),
        (_says(), "not_permitted"),
        (_says(deny={"FINANCIAL": "no"}), "no"),
        (_says(mask={"FINANCIAL": "hash"}), "not_permitted"),
    ):
        released = await _one(_guard(self=answer), _case("self"))
        assert {name: one.reason for name, one in released.denied.items()} == (
            {} if reason is None else {"claims": reason}
        )


async def test_what_was_not_wanted_is_not_in_the_release() -> None:
    guard = _guard(self=_says(allow=["PUBLIC", "DEMOGRAPHIC", "CONTACT", "IDENTIFIER"]))
    released = await _one(guard, _case("self"), frozenset({"gender"}))
    assert released.values == {"gender": Gender.FEMALE}
    assert released.denied == {}


async def test_what_has_no_coordinate_is_never_released() -> None:
    released = await _one(
        _guard(self=_says(allow=list(Tag))), _case("self"), frozenset({"subject", "labels", "gender"})
    )
    assert released.values == {"gender": Gender.FEMALE}


async def test_a_type_without_coordinates_fails() -> None:
    guard = Guard(Decisions(ByRelationship(self=_says())), {}, mask_secret=SECRET)
    with pytest.raises(KeyError):
        await _released(guard, _case("self"))


async def test_a_record_that_may_not_be_seen_is_nothing_at_all() -> None:
    assert await _released(_guard(self=_says()), _case("none"), _case("self"))  # order is kept
    first, second = await _released(_guard(self=_says()), _case("none"), _case("self"))
    assert first is None
    assert second is not None


async def test_a_record_whose_id_may_not_be_told_is_nothing_at_all() -> None:
    for answer in (
        _says(allow=["DEMOGRAPHIC"]),
        _says(deny={"PUBLIC": "no"}),
        _says(mask={"PUBLIC": "hash"}, allow=[]),
        _says(overrides={"Patient.id": {"effect": "deny", "reason": "no"}}),
    ):
        guard = _guard(self=answer)
        assert await _released(guard, _case("self")) == [None]
        class_ = DecisionClass("Patient", frozenset({"self"}))
        assert await guard.admits(CALLER, {class_}, Tally()) == frozenset()


async def test_a_record_of_a_type_without_ids_needs_none() -> None:
    organization = Organization(
        id=RecordId(RecordType.ORGANIZATION, SourceName("ehr"), "o"), provenance=_from("o"), name="Clinic"
    )
    engine = ByRelationship(**{"": _says(allow=["PUBLIC"])})
    guard = Guard(Decisions(engine), TAGS, mask_secret=SECRET)
    released = await _one(guard, Case.of(organization, None, NOBODY), frozenset({"name"}))
    assert released.values == {"name": "Clinic"}


async def test_a_batch_of_any_size_is_decided_once_for_each_class() -> None:
    engine = ByRelationship(self=_says(), guardian=_says(allow=["PUBLIC", "DEMOGRAPHIC"]))
    guard = Guard(Decisions(engine), TAGS, mask_secret=SECRET)
    cases = [_case("self" if number % 2 else "guardian", number) for number in range(200)]
    released = await _released(guard, *cases)
    assert engine.asked == 1
    for number, one in enumerate(released):
        assert one is not None
        assert (one.values["birth_date"] == "1980-07-10") is (number % 2 == 0)
        assert one.patient == f"p{number}"


async def test_masks_are_made_for_the_records_own_patient_and_the_callers_own_tenant() -> None:
    guard = _guard(self=_says(mask={"IDENTIFIER": "hash", "DEMOGRAPHIC": "shift"}))
    one, other = [
        released.values for released in await _released(guard, _case("self", 1), _case("self", 2)) if released
    ]
    assert one["ssn"] == other["ssn"], "the same value has the same hash within a tenant"
    assert one["birth_date"] != other["birth_date"], "dates are moved by a number of the patient's own"
    elsewhere = dataclasses.replace(CALLER, principal=dataclasses.replace(CALLER.principal, tenant=Tenant("harbor")))
    (foreign,) = await guard.release(elsewhere, [_case("self", 1)], EVERYTHING, Tally())
    assert foreign is not None
    assert foreign.values["ssn"] != one["ssn"]


async def test_nothing_of_nobody_known_is_shifted() -> None:
    guard = _guard(self=_says(mask={"DEMOGRAPHIC": "shift"}))
    released = await _one(guard, Case.of(_patient(), None, Facts(frozenset({"self"}))))
    assert released.values["birth_date"] == Withheld("Patient.birth_date", "mask_not_applicable", "d1")


async def test_a_release_has_no_way_back_to_its_record() -> None:
    released = await _one(_guard(self=_says(allow=list(Tag))), _case("self"))
    held = [getattr(released, name) for name in released.__struct_fields__]
    assert not any(isinstance(value, Patient | Case) for value in held)
    assert not any(isinstance(value, Patient | Case) for value in released.values.values())
    assert not hasattr(released, "__dict__")
    with pytest.raises(AttributeError):
        released.type = "Claim"  # type: ignore[misc]  # that it can't be is the point


async def test_a_release_is_equal_to_itself_alone() -> None:
    guard = _guard(self=_says(allow=list(Tag)))
    one, again = await _one(guard, _case("self")), await _one(guard, _case("self"))
    assert one != again
    assert len({one, again}) == 2


async def test_an_engine_that_fails_releases_nothing_of_a_batch() -> None:
    class Broken(ByRelationship):
        async def ask(self, *_: object) -> Verdict:
            raise PolicyUnavailable

    guard = Guard(Decisions(Broken()), TAGS, mask_secret=SECRET)
    with pytest.raises(PolicyUnavailable):
        await _released(guard, _case("self"))


async def test_in_full_tells_for_each_record_whether_everything_is_the_callers_to_know() -> None:
    guard = _guard(self=_says(allow=["PUBLIC", "DEMOGRAPHIC"]), guardian=_says(mask={"DEMOGRAPHIC": "year"}))
    born, ssn = TAGS["Patient"]["birth_date"], TAGS["Patient"]["ssn"]
    cases = [_case("self"), _case("guardian"), _case("none")]
    classes = [case.class_ for case in cases]
    assert await guard.in_full(CALLER, classes, [born], Tally()) == {classes[0]}
    assert await guard.in_full(CALLER, classes, [born, ssn], Tally()) == frozenset()
