"""Non-interference: what somebody may not see makes no difference to the bytes that they get.

Two worlds that differ only in what the independent table (`tests/worlds/table.py`) hides from a person are served by
two running servers; random questions to both must have equal answers. `WORLDS_OPERATIONS` asks more of them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import pytest

from portico.records.consent import ConsentKind
from portico.records.references import PORTICO, PatientId, RecordType
from portico.store.crosswalk import Link
from sandbox.population.planted import Planted
from tests.changed import replace
from tests.worlds import leaks
from tests.worlds.clinic import EPOCH, World
from tests.worlds.comparison import Comparison, Interference
from tests.worlds.scenery import RIVERBEND
from tests.worlds.stage import Leak, Stage, alike, staged
from tests.worlds.table import CHART, CLINIC, DIARY, LOOKED, TABLE

OPERATIONS: Final = int(os.environ.get("WORLDS_OPERATIONS", "10000"))

SHARES: Final = {
    ("physician", "ETREAT"): 1_000,
    ("physician", "TREAT"): 1_700,
    ("patient", "PATRQT"): 1_200,
    ("guardian", "PATRQT"): 1_200,
    ("front-desk", "HOPERAT"): 1_300,
    ("biller", "HPAYMT"): 1_300,
    ("researcher", "HRESCH"): 1_500,
    ("auditor", "HOPERAT"): 200,
    ("privacy-officer", "HOPERAT"): 200,
    ("operator", "HOPERAT"): 100,
    ("website", "HOPERAT"): 100,
    ("other-clinic", "TREAT"): 200,
}
"""Of 10,000 questions, how many each asks: most are asked by those who see some of many."""


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with staged() as running:
        yield running


def test_the_shares_are_everybodys_and_ten_thousand(stage: Stage) -> None:
    assert sum(SHARES.values()) == 10_000
    personas = stage.left.house.personas
    assert SHARES.keys() == {(name, purpose) for name, one in personas.items() for purpose in one.purposes}
    assert {(personas[name].role, purpose) for name, purpose in SHARES} == TABLE.keys()


def test_the_table_names_only_what_the_schema_has_and_gives_everything_to_somebody(stage: Stage) -> None:
    named = {
        (type_, name)
        for lines in TABLE.values()
        for line in lines
        for type_, names in line.full.items()
        for name in (*names, *(one.partition(".")[2] for one in line.masks if one.startswith(f"{type_}.")))
    }
    types = {type_ for type_, _ in named}
    assert types >= {*CHART, *CLINIC, *DIARY, *LOOKED}
    has = {(type_, name) for type_ in types for name in stage.text.fields(type_)}
    assert named <= has
    assert {f"{type_}.{name}" for type_, name in has - named} == {
        "Practitioner.provenance", "Organization.provenance", "Location.provenance", "Slot.provenance",
    }  # fmt: skip


@pytest.mark.parametrize(("persona", "purpose"), SHARES)
def test_worlds_that_differ_in_what_is_hidden_answer_with_equal_bytes(stage: Stage, persona: str, purpose: str) -> None:
    comparison = Comparison(stage, stage.who(persona, purpose))
    share = OPERATIONS * SHARES[persona, purpose] // 10_000
    comparison.ask(share)
    assert comparison.asked >= share
    assert comparison.refused <= comparison.asked / 50, "most questions are worth asking"


QUESTIONS: Final = (
    "query ($id: ID!) { patient(id: $id) { id name { family } appointments { edges { node { id } } } } }",
    "query ($id: ID!) { node(id: $id) { __typename id ... on Patient { ssn claims { edges { cursor } } } } }",
    "query ($id: ID!) { nodes(ids: [$id, $id]) { __typename id } }",
    "query ($id: ID!) { accesses(patient: $id) { edges { node { at } } pageInfo { hasNextPage } } }",
    "query ($id: ID!) { appointments(filter: {patient: $id}) { edges { cursor } pageInfo { hasNextPage } } }",
    "query ($id: ID!) { claims(filter: {patient: $id}) { edges { cursor } pageInfo { hasNextPage } } }",
    "{ patients(first: 100) { edges { cursor node { id } } } appointments(first: 100) { edges { cursor } } }",
    "{ emergencyAccesses(first: 100) { edges { cursor node { id } } } }",
)


def _link(stage: Stage, key: Planted) -> Link:
    """A planted person, as the chart's link to them."""
    person = next(one for one in stage.left.house.populations[RIVERBEND].people if one.key == key)
    return next(one for one in stage.base[RIVERBEND].linked.values() if one.source_id == person.ehr_id)


