"""A value that is switched off is told by no field that repeats it, or from which it follows."""

from __future__ import annotations

from typing import Any

import pytest

from portico.records.switches import SwitchKind
from tests.house import MemoryHouse
from tests.unit.graph.switching import Answer, ask, executor, off

__all__ = ["ask", "executor"]

NUMBERS = """query ($f: PatientFilter) { patients(first: 5, filter: $f) { edges { node {
  ssn mrn identifiers { value } } } } }"""


@pytest.mark.parametrize("field", ["ssn", "mrn"])
@pytest.mark.parametrize("persona", ["biller", "patient", "guardian"])
async def test_a_number_that_is_off_is_told_by_no_other_field(
    house: MemoryHouse, ask: Any, persona: str, field: str
) -> None:
    def nodes(answer: Answer) -> list[dict[str, Any]]:
        return [edge["node"] for edge in answer["data"]["patients"]["edges"]]

    numbers = {node[field] for node in nodes(await ask(persona, NUMBERS))} - {None}
    assert numbers
    await off(house, SwitchKind.FIELD, f"Patient.{field}")
    told = nodes(await ask(persona, NUMBERS))
    assert told
    assert all(node[field] is None for node in told)
    assert numbers.isdisjoint(one["value"] for node in told for one in node["identifiers"] or ())


async def test_nobody_is_found_by_a_number_that_is_off(house: MemoryHouse, ask: Any) -> None:
    before = (await ask("biller", NUMBERS))["data"]["patients"]["edges"]
    number = next(edge["node"]["ssn"] for edge in before if edge["node"]["ssn"])
    assert (await ask("biller", NUMBERS, f={"identifier": number}))["data"]["patients"]["edges"]
    await off(house, SwitchKind.FIELD, "Patient.ssn")
    assert not (await ask("biller", NUMBERS, f={"identifier": number}))["data"]["patients"]["edges"]


async def test_an_amount_that_is_off_follows_from_no_other_field(house: MemoryHouse, ask: Any) -> None:
    query = "{ claims(first: 5) { edges { node { billed { amount } lines { billed { amount } } status } } } }"
    await off(house, SwitchKind.FIELD, "Claim.billed")
    told = (await ask("biller", query))["data"]["claims"]["edges"]
    assert told
    assert all(edge["node"]["billed"] is None and edge["node"]["lines"] is None for edge in told)
