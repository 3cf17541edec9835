"""Rights under other names, and policies that hide anything (AZ and POL cases)."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from portico.access.engine import Rule, Verdict
from portico.settings import Settings
from sandbox.population.planted import Planted
from tests.adversarial.binding import Q_LIST, Q_PATIENT, STAFF
from tests.house import MemoryHouse, memory_house
from tests.oracles.untouched import untouched
from tests.spec.served_world import SchemaText

ROUNDS = int(os.environ.get("ADVERSARIAL_ROUNDS", "25"))


ROLES = (
    "Physician", "PHYSICIAN", "physician ", " physician", "physician\u200b", "physician,biller", "physician biller",
    "physician/read", "physician.*", "*", "admin", "root", "system", "patient|physician", "phys\u0131cian",
    "front_desk", "front\u2010desk", "frontdesk", "null", "true", "0", "portico.physician",
)  # fmt: skip
"""Roles as nobody has them, however much they look like some."""


@pytest.mark.parametrize("role", ROLES, ids=lambda role: repr(role)[1:-1] or "empty")
async def test_a_role_counts_only_to_the_letter(house: MemoryHouse, role: str) -> None:
    persona = replace(house.personas["physician"], name="pretender", role=role)
    house.personas = {**house.personas, persona.name: persona}
    name = await house.patient_name(Planted.PATIENT)
    with untouched(house):
        answer = await house.ask("pretender", Q_PATIENT, id=name)
        listed = await house.ask("pretender", Q_LIST, first=5)
    assert (answer["data"] or {}).get("patient") is None
    assert ((listed["data"] or {}).get("patients") or {"edges": []})["edges"] == []


async def test_a_service_is_no_person_whatever_its_role(house: MemoryHouse) -> None:
    """The client credentials of a website with a physician's role, a patient's, or everybody's."""
    for role in ("physician", "patient", "guardian", "biller", "front-desk", "researcher"):
        bot = replace(house.personas["website"], name="bot", role=role, purposes=house.personas[role].purposes)
        house.personas = {**house.personas, bot.name: bot}
        with untouched(house):
            listed = await house.ask("bot", Q_LIST, first=5)
        assert ((listed["data"] or {}).get("patients") or {"edges": []})["edges"] == []


def test_no_setting_turns_the_guard_off() -> None:
    """There are two switches: one explains answers and one takes addresses. Neither knows anything of rights."""
    switches = {name for name, field in Settings.model_fields.items() if field.annotation is bool}
    assert switches == {"demo", "get_queries"}
    words = ("auth", "guard", "enforce", "disable", "bypass", "allow_all", "insecure", "dry", "permissive", "polic")
    suspicious = {name for name in Settings.model_fields if any(word in name for word in words)}
    assert suspicious == {"policies"}


async def test_an_answer_that_explains_itself_releases_nothing_more() -> None:
    bodies = []
    for explain in (True, False):
        async with memory_house(explain=explain, canary=True) as house:
            bodies.append([(await house.ask(persona, Q_LIST, first=20))["data"] for persona in STAFF])
    explained, plain = (orjson.dumps(_without_names(one)) for one in bodies)
    assert explained == plain


def _without_names(value: Any) -> Any:
    """Data without ids and cursors, which differ between houses whose crosswalks were made at different times."""
    match value:
        case dict():
            kept = {"id", "cursor", "startCursor", "endCursor"}
            return {name: _without_names(one) for name, one in value.items() if name not in kept}
        case list():
            return [_without_names(one) for one in value]
        case _:
            return value


async def test_any_part_of_the_graph_can_be_hidden_without_a_fault(house: MemoryHouse, text: SchemaText) -> None:
    """Random tags and fields withheld, random classes invisible: the answer stands, with denials and nothing else."""
    fields = text.selection("Patient")
    queries = [f"{{ patients(first: 3) {{ edges {{ node {{ {fields} }} }} }} viewer {{ subject }} }}", Q_LIST]
    for seed in range(ROUNDS):
        chance = random.Random(seed)  # noqa: S311  the same subsets in every run
        house.engine.twist = lambda rule, verdict, chance=chance: _thinned(rule, verdict, chance)  # type: ignore[misc]  # bound at once
        for persona in ("patient", "physician", "biller"):
            house.engine.publish()
            answer = await house.ask(persona, chance.choice(queries), first=3)
            codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
            assert codes <= {"UNAUTHORIZED_FIELD_OR_TYPE"}
            assert "data" in answer
    assert house.faults == []


def _thinned(rule: Rule, verdict: Verdict, chance: random.Random) -> Verdict:
    if rule is not Rule.CLASSES:
        return verdict
    result = {key: _with_less(answer, chance) for key, answer in verdict.result.items()}
    return replace(verdict, result=result)


def _with_less(answer: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    hidden = {tag for tag in answer["allow"] if tag != "PUBLIC" and chance.random() < 0.4}
    return {
        **answer,
        "visible": answer["visible"] and chance.random() < 0.8,
        "allow": [tag for tag in answer["allow"] if tag not in hidden],
        "deny": {**answer["deny"], **dict.fromkeys(hidden, "minimum_necessary")},
    }
