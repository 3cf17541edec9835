"""What the contract suite can't see: the reference connector's corners, and the unruly one's tricks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connectors.memory import MemoryConnector, UnrulyConnector
from portico.records.errors import SourceTimeout, SourceUnavailable, UnsupportedPredicate
from portico.records.references import By, RecordId, RecordType, SourceName
from portico.records.search import Condition, Op, Search
from portico.records.types import Appointment, Patient
from portico.records.values import HumanName, Provenance
from tests.contract.questions import context
from tests.contract.small_population import small_population
from tests.contract.truth import ehr_truth

SOURCE = SourceName("memory")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _provenance(value: str) -> Provenance:
    return Provenance(source=SOURCE, source_id=value, retrieved_at=NOON, mapping_version="1")


def _patient(value: str, family: str | None) -> Patient:
    return Patient(
        id=RecordId(RecordType.PATIENT, SOURCE, value),
        provenance=_provenance(value),
        subject=value,
        name=HumanName(family=family) if family else None,
    )


def _appointment(value: str, start: datetime | None) -> Appointment:
    return Appointment(
        id=RecordId(RecordType.APPOINTMENT, SOURCE, value), provenance=_provenance(value), subject="p", start=start
    )


async def _names(connector: MemoryConnector, search: Search) -> list[str]:
    return [hit.record.id.value for hit in (await connector.search(context(), search)).hits]


async def test_an_empty_source_serves_nothing() -> None:
    connector = MemoryConnector(SOURCE)
    assert connector.keys == {}
    assert connector.searches == frozenset()
    with pytest.raises(UnsupportedPredicate):
        await connector.find(context(), RecordType.PATIENT, By.ID, ["p"])


async def test_a_key_is_declared_only_where_a_record_has_it() -> None:
    assert MemoryConnector(SOURCE, [_appointment("a", NOON)]).keys == {
        RecordType.APPOINTMENT: frozenset({By.ID, By.PATIENT})
    }


async def test_names_are_ordered_without_regard_to_case_or_accents_and_missing_ones_come_first() -> None:
    people = [_patient("1", "Zander"), _patient("2", "Émile"), _patient("3", None), _patient("4", "eagle")]
    connector = MemoryConnector(SOURCE, people)
    ascending = Search(type=RecordType.PATIENT, order="family", limit=10)
    assert await _names(connector, ascending) == ["3", "4", "2", "1"]


async def test_a_missing_value_meets_no_condition() -> None:
    connector = MemoryConnector(SOURCE, [_patient("1", None), _appointment("2", None)])
    for type_, order, condition in (
        (RecordType.PATIENT, "family", Condition("family", Op.PREFIX, ("",))),
        (RecordType.APPOINTMENT, "start", Condition("start", Op.BEFORE, ("2100-01-01T00:00:00Z",))),
        (RecordType.APPOINTMENT, "start", Condition("start", Op.FROM, ("1900-01-01T00:00:00Z",))),
    ):
        assert await _names(connector, Search(type=type_, where=(condition,), order=order, limit=10)) == []


async def test_instants_are_compared_as_instants_whatever_their_offset() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    connector = MemoryConnector(SOURCE, [_appointment("early", NOON.astimezone(east))])
    condition = Condition("start", Op.FROM, ("2026-01-01T07:00:00-05:00",))
    search = Search(type=RecordType.APPOINTMENT, where=(condition,), order="start", limit=10)
    assert await _names(connector, search) == ["early"]


async def test_asking_twice_gives_equal_records_and_never_the_held_ones() -> None:
    held = _patient("1", "Adams")
    connector = MemoryConnector(SOURCE, [held])
    first, second = [await connector.find(context("name"), RecordType.PATIENT, By.ID, ["1"]) for _ in range(2)]
    assert first == second == [held]
    assert first[0] is not held


async def test_an_unruly_connector_notes_its_calls_and_behaves_until_told_otherwise() -> None:
    unruly = UnrulyConnector(MemoryConnector(SOURCE, [_patient("1", "Adams")]))
    call = context("name")
    assert len(await unruly.find(call, RecordType.PATIENT, By.ID, ["1"])) == 1
    assert unruly.calls == [(call, "find Patient by id", ("1",))]
    unruly.fault = SourceUnavailable(SOURCE)
    with pytest.raises(SourceUnavailable):
        await unruly.ping(call)
    unruly.fault = None
    await unruly.ping(call)
    await unruly.aclose()
    assert unruly.closed == 1


async def test_a_scan_stops_at_its_deadline_even_midway() -> None:

    now = [0.0]
    truth = ehr_truth(small_population(), SOURCE)
    connector = MemoryConnector(SOURCE, (), truth.people, clock=lambda: now[0])
    call = context()
    people = connector.people(call)
    await anext(people)
    now[0] = call.deadline
    with pytest.raises(SourceTimeout):
        await anext(people)
