"""The embedded engine follows its folder, and answers only what it can stand by."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from portico.access.bundle import PoliciesRefused
from portico.access.embedded import EmbeddedConfig, EmbeddedEngine
from portico.access.engine import Rule
from portico.records.errors import Fault, PolicyUnavailable
from tests.policy.engines import POLICIES
from tests.policy.questions import classes, facts, principal, scope

DESK = classes(principal("front-desk", purposes=["HOPERAT"]), "HOPERAT", it=facts("Patient", "same_organization"))
LIST = scope(principal("front-desk", purposes=["HOPERAT"]), "HOPERAT", "Patient")
MATRIX = "portico/matrix/data.yaml"
SCOPE = "portico/decision/scope.rego"

Start = Callable[..., Awaitable[EmbeddedEngine]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the policies that a test may edit."""
    return Path(shutil.copytree(POLICIES, tmp_path / "policies"))


@pytest.fixture
async def start(folder: Path) -> AsyncIterator[Start]:
    engines: list[EmbeddedEngine] = []

    async def start(**changes: Any) -> EmbeddedEngine:
        on_refused = changes.pop("on_refused", lambda _: None)
        config = {"deadline_seconds": 10, "load_deadline_seconds": 60, "poll_seconds": 0.05, "stale_seconds": 60}
        engine = await EmbeddedEngine.start(
            EmbeddedConfig(folder=folder, **{**config, **changes}), on_refused=on_refused
        )
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        await engine.aclose()


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


