"""The security team edits a file: the running demo obeys within two seconds, or keeps to what it last understood."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.whole.stage import Demo, until
from tests.oracles.reply import Json

PROMISE_SECONDS = 2.0
LOADED_SECONDS = 15.0
"""Longer than the promise, for what has to come true at last: this machine may be busy."""
PHONES = "{ patients(first: 3) { edges { node { phone gender } } } }"


@pytest.fixture
def matrix(policies: Path, demo: Demo) -> Iterator[Path]:
    """The role x purpose matrix, put back afterwards."""
    path = policies / "portico/matrix/data.yaml"
    with _kept(path, demo):
        yield path


@pytest.fixture
def rule(policies: Path, demo: Demo) -> Iterator[Path]:
    """The rule that decides on classes, put back afterwards."""
    path = policies / "portico/decision/classes.rego"
    with _kept(path, demo):
        yield path


@contextmanager
def _kept(path: Path, demo: Demo) -> Iterator[None]:
    before, revision = path.read_text(), _revision(demo)
    yield
    path.write_text(before)
    until("the policies are as they were", lambda: _revision(demo) == revision, seconds=LOADED_SECONDS)


def _explained(demo: Demo) -> Json:
    explained: Json = demo.ask("website", "{ viewer { subject } }")["extensions"]["portico"]
    return explained


def _revision(demo: Demo) -> str:
    answer = demo.ask("website", "{ viewer { subject } }")
    return str(answer.get("extensions", {}).get("portico", {}).get("policy", {}).get("revision", ""))


def _phones(demo: Demo) -> list[str]:
    """What a request that begins now shows the front desk; nothing where no policy may decide just now."""
    data = demo.ask("front-desk", PHONES)["data"]
    return [edge["node"]["phone"] for edge in data["patients"]["edges"] if edge["node"]["phone"]] if data else []


def _without_contact(text: str) -> str:
    head, role, rest = text.partition("front-desk:")
    assert role
    return head + role + rest.replace("DEMOGRAPHIC, CONTACT, SCHEDULING", "DEMOGRAPHIC, SCHEDULING", 1)


def test_a_grant_taken_back_takes_its_values_away_within_two_seconds(demo: Demo, matrix: Path) -> None:
    assert len(_phones(demo)) == 3
    matrix.write_text(_without_contact(matrix.read_text()))
    edited, late = time.monotonic(), []
    while time.monotonic() < edited + PROMISE_SECONDS + 2:
        began = time.monotonic() - edited
        if _phones(demo):
            late.append(began)
    assert max(late, default=0) < PROMISE_SECONDS
    answer = demo.ask("front-desk", PHONES)
    assert {error["extensions"]["affectedPath"] for error in answer["errors"]} == {"patients.edges.@.node.phone"}
    assert all(edge["node"]["gender"] for edge in answer["data"]["patients"]["edges"])


def test_a_new_grant_counts_and_names_its_revision(demo: Demo, matrix: Path) -> None:
    question = "{ patients(first: 3) { edges { node { email } } } }"
    before = _revision(demo)
    assert demo.ask("biller", question)["errors"]
    role, _, rest = matrix.read_text().partition("biller:")[2].partition("researcher:")
    granted = role.replace("DEMOGRAPHIC, IDENTIFIER", "DEMOGRAPHIC, CONTACT, IDENTIFIER")
    matrix.write_text(matrix.read_text().replace(role, granted))
    assert rest
    until("the grant counts", lambda: "errors" not in demo.ask("biller", question), seconds=LOADED_SECONDS)
    assert all(edge["node"]["email"] for edge in demo.data("biller", question)["patients"]["edges"])
    assert _revision(demo) != before


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("\nvisible if {\n", "rego_parse_error"),
        ("\nleak if is_friend(input.principal)\n", "is_friend"),
        ("\nleak if http.send({})\n", "http.send"),
    ],
    ids=["unparsable", "undefined", "outside the profile"],
)
def test_a_broken_rule_is_refused_by_name_and_the_last_good_one_stays(
    demo: Demo, rule: Path, policies: Path, broken: str, complaint: str
) -> None:
    revision, phones = _revision(demo), _phones(demo)
    said = demo.log("server").count("policies_refused")
    rule.write_text(rule.read_text() + broken)
    until("the server says so", lambda: demo.log("server").count("policies_refused") > said, seconds=LOADED_SECONDS)
    refusal = [line for line in demo.log("server").splitlines() if "policies_refused" in line][-1]
    assert complaint in refusal
    assert "classes.rego" in refusal
    checked = demo.portico("check", policies=str(policies))
    assert checked.returncode == 1
    (found,) = (line for line in checked.stdout.splitlines() if line.startswith("policies: "))
    assert complaint in found
    assert (_revision(demo), _phones(demo)) == (revision, phones)


def test_a_matrix_with_a_word_that_nobody_knows_is_refused(demo: Demo, matrix: Path, policies: Path) -> None:
    revision = _revision(demo)
    said = demo.log("server").count("policies_refused")
    matrix.write_text(matrix.read_text().replace("CONTACT, SCHEDULING", "CONTACTS, SCHEDULING", 1))
    until("the server says so", lambda: demo.log("server").count("policies_refused") > said, seconds=LOADED_SECONDS)
    assert demo.portico("check", policies=str(policies)).returncode == 1
    assert _revision(demo) == revision
    assert len(_phones(demo)) == 3


def test_policies_that_vanish_stop_nothing_that_was_decided_by_the_last_good_ones(demo: Demo, rule: Path) -> None:
    before = _phones(demo)
    rule.unlink()
    until("the server says so", lambda: "policies_refused" in demo.log("server"), seconds=LOADED_SECONDS)
    assert _phones(demo) == before
