"""A filter by a practitioner or a place who may not be seen finds what one by nobody finds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from portico.records.references import RecordType, Tenant
from portico.records.types import Location, Practitioner
from tests.changed import replace
from tests.house import EHR, MemoryHouse

TWIN = "twin"


@pytest.fixture
async def twinned(house: MemoryHouse) -> AsyncIterator[MemoryHouse]:
    """Beside a practitioner and a place another of each with the same number and code, for whom nobody is cleared."""
    ehr = house.sources[Tenant("riverbend")][EHR]
    held = {type_: ehr.held(type_) for type_ in (RecordType.PRACTITIONER, RecordType.LOCATION)}
    for type_, records in held.items():
        hidden = [
            replace(one, id=replace(one.id, value=f"{one.id.value}{TWIN}"), labels=frozenset({"unheard-of"}))
            for one in records
        ]
        ehr.hold(type_, [*records, *hidden])
    yield house
    for type_, records in held.items():
        ehr.hold(type_, records)


async def _found(house: MemoryHouse, root: str, argument: str, name: str) -> Any:
    query = f"query ($id: ID!) {{ {root}(filter: {{{argument}: $id}}) {{ edges {{ node {{ id }} }} }} }}"
    answer = await house.ask("physician", query, id=name)
    assert "errors" not in answer
    return answer["data"][root]["edges"]


@pytest.mark.parametrize(
    ("root", "argument", "type_"),
    [
        ("appointments", "practitioner", RecordType.PRACTITIONER),
        ("claims", "provider", RecordType.PRACTITIONER),
        ("slots", "practitioner", RecordType.PRACTITIONER),
        ("slots", "location", RecordType.LOCATION),
    ],
)
async def test_a_filter_by_somebody_who_may_not_be_seen_finds_nothing(
    twinned: MemoryHouse, root: str, argument: str, type_: RecordType
) -> None:
    ehr = twinned.sources[Tenant("riverbend")][EHR]
    own = [one for one in ehr.held(type_) if not one.labels and isinstance(one, Practitioner | Location)]
    seen = [twinned.name(type_, EHR, one.id.value) for one in own]
    hidden = [twinned.name(type_, EHR, f"{one.id.value}{TWIN}") for one in own]
    found = [await _found(twinned, root, argument, name) for name in seen]
    assert any(found)
    assert [await _found(twinned, root, argument, name) for name in hidden] == [[]] * len(hidden)