async def until(true: Callable[[], bool], within_seconds: float = 20) -> float:
    """Seconds that it took to become true."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < within_seconds, "never came true"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


async def ssn_of(engine: EmbeddedEngine) -> dict[str, Any]:
    verdict = await engine.ask(Rule.CLASSES, DESK)
    overrides: dict[str, dict[str, Any]] = verdict.result["it"]["overrides"]
    return overrides["Patient.ssn"]


async def test_an_edit_counts_within_two_seconds(start: Start, folder: Path) -> None:
    engine = await start(poll_seconds=EmbeddedConfig(folder=folder).poll_seconds)
    before = engine.revision
    assert (await ssn_of(engine))["mask"] == "last4"
    edit(folder / MATRIX, "Patient.ssn: last4", "Patient.ssn: hash")
    assert await until(lambda: engine.revision != before) < 2
    assert (await ssn_of(engine))["mask"] == "hash"
    verdict = await engine.ask(Rule.CLASSES, DESK)
    assert verdict.revision == engine.revision == engine.status.revision


async def test_an_edit_undone_brings_the_old_revision_back(start: Start, folder: Path) -> None:
    engine = await start()
    before = engine.revision
    edit(folder / MATRIX, "Patient.ssn: last4", "Patient.ssn: hash")
    await until(lambda: engine.revision != before)
    edit(folder / MATRIX, "Patient.ssn: hash", "Patient.ssn: last4")
    await until(lambda: engine.revision == before)
    assert (await ssn_of(engine))["mask"] == "last4"


BROKEN = {
    "a syntax error": (SCOPE, "scope := ", "scope ::= ", "rego_parse_error"),
    "an unsafe variable": (SCOPE, '"rows": []', '"rows": [nobody]', "rego_unsafe_var_error"),
    "a forbidden builtin": (SCOPE, '"rows": []', '"rows": [time.now_ns()]', "time.now_ns may not be called"),
    "an undefined function": (SCOPE, "grants.seeing(", "grants.watching(", "undefined function"),
    "a YAML error": (MATRIX, "kind: person", "kind: [person", "matrix/data.yaml: while parsing"),
    "a word twice": (MATRIX, "\nguardian:", "\npatient:", "repeated key patient"),
    "a misspelt tag": (MATRIX, "CONTACT, SCHEDULING]", "CONTACTS, SCHEDULING]", "CONTACTS is not in the vocabulary"),
    "an unknown mask": (MATRIX, "Patient.ssn: last4", "Patient.ssn: fog", "fog is not in the vocabulary"),
    "a misspelt key": (MATRIX, "        allow: [PUBLIC, OPERATIONAL]", "        permit: [PUBLIC]", "breaks its schema"),
    "an exception for another type": (MATRIX, "allow: [Patient.mrn]", "allow: [Claim.paid]", "does not see"),
    "an answer of another shape": (SCOPE, '"rows": []', '"rows": [], "more": 1', "breaks its schema"),
    "something for nobody": (SCOPE, '"rows": []', '"rows": [{}]', "releases something to a principal without roles"),
    "an undefined answer": (SCOPE, 'else := {"rows": []}', "", "undefined"),
    "conflicting answers": (SCOPE, 'else := {"rows": []}', '\n\nscope := {"rows": []}\n\nscope := {"rows": [{}]}',
                            "eval_conflict_error"),
    "a package that is not its folder": (SCOPE, "package portico.decision", "package portico.decided",
                                         "is not its folder"),
    "broken schemas": ("schemas/scope.output.json", '"type": "object"', '"type": "thing"', "scope.output"),
    "no capabilities": ("capabilities.json", '"builtins"', '"built-ins"', "names no builtin"),
}  # fmt: skip


@pytest.mark.parametrize("breakage", BROKEN)
async def test_a_broken_policy_is_refused_with_its_message_and_the_last_good_one_stays(
    start: Start, folder: Path, breakage: str
) -> None:
    file, old, new, message = BROKEN[breakage]
    told: list[str] = []
    engine = await start(on_refused=told.append)
    before = engine.revision
    original = (folder / file).read_text()
    edit(folder / file, old, new)
    await until(lambda: engine.status.refused is not None)
    assert message in str(engine.status.refused)
    assert engine.revision == before
    assert (await ssn_of(engine))["mask"] == "last4"
    (folder / file).write_text(original)
    await until(lambda: engine.status.refused is None)
    assert engine.revision == before
    assert told == [told[0]]


@pytest.mark.parametrize("breakage", ["a syntax error", "a misspelt tag", "something for nobody"])
async def test_an_engine_does_not_start_on_a_broken_policy(start: Start, folder: Path, breakage: str) -> None:
    file, old, new, message = BROKEN[breakage]
    edit(folder / file, old, new)
    with pytest.raises(PoliciesRefused) as refusal:
        await start()
    assert message in str(refusal.value)


async def test_a_broken_policy_is_repaired_by_the_next_edit(start: Start, folder: Path) -> None:
    engine = await start()
    edit(folder / MATRIX, "Patient.ssn: last4", "Patient.ssn: fog")
    await until(lambda: engine.status.refused is not None)
    edit(folder / MATRIX, "Patient.ssn: fog", "Patient.ssn: initial")
    await until(lambda: engine.status.refused is None)
    assert (await ssn_of(engine))["mask"] == "initial"


async def test_a_folder_that_vanishes_is_reported_and_found_again(start: Start, folder: Path) -> None:
    engine = await start()
    before = engine.revision
    await asyncio.to_thread(folder.rename, folder.with_name("elsewhere"))
    await until(lambda: engine.status.refused is not None)
    assert engine.revision == before
    await asyncio.to_thread(folder.with_name("elsewhere").rename, folder)
    await until(lambda: engine.status.refused is None)
    assert engine.revision == before


async def test_a_test_beside_a_rule_is_no_new_revision(start: Start, folder: Path) -> None:
    engine = await start()
    before = engine.revision
    (folder / "portico/decision/more_test.rego").write_text("package broken {{{")
    edit(folder / MATRIX, "Patient.ssn: last4", "Patient.ssn: hash")
    await until(lambda: engine.revision != before)
    assert engine.status.refused is None


async def test_asks_go_on_while_policies_change(start: Start, folder: Path) -> None:
    engine = await start()
    seen: dict[str, set[str]] = {}
    done = False

    async def ask_on() -> None:
        while not done:
            verdict = await engine.ask(Rule.CLASSES, DESK)
            seen.setdefault(verdict.revision, set()).add(verdict.result["it"]["overrides"]["Patient.ssn"]["mask"])

    asking = [asyncio.create_task(ask_on()) for _ in range(4)]
    current = "last4"
    for mask in ("hash", "year", "initial"):
        before = engine.revision
        edit(folder / MATRIX, f"Patient.ssn: {current}", f"Patient.ssn: {mask}")
        current = mask
        await until(lambda before=before: engine.revision != before)  # type: ignore[misc]  # bound on purpose
        await ssn_of(engine)
    done = True
    await asyncio.gather(*asking)
    assert [len(masks) for masks in seen.values()] == [1] * len(seen)
    assert set.union(*seen.values()) >= {"hash", "year"}


async def test_a_question_of_another_shape_is_a_fault_and_shows_nothing_of_itself(start: Start) -> None:
    engine = await start()
    question = {**LIST, "principal": {**LIST["principal"], "subject": 4711}}
    with pytest.raises(Fault) as fault:
        await engine.ask(Rule.SCOPE, question)
    assert "4711" not in str(fault.value)
    for wrong in ({}, {**LIST, "more": 1}, DESK):
        with pytest.raises(Fault):
            await engine.ask(Rule.SCOPE, wrong)


RUNTIME = {
    "undefined": "not input.principal.subject",
    "a builtin that fails": "to_number(input.principal.subject) > 1",
    "two answers": 'true\n}\n\nscope := {"rows": [{}]} if {\n\tinput.type == "Trap"',
    "a division by zero": "1 / (count(input.type) - 4) > 0",
}


@pytest.mark.parametrize("trap", RUNTIME)
async def test_a_rule_that_fails_at_run_time_is_no_answer(start: Start, folder: Path, trap: str) -> None:
    rule = f'scope := {{"rows": []}} if {{\n\tinput.type == "Trap"\n\t{RUNTIME[trap]}\n}}'
    text = (folder / SCOPE).read_text()
    head, tail = text.split('scope := {"rows": [{}]} if {', 1)
    body, _ = tail.split('else := {"rows": []}', 1)
    guarded = (
        f'scope := {{"rows": [{{}}]}} if {{\n\tinput.type != "Trap"{body}else := {{"rows": []}} if input.type != "Trap"'
    )
    (folder / SCOPE).write_text(f"{head}{guarded}\n\n{rule}\n")
    engine = await start()
    assert (await engine.ask(Rule.SCOPE, LIST)).result["rows"]
    with pytest.raises(PolicyUnavailable) as refusal:
        await engine.ask(Rule.SCOPE, {**LIST, "type": "Trap"})
    assert "s-1" not in str(refusal.value)
    assert (await engine.ask(Rule.SCOPE, LIST)).result["rows"]


def lay_trap(folder: Path, size: int) -> dict[str, Any]:
    """Makes lists of type Trap take very long; gives the question that steps into it."""
    steps = f"some a in numbers.range(1, {size})\n\tsome b in numbers.range(1, {size})\n\ta * b == 0 - 1"
    trap = f'scope := {{"rows": []}} if {{\n\tinput.type == "Trap"\n\t{steps}\n}} else := {{"rows": [{{}}]}} if {{'
    edit(folder / SCOPE, 'scope := {"rows": [{}]} if {', trap)
    return {**LIST, "type": "Trap"}


async def test_an_evaluation_that_takes_too_long_is_no_answer_and_costs_only_its_engine(
    start: Start, folder: Path
) -> None:
    trap = lay_trap(folder, 800)
    engine = await start(deadline_seconds=0.25)
    await engine.ask(Rule.SCOPE, LIST)
    began = time.monotonic()
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.SCOPE, trap)
    assert time.monotonic() - began < 2

    async def answers() -> bool:
        try:
            await engine.ask(Rule.SCOPE, LIST)
        except PolicyUnavailable:
            return False
        return True

    deadline = time.monotonic() + 30
    while not await answers():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_engines_left_behind_are_few(start: Start, folder: Path) -> None:
    trap = lay_trap(folder, 800)
    engine = await start(deadline_seconds=0.25, stuck_limit=1)
    deadline = time.monotonic() + 30
    stuck = 0
    while stuck < 2:
        try:
            await engine.ask(Rule.SCOPE, trap)
        except PolicyUnavailable:
            stuck = len(engine._left_behind)
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    replacement = engine._replacement
    assert replacement is not None
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.SCOPE, LIST)
    await replacement
    await until(lambda: len(engine._left_behind) <= 1)
    await engine.ask(Rule.SCOPE, LIST)


async def test_answers_stop_when_the_folder_goes_unwatched(start: Start) -> None:
    engine = await start(stale_seconds=0.2, poll_seconds=60)
    await until(lambda: time.monotonic() - engine._watched_at > 0.2)
    with pytest.raises(PolicyUnavailable):
        _ = engine.revision
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.SCOPE, LIST)
    assert engine.status.revision


async def test_answers_stop_when_the_engine_is_closed(start: Start) -> None:
    engine = await start()
    await engine.aclose()
    with pytest.raises(PolicyUnavailable):
        await engine.ask(Rule.SCOPE, LIST)


async def test_a_hundred_questions_at_once_are_all_answered(start: Start) -> None:
    engine = await start()
    verdicts = await asyncio.gather(*(engine.ask(Rule.CLASSES, DESK) for _ in range(100)))
    assert len({verdict.decision_id for verdict in verdicts}) == 100
    assert {str(verdict.result) for verdict in verdicts} == {str(verdicts[0].result)}
