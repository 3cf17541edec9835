"""A source that fails or lies costs its own fields, named in the answer, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from portico.demo import client
from sandbox.population.model import Population
from tests.e2e.whole.rights import Rights
from tests.e2e.whole.stage import Demo, until
from tests.oracles.leak import Needles, telling
from tests.oracles.reply import Json

JOINED = """{
  patients(first: 5) { edges { node { mrn name { family }
    appointments(first: 3) { edges { node { start status } } }
    claims(first: 3) { edges { node { status billed { amount } } } }
    coverages(first: 3) { edges { node { payer memberId } } } } } }
  appointments(first: 5) { edges { node { start patient { mrn } claims(first: 2) { edges { node { created } } } } } }
  claims(first: 5) { edges { node { created billed { amount }
    patient { mrn } encounter { status } appointment { start } } } }
  viewer { subject }
}"""
OWN = {
    "ehr": {
        "patients",
        "appointments.edges.@.node.patient",
        "claims.edges.@.node.patient",
        "claims.edges.@.node.encounter",
    },
    "scheduling": {"patients.edges.@.node.appointments", "appointments", "claims.edges.@.node.appointment"},
    "billing": {"patients.edges.@.node.claims", "appointments.edges.@.node.claims", "claims"},
}
"""The paths of the question that are each source's to answer."""
NOBODYS: Json = {"edges": []}
"""What is known without asking a source: it does not know this patient."""
UNAVAILABLE, TIMEOUT, INVALID = "SOURCE_UNAVAILABLE", "SOURCE_TIMEOUT", "SOURCE_INVALID"
MODES = {
    "slow": {TIMEOUT},
    "500": {UNAVAILABLE},
    "429": {UNAVAILABLE, TIMEOUT},
    "reset": {UNAVAILABLE},
    "huge": {INVALID},
    "wrong-patient": {INVALID},
    "foreign-next": {INVALID},
}
REQUEST_SECONDS = 10.0
HEALED_SECONDS = 20.0
"""A source that has failed repeatedly is left alone for ten seconds."""


@pytest.fixture(autouse=True)
def healed(demo: Demo) -> Iterator[None]:
    """Every source behaves again afterwards, and is asked again."""
    yield
    for source in OWN:
        client.misbehave(demo.running, source, "well")
    until("all sources are asked again", lambda: "errors" not in demo.ask("biller", JOINED), seconds=HEALED_SECONDS)


def _cases() -> Iterator[Any]:
    for source in OWN:
        for mode in MODES:
            if mode != "foreign-next" or source == "ehr":
                yield pytest.param(source, mode, id=f"{source}-{mode}")


@pytest.mark.parametrize(("source", "mode"), list(_cases()))
def test_a_source_that_misbehaves_costs_its_own_fields_only(demo: Demo, source: str, mode: str) -> None:
    whole = demo.data("biller", JOINED)
    with demo.misbehaving(source, mode):
        began = time.monotonic()
        answer = demo.ask("biller", JOINED)
        seconds = time.monotonic() - began
    assert seconds < REQUEST_SECONDS + 1
    errors = answer.get("errors", [])
    paths = [error["extensions"]["affectedPath"] for error in errors]
    assert len(paths) == len(set(paths))
    assert {error["extensions"]["source"] for error in errors} == {source}
    assert {error["extensions"]["code"] for error in errors} <= MODES[mode]
    lost = set(paths)
    assert lost <= OWN[source]
    if mode not in {"wrong-patient", "foreign-next"}:  # which only spoil questions about a patient, or of many pages
        assert lost == OWN[source]
    else:
        assert lost
    _compare(whole, answer["data"], lost, ())


def _compare(whole: Any, served: Any, lost: set[str], path: tuple[str, ...]) -> None:
    """What was served is the whole answer without what was lost."""
    if ".".join(path) in lost:
        assert served is None or whole == served == NOBODYS, path
        return
    match whole, served:
        case dict(), dict():
            assert whole.keys() == served.keys()
            for name in whole:
                _compare(whole[name], served[name], lost, (*path, name))
        case list(), list():
            assert len(whole) == len(served), path
            for one, other in zip(whole, served, strict=True):
                _compare(one, other, lost, (*path, "@"))
        case _:
            assert whole == served, path


