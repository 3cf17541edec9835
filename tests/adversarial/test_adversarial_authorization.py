"""Other ways to the same value (AZ cases): the guard is met on each."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import pytest

from portico.records.references import RecordType
from sandbox.population.canary import canaries
from sandbox.population.planted import Planted
from tests.adversarial.binding import DERIVED, Q_PATIENT, STAFF, another_patient, guarded_fields, person
from tests.house import MemoryHouse
from tests.oracles.leak import Needles
from tests.oracles.uniform import interleaved
from tests.spec.served_world import SchemaText, World

REPLIES = int(os.environ.get("ADVERSARIAL_REPLIES", "300"))
PAIRS = int(os.environ.get("ADVERSARIAL_PAIRS", "60"))
APART_MILLISECONDS = 2.0
AT_ONCE = 300
"""Of more in the same moment, some would be late."""


@pytest.fixture(scope="module")
async def names(house: MemoryHouse) -> Mapping[str, Sequence[str]]:
    """Ids by type, as the researcher comes upon them, and those of the patient's own."""
    found: dict[str, list[str]] = {}
    query = """{ patients(first: 6) { edges { node { __typename id
        appointments(first: 2) { edges { node { __typename id practitioner { __typename id } } } }
        encounters(first: 2) { edges { node { __typename id location { __typename id } } } }
        coverages(first: 2) { edges { node { __typename id } } }
        claims(first: 2) { edges { node { __typename id } } } } } } }"""
    for persona in ("researcher", "patient"):
        _collect((await house.ask(persona, query))["data"], found)
    return found


def _collect(value: Any, found: dict[str, list[str]]) -> None:
    match value:
        case dict():
            if "id" in value and value["id"] not in found.setdefault(value["__typename"], []):
                found[value["__typename"]].append(value["id"])
            for one in value.values():
                _collect(one, found)
        case list():
            for one in value:
                _collect(one, found)


def _ways(type_: str, selection: str) -> dict[str, str]:
    """The same fields of one record by every way that the language has to name them."""
    inline = f"... on {type_} {{ {selection} }}"
    ways = {
        "on the type": f"query ($id: ID!) {{ it: node(id: $id) {{ {inline} }} }}",
        "on the interface, then the type": f"query ($id: ID!) {{ it: node(id: $id) {{ ... on Node {{ {inline} }} }} }}",
        "by a fragment on the interface": (
            f"query ($id: ID!) {{ it: node(id: $id) {{ ...N }} }} fragment N on Node {{ id {inline} }}"
        ),
        "by fragments within fragments": (
            f"query ($id: ID!) {{ it: node(id: $id) {{ ...A }} }} fragment A on Node {{ ...B }}"
            f" fragment B on Node {{ ...C }} fragment C on {type_} {{ {selection} }}"
        ),
        "among several": f"query ($id: ID!) {{ them: nodes(ids: [$id, $id]) {{ {inline} }} }}",
        "with directives": f"query ($id: ID!) {{ it: node(id: $id) {{ ... @include(if: true) {{ {inline} }} }} }}",
    }
    root = type_[0].lower() + type_[1:]
    if root in {"patient", "appointment", "claim", "practitioner"}:
        ways["by its own root"] = f"query ($id: ID!) {{ it: {root}(id: $id) {{ {selection} }} }}"
    return ways


def _told(answer: dict[str, Any]) -> tuple[Any, frozenset[tuple[str, str]]]:
    """The record, and what was withheld of it for which reason; neither by path."""
    data = answer["data"]
    record = data["them"][1] if "them" in data else data["it"]
    if isinstance(record, dict):
        record = {name: value for name, value in record.items() if name not in {"id", "__typename"}}
    errors = answer.get("errors", ())
    return record, frozenset((one["extensions"]["coordinate"], one["extensions"]["reason"]) for one in errors)


@pytest.mark.parametrize("persona", [*STAFF, "unrelated-physician", "website", "other-clinic"])
async def test_every_way_to_a_record_tells_the_same(
    house: MemoryHouse, text: SchemaText, names: Mapping[str, Sequence[str]], persona: str
) -> None:
    assert {"Patient", "Appointment", "Encounter", "Coverage", "Claim", "Practitioner", "Location"} <= names.keys()
    for type_, ids in names.items():
        shown = [name for name in text.values(type_) if name != "provenance"]
        selection = " ".join(f"{name} {text._below(type_, name)}" for name in shown)
        for id_ in (ids[0], ids[-1]):
            told = {
                way: _told(await house.ask(persona, query, id=id_)) for way, query in _ways(type_, selection).items()
            }
            assert all(one == told["on the type"] for one in told.values()), type_


