"""What a destination may not be told is never sent to it, and costs its own fields alone."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.channel import Channel, ChannelConfig
from connectors.memory import MemoryConnector
from portico.access.engine import Rule, Verdict
from portico.audit.entry import Outcome
from portico.records.errors import PolicyUnavailable
from portico.records.references import RecordType
from sandbox.population.planted import Planted
from tests.house import BILLING, EHR, POLICIES, SCHEDULING, MemoryHouse, memory_house

REGISTER = "portico/destinations/data.yaml"
AGREED = 'baa: {from: "2025-01-01", until: null}'
JOINED = """{ patients(first: 3) { edges { node { gender
  appointments(first: 2) { edges { node { status } } }
  claims(first: 2) { edges { node { status } } } } } } }"""

Answer = dict[str, Any]


def _entry(register: str, kind: str) -> str:
    """The lines of one destination's entry."""
    start = register.index(f"\n{kind}:\n")
    end = register.find("\n\n", start + 1)
    return register[start : end if end > 0 else len(register)]


def _change(folder: Path, kind: str, old: str, new: str) -> None:
    register = (folder / REGISTER).read_text()
    entry = _entry(register, kind)
    assert old in entry
    (folder / REGISTER).write_text(register.replace(entry, entry.replace(old, new)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the policies that a test may edit."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


@asynccontextmanager
async def _changed(folder: Path, kind: str, old: str, new: str) -> AsyncIterator[MemoryHouse]:
    """A house whose register says something else about a kind of system."""
    _change(folder, kind, old, new)
    async with memory_house(policies=folder) as house:
        yield house


def _refusals(answer: Answer) -> set[tuple[str, str, str]]:
    """Where, by which source and why something was refused."""
    errors = [error["extensions"] for error in answer.get("errors", ())]
    assert {error["code"] for error in errors} <= {"EGRESS_REFUSED"}, answer["errors"]
    return {(error["affectedPath"], error["source"], error["reason"]) for error in errors}


async def _until(true: Callable[[], Any], within_seconds: float = 20) -> None:
    began = time.monotonic()
    while not await true():
        assert time.monotonic() - began < within_seconds, "never came true"
        await asyncio.sleep(0.02)


async def test_without_an_agreement_nothing_is_sent_and_the_other_sources_answer(folder: Path) -> None:
    async with _changed(folder, "billing", AGREED, "baa: null") as house:
        answer = await house.ask("biller", JOINED)
        assert _refusals(answer) == {("patients.edges.@.node.claims", "billing", "no_agreement")}
        for edge in answer["data"]["patients"]["edges"]:
            assert edge["node"]["claims"] is None
            assert edge["node"]["gender"]
            assert edge["node"]["appointments"] is not None
        assert {one.source for one in house.asked()} == {EHR, SCHEDULING}
        entry = house.trail.entries[-1]
        assert entry.outcome is Outcome.PARTIAL
        assert entry.sources == {EHR, SCHEDULING}
        assert not any(name.startswith("Claim.") for name in entry.released)


async def test_every_way_to_a_source_without_an_agreement_is_closed(folder: Path) -> None:
    async with _changed(folder, "fhir", AGREED, "baa: null") as house:
        name = await house.patient_name(Planted.PATIENT)
        doctor = house.name(RecordType.PRACTITIONER, EHR, "prac-1")
        query = """query ($id: ID!, $doctor: ID!) {
          list: patients(first: 1) { edges { cursor } }
          named: patients(filter: {family: "a"}) { edges { cursor } }
          one: patient(id: $id) { gender }
          node(id: $id) { id }
          nodes(ids: [$id]) { id }
          practitioners(first: 1) { edges { cursor } }
          theirs: appointments(filter: {practitioner: $doctor}) { edges { cursor } } }"""
        answer = await house.ask("biller", query, id=name, doctor=doctor)
        refused = {path.split(".")[0] for path, source, reason in _refusals(answer) if source == "ehr"}
        assert refused == set(answer["data"])
        assert all(value in (None, [None]) for value in answer["data"].values())
        assert house.asked() == []


async def test_an_agreement_that_has_ended_is_none(folder: Path) -> None:
    async with _changed(folder, "billing", "until: null", 'until: "2025-01-31"') as house:
        answer = await house.ask("biller", "{ claims(first: 1) { edges { node { status } } } }")
        assert answer["data"] == {"claims": None}
        assert _refusals(answer) == {("claims", "billing", "no_agreement")}
        assert house.asked() == []


async def test_another_purpose_than_those_registered_is_refused(folder: Path) -> None:
    async with _changed(folder, "billing", "HPAYMT, ", "") as house:
        query = "{ claims(first: 1) { edges { node { status } } } }"
        assert _refusals(await house.ask("biller", query)) == {("claims", "billing", "purpose_not_registered")}
        assert house.asked() == []
        assert (await house.ask("patient", query))["data"]["claims"] is not None


async def test_a_filter_that_tells_more_than_is_registered_is_refused_and_any_other_answered(folder: Path) -> None:
    async with _changed(folder, "fhir", "IDENTIFIER, ", "") as house:
        person = next(one for one in house.populations["riverbend"].people if one.key == Planted.PATIENT)
        query = "query ($f: PatientFilter) { patients(first: 5, filter: $f) { edges { node { gender } } } }"
        answer = await house.ask("front-desk", query, f={"mrn": person.mrn})
        assert answer["data"] == {"patients": None}
        assert _refusals(answer) == {("patients", "ehr", "tag_not_registered")}
        assert person.mrn not in str(answer)
        assert house.asked() == []
        assert (await house.ask("front-desk", query, f={"family": person.family}))["data"]["patients"]["edges"]


async def test_an_edit_of_the_register_counts_in_a_running_house_and_so_does_its_undoing(folder: Path) -> None:
    query = "{ claims(first: 1) { edges { node { status } } } }"
    async with memory_house(policies=folder) as house:

        async def codes() -> set[str]:
            answer = await house.ask("biller", query)
            return {error["extensions"]["code"] for error in answer.get("errors", ())}

        async def refused() -> bool:
            return await codes() == {"EGRESS_REFUSED"}

        async def answered() -> bool:
            return await codes() == set()

        assert await answered()
        _change(folder, "billing", AGREED, "baa: null")
        await _until(refused)
        house.asked()
        assert await refused()
        assert house.asked() == []
        _change(folder, "billing", "baa: null", AGREED)
        await _until(answered)


async def test_an_engine_that_does_not_say_what_may_be_sent_releases_nothing_and_no_source_is_called(
    house: MemoryHouse,
) -> None:
    def silent(rule: Rule, verdict: Verdict) -> Verdict:
        if rule is Rule.EGRESS:
            raise PolicyUnavailable
        return verdict

    house.engine.publish()
    house.engine.twist = silent
    answer = await house.ask("biller", JOINED)
    assert answer["data"] is None
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["POLICY_UNAVAILABLE"]
    assert house.asked() == []


async def test_a_cold_request_asks_once_for_each_destination_and_a_warm_one_not_at_all(house: MemoryHouse) -> None:
    query = JOINED.replace("{ patients", "{ again: patients(first: 2) { edges { node { id } } } patients", 1)
    house.engine.publish()
    house.engine.asked.clear()
    answer = await house.ask("biller", query)
    assert Counter(house.engine.asked)[Rule.EGRESS] == len({EHR, SCHEDULING, BILLING})
    assert answer["extensions"]["portico"]["policy"]["calls"] == len(house.engine.asked)
    house.engine.asked.clear()
    assert (await house.ask("biller", query))["data"] == answer["data"]
    assert house.engine.asked == []


async def test_whether_a_source_answers_may_be_asked_without_an_agreement(folder: Path) -> None:
    """A ping tells nothing about anybody."""
    async with _changed(folder, "billing", AGREED, "baa: null") as house:
        answer = await house.ask("operator", "{ sources { name status } }")
        assert {one["status"] for one in answer["data"]["sources"]} == {"UP"}


def test_a_channel_that_nobody_named_is_unregistered() -> None:
    assert Channel(MemoryConnector(BILLING), ChannelConfig()).destination == "unregistered"