@pytest.mark.parametrize("persona", ["patient", "guardian", "physician"])
@pytest.mark.parametrize("source", OWN)
def test_a_source_that_answers_about_somebody_else_shows_nobody_else(
    demo: Demo,
    source: str,
    persona: str,
    rights: Mapping[str, Rights],
    populations: Mapping[str, Population],
) -> None:
    question = """{ patients(first: 30) { edges { node { name { family given } birthDate
        appointments(first: 9) { edges { node { start reason } } }
        encounters(first: 9) { edges { node { reasons { display } } } }
        claims(first: 9) { edges { node { created billed { amount } } } }
        coverages(first: 9) { edges { node { payer } } }
        careTeam(first: 9) { edges { node { period { start } } } } } } } }"""
    whole = demo.ask(persona, question)["data"]["patients"]["edges"]
    with demo.misbehaving(source, "wrong-patient"):
        reply = demo.reply(demo.token(persona), question)
    needles = Needles(telling([populations["riverbend"]]))
    assert needles.leaked_in(reply.body, rights[persona].texts) == set()
    data = reply.json()["data"]["patients"]
    if source == "ehr":
        assert data is None
        return
    for before, after in zip(whole, data["edges"], strict=True):
        for name, value in after["node"].items():
            assert value in (None, before["node"][name]), name


@pytest.mark.parametrize("persona", ["front-desk", "biller"])
def test_an_ehr_that_lists_others_than_it_was_asked_for_is_found_out(demo: Demo, persona: str) -> None:
    """People of another clinic in the list of one's own are no empty list but an error."""
    everyone = "{ patients { edges { node { mrn } } } }"
    mrn = demo.ask(persona, everyone)["data"]["patients"]["edges"][0]["node"]["mrn"]
    one = f'{{ patients(filter: {{mrn: "{mrn}"}}) {{ edges {{ node {{ mrn }} }} }} }}'
    assert demo.ask(persona, one)["data"]["patients"]["edges"] == [{"node": {"mrn": mrn}}]
    for question in (everyone, one):
        with demo.misbehaving("ehr", "wrong-patient"):
            answer = demo.ask(persona, question)
        assert answer["data"] == {"patients": None}
        (error,) = answer["errors"]
        assert (error["extensions"]["code"], error["extensions"]["source"]) == (INVALID, "ehr")


def test_a_source_that_keeps_failing_is_left_alone_and_then_asked_again(demo: Demo) -> None:
    question = "{ claims(first: 1) { edges { node { created } } } }"
    with demo.misbehaving("billing", "500"):
        until("it is left alone", lambda: _is_left_alone(demo.ask("biller", question)), seconds=5)
        demo.forget_calls()
        for _ in range(5):
            assert demo.ask("biller", question)["data"] == {"claims": None}
        assert demo.calls() == []
    until("it is asked again", lambda: "errors" not in demo.ask("biller", question), seconds=HEALED_SECONDS)


def _is_left_alone(answer: Json) -> bool:
    return any("left alone" in error["message"] for error in answer.get("errors", ()))


def test_the_operator_sees_which_source_is_down(demo: Demo) -> None:
    question = "{ sources { name status } }"
    assert {one["status"] for one in demo.data("operator", question)["sources"]} == {"UP"}
    with demo.misbehaving("scheduling", "500"):
        statuses = {one["name"]: one["status"] for one in demo.data("operator", question)["sources"]}
    assert statuses == {"ehr": "UP", "scheduling": "DOWN", "billing": "UP"}


def test_two_sources_down_cost_what_is_theirs(demo: Demo) -> None:
    whole = demo.data("biller", JOINED)
    with demo.misbehaving("billing", "reset"), demo.misbehaving("scheduling", "500"):
        answer = demo.ask("biller", JOINED)
    lost = {error["extensions"]["affectedPath"] for error in answer["errors"]}
    assert lost == {"patients.edges.@.node.appointments", "appointments", "patients.edges.@.node.claims", "claims"}
    _compare(whole, answer["data"], lost, ())


def test_a_failing_source_releases_no_more_than_a_sound_one(demo: Demo) -> None:
    """The ceiling and the guard stand whatever a source does: the front desk is shown no money by its failing."""
    with demo.misbehaving("billing", "wrong-patient"):
        answer = demo.ask("front-desk", "{ patients(first: 3) { edges { node { ssn claims { edges { cursor } } } } } }")
    for edge in answer["data"]["patients"]["edges"]:
        assert edge["node"]["claims"] is None
        assert edge["node"]["ssn"].startswith("***-**-")
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"UNAUTHORIZED_FIELD_OR_TYPE"}