def _taken_back(world: World, patient: PatientId) -> World:
    """The world in which a patient has taken back every permit, on paper and here, and nobody broke the glass."""
    clinic = world[RIVERBEND]
    charts = {key for key, link in clinic.linked.items() if link.patient == patient}
    consents = {
        one
        for one in clinic.consents
        if (one.source, one.source_id) not in charts or one.provision.kind is not ConsentKind.PERMIT
    }
    kept = {
        id_: (of, replace(one, revoked_at=EPOCH, revoked_by="usr-patient") if of == patient else one)
        for id_, (of, one) in clinic.kept.items()
    }
    accesses = {id_: one for id_, one in clinic.emergencies.items() if one.patient != patient}
    changed = replace(clinic, consents=frozenset(consents), kept=kept, emergencies=accesses)
    return {**world, RIVERBEND: changed}


@pytest.mark.parametrize(
    ("persona", "purpose", "key"),
    [
        ("researcher", "HRESCH", Planted.PATIENT),
        ("researcher", "HRESCH", Planted.LAPSED),
        ("physician", "ETREAT", Planted.STRANGER),
        ("physician", "TREAT", Planted.STRANGER),
        ("physician", "TREAT", Planted.OPTING_IN),
        ("front-desk", "HOPERAT", Planted.REFUSING_CLINIC),
        ("biller", "HPAYMT", Planted.SELF_PAYER),
    ],
)
def test_a_revoked_consent_and_a_glass_that_could_be_broken_answer_like_absence(
    stage: Stage, persona: str, purpose: str, key: Planted
) -> None:
    who = stage.who(persona, purpose)
    link = _link(stage, key)
    there = _taken_back(stage.base, link.patient)
    absent = {**there, RIVERBEND: there[RIVERBEND].without(link.patient)}
    assert not stage.sight(there, who).seen(link.patient)
    stage.hold(absent, there)
    name = stage.left.house.name(RecordType.PATIENT, PORTICO, link.patient)
    for question in QUESTIONS:
        replies = stage.ask(who, question, {"id": name} if "$id" in question else {})
        assert alike(replies), question
        assert replies[0].status == 200


@pytest.mark.parametrize(("persona", "purpose"), [("researcher", "HRESCH"), ("biller", "HPAYMT")])
def test_why_a_value_is_withheld_that_nobody_would_get_does_not_tell_what_the_patient_said(
    stage: Stage, persona: str, purpose: str
) -> None:
    """Neither gets a telephone number of anybody; who has refused it to them is not theirs to know."""
    clinic, link = stage.base[RIVERBEND], _link(stage, Planted.UNSCHEDULED)
    silent = frozenset(one for one in clinic.consents if one.provision.tags != {"CONTACT"})
    stage.hold(stage.base, {**stage.base, RIVERBEND: replace(clinic, consents=silent)})
    name = stage.left.house.name(RecordType.PATIENT, PORTICO, link.patient)
    replies = stage.ask(stage.who(persona, purpose), "query ($id: ID!) { patient(id: $id) { phone } }", {"id": name})
    assert replies[0].json()["data"] == {"patient": {"phone": None}}
    assert alike(replies)


PLANTED: Final = (
    (leaks.ordering_by_what_is_hidden, "researcher", "HRESCH"),
    (leaks.filter_on_a_withheld_field, "researcher", "HRESCH"),
    (leaks.hidden_rows_are_counted, "researcher", "HRESCH"),
    (leaks.hidden_rows_are_errors, "guardian", "PATRQT"),
    (leaks.reasons_that_name_a_label, "biller", "HPAYMT"),
    (leaks.cursors_with_ordinals, "physician", "ETREAT"),
)
"""Leaks to plant, each with somebody who is told something by it."""


@pytest.mark.parametrize(("leak", "persona", "purpose"), PLANTED, ids=lambda one: getattr(one, "__name__", one))
def test_the_oracle_finds_a_leak_within_a_few_shares(leak: Leak, persona: str, purpose: str) -> None:
    with staged(leak) as leaking, pytest.raises(Interference):
        Comparison(leaking, leaking.who(persona, purpose), shrink=False).ask(4 * SHARES[persona, purpose])


def test_the_oracle_finds_a_mask_that_shows_too_much_and_tells_it_in_its_smallest_form() -> None:
    with staged(leaks.mask_that_shows_too_much) as leaking, pytest.raises(Interference) as found:
        Comparison(leaking, leaking.who("physician", "ETREAT"), shrink=True).ask(SHARES["physician", "ETREAT"])
    assert len(found.value.differences) == 1
    assert "another ssn under the mask" in found.value.differences[0].said