async def test_no_alias_of_a_guarded_field_is_another_field(house: MemoryHouse, text: SchemaText) -> None:
    """Named as its neighbours are: `id: ssn`, `__typename: ssn`, and all under each other's names."""
    fields = sorted(field for field in text.values("Patient") if field not in {"provenance", "name", "address"})
    assert {f"Patient.{field}" for field in fields} <= guarded_fields(text)
    leaves = [field for field in fields if field != "identifiers"]
    swapped = " ".join(f"{name}: {field}" for name, field in zip(leaves, leaves[1:] + leaves[:1], strict=True))
    for persona in STAFF:
        plain = await house.ask(persona, f"{{ patients(first: 5) {{ edges {{ node {{ {' '.join(leaves)} }} }} }} }}")
        other = await house.ask(persona, f"{{ patients(first: 5) {{ edges {{ node {{ {swapped} }} }} }} }}")
        rows = [edge["node"] for edge in (plain["data"]["patients"] or {"edges": []})["edges"]]
        back = [edge["node"] for edge in (other["data"]["patients"] or {"edges": []})["edges"]]
        for row, again in zip(rows, back, strict=True):
            for name, field in zip(leaves, leaves[1:] + leaves[:1], strict=True):
                assert again[name] == row[field]


@pytest.mark.parametrize("persona", STAFF)
async def test_what_repeats_another_value_needs_the_right_to_that_value(house: MemoryHouse, persona: str) -> None:
    world = World(house, house.personas[persona])
    for record in world.records:
        if not await world.visible(record):
            continue
        effects = await world.effects(world.facts(record)) or {}
        for derived, inputs in DERIVED.items():
            type_, _, field = derived.partition(".")
            if record.type.value == type_ and effects[field].said == "allow":
                said = {effects[one.partition(".")[2]].said.split(" ")[0] for one in inputs}
                # A mask may move the dates of the lines; what they sum up to is no date.
                assert said <= {"allow", "mask"}, derived
                if derived == "Patient.identifiers":
                    assert said == {"allow"}


def test_no_edge_leads_from_what_is_nobodys_to_somebody(text: SchemaText) -> None:
    """A practitioner leads to no patients, a slot to nobody who booked it, a payer to no members."""
    for type_ in ("Practitioner", "Organization", "Location", "Slot", "Source", "Viewer"):
        targets = {text.target(type_, field) for field in text.edges(type_)}
        assert targets <= {"Practitioner", "Location", "Organization"}, type_


async def test_callers_in_the_same_moment_get_what_is_theirs(house: MemoryHouse, needles: Needles) -> None:
    population = house.populations["riverbend"]
    people = [one for one in population.people if one.ehr_id and one.key != Planted.PATIENT][:3]
    for one in people:
        persona = another_patient(house.personas["patient"], one)
        house.personas = {**house.personas, persona.name: persona}
    callers = {"patient": person(population, "P01"), **{f"patient {one.key}": one for one in people}}
    ids = {caller: await house.patient_name(one.key) for caller, one in callers.items()}
    everybody = " ".join(f'p{place}: patient(id: "{id_}") {{ ...P }}' for place, id_ in enumerate(ids.values()))
    fields = Q_PATIENT.partition("{ patient(id: $id) ")[2].rpartition("}")[0]
    query = f"{{ {everybody} }} fragment P on Patient {fields}"
    alone = {caller: (await house.answer(caller, query)).body for caller in callers}
    assert len(set(alone.values())) == len(callers)
    asked = random.Random(1).choices(list(callers), k=REPLIES)  # noqa: S311  the same crowd in every run
    for start in range(0, REPLIES, AT_ONCE):
        some = asked[start : start + AT_ONCE]
        answers = await asyncio.gather(*(house.answer(caller, query) for caller in some))
        assert all(answer.body == alone[caller] for caller, answer in zip(some, answers, strict=True))
    owners = canaries(population)
    for caller, body in alone.items():
        read = needles.leaked_in(body) & owners.keys()
        assert {owners[canary].person for canary in read} == {callers[caller].key}


async def test_forbidden_and_absent_are_null_at_the_same_height(house: MemoryHouse) -> None:
    """Beside what may be seen: neither takes more of its surroundings with it than the other."""
    population = house.populations["riverbend"]
    own, hidden = [await house.patient_name(person(population, one).key) for one in ("P01", "P02")]
    absent = house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")
    inner = "... on Patient { id name { family } claims { edges { node { id lines { number } } } } }"
    query = f"""query ($id: ID!) {{ outer: nodes(ids: ["{own}", $id]) {{ {inner} }}
      alone: node(id: $id) {{ {inner} }} own: node(id: "{own}") {{ {inner} }} }}"""
    bodies = {(await house.answer("patient", query, id=id_)).body for id_ in (hidden, absent)}
    (body,) = bodies
    answer = orjson.loads(body)
    assert "errors" not in answer
    assert answer["data"]["alone"] is None
    assert answer["data"]["outer"][0] == answer["data"]["own"]
    assert answer["data"]["outer"][1] is None


async def test_forbidden_takes_no_longer_than_absent(house: MemoryHouse) -> None:
    population = house.populations["riverbend"]
    hidden = await house.patient_name(person(population, "P02").key)
    absent = house.name(RecordType.PATIENT, "portico", "00000000-0000-4000-8000-000000000000")
    pairs = await interleaved(
        lambda: house.answer("patient", Q_PATIENT, id=hidden),
        lambda: house.answer("patient", Q_PATIENT, id=absent),
        pairs=PAIRS,
        clock=time.thread_time,
    )
    assert pairs.apart_milliseconds < APART_MILLISECONDS
