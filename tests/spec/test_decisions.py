"""The tables in `decisions/` hold, on both engines.

Each file is one persona: for every type the list that could be shown, and for records of a kind what is allowed,
masked and denied, or why they stay hidden. `deny: the rest` is every other tag, as more than the purpose needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from portico.access.documents import parse_yaml
from portico.access.engine import PolicyEngine, Rule
from portico.access.tags import Tag
from tests.policy.questions import classes, facts, principal, scope

FILES = sorted((Path(__file__).parent / "decisions").glob("*.yaml"))
TABLES: dict[str, Any] = {path.stem: parse_yaml(path.read_text()) for path in FILES}
RECORDS = [
    pytest.param(table, record, id=f"{persona}: {record['title']}")
    for persona, table in TABLES.items()
    for record in table["records"]
]
LISTS = [
    pytest.param(table, type_, expected, id=f"{persona}: {type_}")
    for persona, table in TABLES.items()
    for type_, expected in table["lists"].items()
]


def _who(table: Mapping[str, Any], **claims: Any) -> dict[str, Any]:
    return {**principal(table["role"], kind=table["kind"], purposes=[table["purpose"]]), **claims}


def _facts(record: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    return facts(record["type"], *record.get("relationships", []), labels=record.get("labels", []), **others)


def _expected(record: Mapping[str, Any]) -> dict[str, Any]:
    if "hidden" in record:
        return _hidden(record["hidden"])
    deny = record["deny"]
    if deny == "the rest":
        deny = {tag.value: "minimum_necessary" for tag in Tag if tag not in record["allow"]}
    return {
        "visible": True,
        "allow": sorted(record["allow"]),
        "mask": record.get("mask", {}),
        "deny": deny,
        "overrides": {field: _effect(said) for field, said in record.get("fields", {}).items()},
    }


def _hidden(reason: str) -> dict[str, Any]:
    return {"visible": False, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": reason}


def _effect(said: str) -> dict[str, str]:
    match said.split():
        case ["allowed"]:
            return {"effect": "allow"}
        case ["masked", mask]:
            return {"effect": "mask", "mask": mask}
        case ["denied", reason]:
            return {"effect": "deny", "reason": reason}
    raise AssertionError(said)


async def _answer(engine: PolicyEngine, who: dict[str, Any], purpose: str, record: dict[str, Any]) -> dict[str, Any]:
    verdict = await engine.ask(Rule.CLASSES, classes(who, purpose, it=record))
    return {**verdict.result["it"], "allow": sorted(verdict.result["it"]["allow"])}


@pytest.mark.parametrize(("table", "record"), RECORDS)
async def test_a_record_shows_exactly_what_its_table_says(
    engine: PolicyEngine, table: dict[str, Any], record: dict[str, Any]
) -> None:
    assert await _answer(engine, _who(table), table["purpose"], _facts(record)) == _expected(record)


@pytest.mark.parametrize(("table", "type_", "expected"), LISTS)
async def test_a_list_reaches_exactly_whom_its_table_says(
    engine: PolicyEngine, table: dict[str, Any], type_: str, expected: object
) -> None:
    verdict = await engine.ask(Rule.SCOPE, scope(_who(table), table["purpose"], type_))
    match expected:
        case "everyone":
            assert verdict.result == {"rows": [{}]}
        case "nobody":
            assert verdict.result == {"rows": []}
        case [*relationships]:
            (row,) = verdict.result["rows"]
            assert sorted(row["relationship"]) == sorted(map(str, relationships))
        case _:
            raise AssertionError(expected)


@pytest.mark.parametrize(("table", "record"), [case for case in RECORDS if "hidden" not in case.values[1]])
async def test_what_a_record_shows_stays_hidden_when_one_fact_is_different(
    engine: PolicyEngine, table: dict[str, Any], record: dict[str, Any]
) -> None:
    purpose = table["purpose"]
    other_kind = {"person": "service", "service": "person"}[table["kind"]]
    relationships = record.get("relationships", [])

    async def reason(who: dict[str, Any], purpose: str, about: dict[str, Any]) -> str:
        answer = await _answer(engine, who, purpose, about)
        assert answer == _hidden(answer["reason"])
        return str(answer["reason"])

    same = _facts(record)
    assert await reason(_who(table, roles=[]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, roles=[table["role"].upper()]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, kind=other_kind), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, purposes=[]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, purposes=[purpose, "HMARKT"]), "HMARKT", same) == "purpose_not_permitted"
    assert await reason(_who(table), purpose.lower(), same) == "purpose_not_permitted"
    assert await reason(_who(table), purpose, {**same, "tenant": "other"}) == "other_tenant"
    assert await reason(_who(table), purpose, {**same, "type": "Consent"}) == "type_not_permitted"
    assert await reason(_who(table), purpose, {**same, "consent": ["deny:research"]}) == "unknown_consent"
    assert await reason(_who(table), purpose, {**same, "labels": [*same["labels"], "Q"]}) == "label_not_cleared"
    stranger = {**same, "relationships": [*relationships, "acquaintance"]}
    assert await reason(_who(table), purpose, stranger) == "unknown_relationship"
    if relationships:
        assert await reason(_who(table), purpose, {**same, "relationships": []}) == "no_relationship"


async def test_every_role_of_the_matrix_has_its_table() -> None:
    matrix: Any = parse_yaml((Path(__file__).parents[2] / "policies/portico/matrix/data.yaml").read_text())
    assert {(table["role"], table["kind"]) for table in TABLES.values()} == {
        (role, row["kind"]) for role, row in matrix.items()
    }
    assert {table["role"]: [table["purpose"]] for table in TABLES.values()} == {
        role: list(row["purposes"]) for role, row in matrix.items()
    }
