"""The tables in `decisions/` hold, on both engines.

Each file is one persona for one purpose: for every type the list that could be shown; for records of a kind what is
allowed, masked, refused by the patient and denied, or why they stay hidden; and which commands they may run.

`deny: the rest` is every other tag, as more than the purpose needs. `same as` is the answer of the record with that
title. What a patient said is written `permit: everything` or `deny: [CLINICAL]`, narrowed by `for` (purposes), `to`
(roles) and `about` (labels of the records); what they refuse is withheld whatever `fields` say, and some of it is
`denied besides`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import pytest

from portico.access.documents import parse_yaml
from portico.access.engine import PolicyEngine, Rule
from portico.access.tags import Tag
from tests.policy.questions import classes, facts, principal, provision, scope

ROOT = Path(__file__).parents[2]
FILES = sorted((Path(__file__).parent / "decisions").glob("*.yaml"))
TABLES: dict[str, Any] = {path.stem: parse_yaml(path.read_text()) for path in FILES}
RECORDS = [
    pytest.param(table, record, id=f"{persona}: {record['title']}")
    for persona, table in TABLES.items()
    for record in table["records"]
]
SHOWN = [
    pytest.param(table, record, id=f"{persona}: {record['title']}")
    for persona, table in TABLES.items()
    for record in table["records"]
    if "hidden" not in record
]
LISTS = [
    pytest.param(table, type_, expected, id=f"{persona}: {type_}")
    for persona, table in TABLES.items()
    for type_, expected in table["lists"].items()
]
COMMANDS = [
    pytest.param(table, command, id=f"{persona}: {command['title']}")
    for persona, table in TABLES.items()
    for command in table.get("commands", ())
]
DATA = ROOT / "policies/portico"
CONSENT: Any = parse_yaml((DATA / "consent/data.yaml").read_text())
VOCABULARY: Any = parse_yaml((DATA / "vocabulary/data.yaml").read_text())
MATRIX: Any = parse_yaml((DATA / "matrix/data.yaml").read_text())
WATCHED = {*parse_yaml((DATA / "watch/data.yaml").read_text())["labels"]}  # type: ignore[index]  # a table
KINDS = {"permit": "permit", "deny": "deny", "opt in": "opt_in"}


def _who(table: Mapping[str, Any], **claims: Any) -> dict[str, Any]:
    return {**principal(table["role"], kind=table["kind"], purposes=[table["purpose"]]), **claims}


def _facts(record: Mapping[str, Any], **others: Any) -> dict[str, Any]:
    said = [_provision(one) for one in record.get("consent", ())]
    labels = record.get("labels", [])
    return facts(record["type"], *record.get("relationships", []), labels=labels, **{"consent": said, **others})


def _provision(said: Mapping[str, Any]) -> dict[str, Any]:
    (kind,) = said.keys() & KINDS.keys()
    assert said.keys() <= {kind, "for", "to", "about"}
    tags = [] if said[kind] == "everything" else said[kind]
    narrowed = {"purposes": said.get("for", []), "roles": said.get("to", []), "labels": said.get("about", [])}
    return provision(KINDS[kind], tags=tags, **narrowed)


def _expected(table: Mapping[str, Any], record: Mapping[str, Any]) -> dict[str, Any]:
    if "hidden" in record:
        return _hidden(record["hidden"], record.get("labels", ()))
    if "same as" in record:
        (other,) = [one for one in table["records"] if one["title"] == record["same as"]]
        assert other["type"] == record["type"]
        return _shown({**other, **record})
    return _shown(record)


def _shown(record: Mapping[str, Any]) -> dict[str, Any]:
    mask, refused, deny = record.get("mask", {}), record.get("refused", []), record.get("deny", {})
    if deny == "the rest":
        said = {*record["allow"], *mask, *refused} - {*record.get("denied besides", [])}
        deny = {tag.value: "minimum_necessary" for tag in Tag if tag not in said}
    return {
        "visible": True,
        "allow": sorted(record["allow"]),
        "mask": mask,
        "deny": deny,
        "overrides": {field: _effect(said) for field, said in record.get("fields", {}).items()},
        "refuse": dict.fromkeys(refused, "not_consented"),
        "step_up": record.get("step up", {}),
        "notices": {code: VOCABULARY["notices"][code] for code in record.get("notices", ())},
    }


def _hidden(reason: str, labels: Collection[str] = ()) -> dict[str, Any]:
    noted = {"watch": True} if WATCHED & {*labels} else {}
    return {"visible": False, "allow": [], "mask": {}, "deny": {}, "overrides": {}, "reason": reason, **noted}


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
    assert await _answer(engine, _who(table), table["purpose"], _facts(record)) == _expected(table, record)


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


@pytest.mark.parametrize(("table", "command"), COMMANDS)
async def test_a_command_is_allowed_or_refused_as_its_table_says(
    engine: PolicyEngine, table: dict[str, Any], command: dict[str, Any]
) -> None:
    asked = {"relationships": command["relationships"]} if "relationships" in command else {}
    question = {"principal": _who(table), "purpose": table["purpose"], "command": command["command"], "facts": asked}
    answer = (await engine.ask(Rule.COMMAND, question)).result
    if "refused" in command:
        assert answer == {"effect": "deny", "reason": command["refused"], "obligations": []}
    else:
        asks = {name: command[said] for name, said in (("step_up", "step up"), ("limits", "limits")) if said in command}
        assert {**answer, "obligations": sorted(answer["obligations"])} == {
            "effect": "allow",
            "obligations": sorted(asks),
            **asks,
        }


@pytest.mark.parametrize(("table", "record"), SHOWN)
async def test_what_a_record_shows_stays_hidden_when_one_fact_is_different(
    engine: PolicyEngine, table: dict[str, Any], record: dict[str, Any]
) -> None:
    purpose = table["purpose"]
    other_kind = {"person": "service", "service": "person"}[table["kind"]]
    relationships = record.get("relationships", [])

    async def reason(who: dict[str, Any], purpose: str, about: dict[str, Any]) -> str:
        answer = await _answer(engine, who, purpose, about)
        assert answer == _hidden(answer["reason"], about["labels"])
        return str(answer["reason"])

    same = _facts(record)
    assert await reason(_who(table, roles=[]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, roles=[table["role"].upper()]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, kind=other_kind), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, purposes=[]), purpose, same) == "purpose_not_permitted"
    assert await reason(_who(table, purposes=[purpose, "HMARKT"]), "HMARKT", same) == "purpose_not_permitted"
    assert await reason(_who(table), purpose.lower(), same) == "purpose_not_permitted"
    assert await reason(_who(table), purpose, {**same, "tenant": "other"}) == "other_tenant"
    assert await reason(_who(table), purpose, {**same, "type": "Nonsense"}) == "type_not_permitted"
    assert await reason(_who(table), purpose, {**same, "labels": [*same["labels"], "Q"]}) == "label_not_cleared"
    stranger = {**same, "relationships": [*relationships, "acquaintance"]}
    assert await reason(_who(table), purpose, stranger) == "unknown_relationship"
    if relationships:
        assert await reason(_who(table), purpose, {**same, "relationships": []}) == "no_relationship"
    if record["type"] not in CONSENT["outside"] and not {*relationships} & {*CONSENT["exempt"].get(purpose, ())}:
        forbidden = {**same, "consent": [*same["consent"], provision("deny")]}
        assert await reason(_who(table), purpose, forbidden) == "consent_denied"


async def test_every_role_of_the_matrix_has_its_table_for_each_of_its_purposes() -> None:
    tables = Counter((table["role"], table["kind"], table["purpose"]) for table in TABLES.values())
    assert tables == {(role, row["kind"], purpose): 1 for role, row in MATRIX.items() for purpose in row["purposes"]}


async def test_there_are_cases_enough_and_none_is_there_twice() -> None:
    titles = [case.id for case in (*RECORDS, *LISTS, *COMMANDS)]
    assert len(titles) >= 150
    assert len(titles) == len({*titles})
