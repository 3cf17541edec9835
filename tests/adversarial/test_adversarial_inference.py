"""What cannot be asked, and what can be concluded from what can (INF cases)."""

from __future__ import annotations

import re
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_leaf_type

from portico.records.references import RecordId
from portico.records.types import Appointment, Record, Slot, SlotStatus
from tests.adversarial.binding import Q_LIST, Q_SLOTS
from tests.changed import replace
from tests.contract.truth import Truth
from tests.house import SCHEDULING, MemoryHouse, memory_house
from tests.spec.served_world import SchemaText

COUNTING = re.compile(r"[tT]otal|[cC]ounts?$|^count[A-Z_]")
ARGUMENTS = {"id", "ids", "first", "after", "filter", "orderBy", "from", "until", "patient"}


def test_nothing_is_counted_dated_back_or_matched_by_an_expression(text: SchemaText) -> None:
    """No total, no old version, no query within a query: fields, arguments and filters are words that stand here."""
    for type_ in text.schema.type_map.values():
        if type_.name.startswith("__"):
            continue
        if isinstance(type_, GraphQLObjectType | GraphQLInterfaceType):
            assert {name for name in type_.fields if COUNTING.search(name)} == set()
            assert "label" not in " ".join(type_.fields).lower()
            for field in type_.fields.values() if type_.name != "Mutation" else ():
                assert field.args.keys() <= ARGUMENTS
            if type_.name.endswith("Connection"):
                assert type_.fields.keys() == {"edges", "pageInfo"}
        if isinstance(type_, GraphQLInputObjectType):
            assert all(is_leaf_type(get_named_type(field.type)) for field in type_.fields.values())


SEARCHES = ("Patient?_has:x", "name:contains=a", "Smith OR Jones", "gt1950", "_content=x", "{regex: '.*'}", "S%", "S_*")


@pytest.mark.parametrize("expression", SEARCHES)
async def test_an_expression_of_somebody_elses_language_is_a_text(house: MemoryHouse, expression: str) -> None:
    for field in ("family", "given", "identifier"):
        answer = await house.ask("biller", Q_LIST, first=5, filter={field: expression})
        assert answer["data"]["patients"]["edges"] == []


async def test_what_is_public_about_a_booked_time_is_that_it_is_taken() -> None:
    """A stranger compares the open times before and after somebody books one."""
    seen = []
    for distort in (_nothing, _booked):
        async with memory_house(explain=False, distort=distort) as house:
            seen.append({slot["id"]: slot for slot in await _slots(house)})
    before, after = seen
    assert before.keys() == after.keys()
    changed = [id_ for id_ in before if before[id_] != after[id_]]
    assert len(changed) == 1
    assert {**before[changed[0]], "status": "BUSY"} == after[changed[0]]


async def _slots(house: MemoryHouse) -> list[dict[str, Any]]:
    answer = await house.ask("website", Q_SLOTS)
    assert "errors" not in answer
    return [edge["node"] for edge in answer["data"]["slots"]["edges"]]


def _nothing(_: str, truth: Truth) -> Truth:
    return truth


def _booked(source: str, truth: Truth) -> Truth:
    """The first free slot is taken by the first patient's appointment."""
    if source != SCHEDULING:
        return truth
    slots = sorted((one for one in truth.records if isinstance(one, Slot) and one.start), key=_starts)
    slot = next(one for one in slots if one.status is SlotStatus.FREE)
    visit = next(one for one in truth.records if isinstance(one, Appointment))
    booked = replace(visit, id=RecordId(visit.id.type, visit.id.source, "just-booked"), start=slot.start, end=slot.end)
    records = [replace(one, status=SlotStatus.BUSY) if one is slot else one for one in truth.records]
    return replace(truth, records=(*records, booked))


def _starts(record: Record) -> Any:
    return getattr(record, "start", None), record.id.value
