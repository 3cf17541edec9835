from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from portico.demo.complaints import Complaints

ROOT = Path(__file__).parents[2]
START_SECONDS = 90
STOP_SECONDS = 20


@dataclass
class Demo:
    process: subprocess.Popen[str]
    state: Path
    output: Path

    def said(self) -> str:
        return self.output.read_text()

    def pids(self) -> dict[str, int]:
        pids: dict[str, int] = json.loads((self.state / "demo.json").read_text())["pids"]
        return pids

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(STOP_SECONDS)

    def portico(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return portico(self.state, *arguments)

    def ask(self, persona: str, query: str, *, purpose: str | None = None) -> dict[str, Any]:
        narrowed = ("--purpose", purpose) if purpose else ()
        token = self.portico("token", "--as", persona, *narrowed).stdout.strip()
        url = urlsplit(json.loads((self.state / "demo.json").read_text())["url"])
        connection = HTTPConnection(url.netloc, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request("POST", "/graphql", json.dumps({"query": query}), headers)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
        connection.close()
        return answer


def environment(state: Path, port: str = "0") -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PORTICO_")}
    return {**inherited, "PORTICO_STATE": str(state), "PORTICO_PORT": port}


def portico(state: Path, *arguments: str, port: str = "0") -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "portico", *arguments],
        cwd=ROOT, env=environment(state, port), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def start(state: Path, *arguments: str) -> Demo:
    output = state.with_suffix(".out")
    with output.open("w") as stream:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [sys.executable, "-m", "portico", "demo", *arguments],
            cwd=ROOT, env=environment(state), stdout=stream, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
    demo = Demo(process, state, output)
    deadline = time.monotonic() + START_SECONDS
    while "ready after" not in demo.said() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if "ready after" not in demo.said():
        process.kill()
        pytest.fail(f"the demo did not start:\n{demo.said()}")
    return demo


def alive(pids: dict[str, int]) -> set[str]:
    """Which of these processes still run; those that are about to end get a moment for it."""
    deadline = time.monotonic() + 5
    while (running := {name for name, pid in pids.items() if Path(f"/proc/{pid}").exists()}) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    return running


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "state"


@pytest.fixture(scope="module")
def demo(state: Path) -> Iterator[Demo]:
    demo = start(state)
    yield demo
    if demo.process.poll() is None:
        demo.stop(signal.SIGTERM)


def test_every_query_of_the_greeting_is_answered_as_it_stands(demo: Demo) -> None:
    commands = re.findall(r"token --as (\S+?)(?: --purpose (\w+))?\)[\s\S]*?-d '(.*)'", demo.said())
    assert len(commands) == 3
    for persona, purpose, body in commands:
        answer = demo.ask(persona, json.loads(body)["query"], purpose=purpose or None)
        (root,) = answer["data"].values()
        assert root["edges"], persona
        codes = {error["extensions"]["code"] for error in answer.get("errors", [])}
        assert codes <= {"UNAUTHORIZED_FIELD_OR_TYPE"}


def test_greeting_has_a_token_for_every_persona(demo: Demo) -> None:
    personas = re.findall(r"^(\S+) +ey\S+\.\S+\.\S+$", demo.said(), re.MULTILINE)
    assert personas == [
        "patient", "guardian", "physician", "front-desk", "biller", "researcher", "auditor", "privacy-officer",
        "operator", "website", "other-clinic",
    ]  # fmt: skip


def test_guardian_sees_the_three_wards_and_nobody_else(demo: Demo) -> None:
    answer = demo.ask("guardian", "{ patients(first: 10) { edges { node { name { family } } } } }")
    assert [edge["node"]["name"]["family"] for edge in answer["data"]["patients"]["edges"]] == ["Lindqvist"] * 3


def test_token_is_printed_and_nothing_else(demo: Demo) -> None:
    printed = demo.portico("token", "--as", "biller")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", printed.stdout)
    assert printed.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "known"),
    [
        (("token", "--as", "nobody"), "front-desk"),
        (("token", "--as", "biller", "--purpose", "TREAT"), "biller has the purpose HPAYMT, and not TREAT"),
        (("token", "--as", "physician", "--purpose", "HRESCH"), "physician has the purposes TREAT, ETREAT, and not"),
        (("sandbox", "misbehave", "pharmacy", "500"), "scheduling"),
        (("sandbox", "misbehave", "ehr", "sulk"), "foreign-next"),
    ],
)
def test_what_is_unknown_gets_one_line_with_what_is_known(arguments: tuple[str, ...], known: str, demo: Demo) -> None:
    refused = demo.portico(*arguments)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert len(refused.stderr.splitlines()) == 1
    assert known in refused.stderr


def test_calls_tell_what_each_source_was_asked_until_they_are_cleared(demo: Demo) -> None:
    demo.portico("sandbox", "calls", "--clear")
    assert demo.portico("sandbox", "calls").stdout == ""
    demo.ask("physician", "{ patients(first: 2) { edges { node { name { family } } } } }", purpose="TREAT")
    calls = [json.loads(line) for line in demo.portico("sandbox", "calls").stdout.splitlines()]
    assert {call["source"] for call in calls} == {"ehr"}


def test_a_misbehaving_source_costs_its_own_fields_only(demo: Demo) -> None:
    query = "{ patients(first: 1) { edges { node { name { family } claims(first: 1) { edges { cursor } } } } } }"
    assert demo.portico("sandbox", "misbehave", "billing", "500").returncode == 0
    try:
        answer = demo.ask("biller", query)
    finally:
        demo.portico("sandbox", "misbehave", "billing", "well")
    (edge,) = answer["data"]["patients"]["edges"]
    assert edge["node"]["name"]["family"]
    assert edge["node"]["claims"] is None
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"SOURCE_UNAVAILABLE"}


def test_audit_trail_is_sound_and_says_who_saw_whom(demo: Demo) -> None:
    query = "{ patients(first: 1) { edges { node { id birthDate } } } }"
    (edge,) = demo.ask("patient", query)["data"]["patients"]["edges"]
    verified = demo.portico("audit", "verify")
    assert (verified.returncode, "sound" in verified.stdout) == (0, True)
    rows = [
        json.loads(line) for line in demo.portico("audit", "show", "--patient", edge["node"]["id"]).stdout.splitlines()
    ]
    assert rows[0]["subject"] == "usr-patient"
    assert "Patient.birthDate" in rows[0]["released"]
    assert edge["node"]["birthDate"] not in json.dumps(rows)


def test_a_second_demo_on_the_same_folder_is_refused(demo: Demo) -> None:
    refused = demo.portico("demo")
    assert refused.returncode == 1
    assert "already" in refused.stderr


def test_nothing_secret_is_readable_by_others_or_in_a_log(demo: Demo) -> None:
    secrets = [path.read_bytes() for path in (demo.state / "secrets").iterdir()]
    logs = b"".join(path.read_bytes() for path in (demo.state / "logs").iterdir())
    assert not any(secret.strip() in logs for secret in secrets)
    assert (demo.state / "demo.json").stat().st_mode & 0o077 == 0


def test_signals_and_deaths_leave_no_process_behind_and_state_survives(demo: Demo) -> None:
    names = {"postgres", "ehr", "scheduling", "billing", "alerts", "identity", "server"}
    token = demo.portico("token", "--as", "patient").stdout
    before = demo.ask("patient", "{ patients(first: 1) { edges { node { id } } } }")["data"]
    pids = demo.pids()
    assert pids.keys() == names
    assert demo.stop(signal.SIGTERM) == 0
    assert alive(pids) == set()
    assert portico(demo.state, "token", "--as", "patient").returncode == 1

    again = start(demo.state)
    assert again.ask("patient", "{ patients(first: 1) { edges { node { id } } } }")["data"] == before
    assert urlsplit(json.loads((again.state / "demo.json").read_text())["identity_url"]).port
    pids = again.pids()
    os.kill(pids["scheduling"], signal.SIGKILL)
    assert again.process.wait(STOP_SECONDS) == 1
    assert "scheduling has ended by itself" in again.said()
    assert alive(pids) == set()

    third = start(demo.state)
    pids = third.pids()
    assert third.stop(signal.SIGKILL) == -signal.SIGKILL
    assert alive(pids) == set()
    assert token


def test_commands_without_a_demo_say_so(tmp_path: Path) -> None:
    for arguments in (("token", "--as", "biller"), ("sandbox", "calls"), ("sandbox", "misbehave", "ehr", "slow")):
        refused = portico(tmp_path / "none", *arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "no demo is running" in refused.stderr


def test_the_version_is_the_projects(tmp_path: Path) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert portico(tmp_path, "--version").stdout == f"portico {version}\n"


def test_check_shows_settings_with_their_origin_and_names_what_is_missing(tmp_path: Path) -> None:
    checked = portico(tmp_path, "check")
    assert checked.returncode == 1
    assert re.search(r"^PORTICO_PORT +0 +environment$", checked.stdout, re.MULTILINE)
    assert "settings: PORTICO_TENANTS is required; " in checked.stdout
    assert "policies: well" in checked.stdout
    assert "tenants: not looked at, PORTICO_TENANTS is not set" in checked.stdout
    assert "checkpoints: off" in checked.stdout
    assert "database: not looked at, PORTICO_DATABASE_URL is not set" in checked.stdout


@pytest.mark.parametrize("port", ["abc", "99999", "-1", "8000.0"])
def test_what_is_no_port_stops_the_demo_with_a_line(port: str, tmp_path: Path) -> None:
    refused = portico(tmp_path / "state", "demo", port=port)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "portico: PORTICO_PORT must be a number from 0 to 65535\n"


def test_policies_that_are_refused_are_told_in_the_terminal(tmp_path: Path) -> None:
    log, line = tmp_path / "server.log", b'{"event":"policies_refused","reason":"row 2","level":"error"}\n'
    log.write_bytes(b'{"event":"listening"}\n' + line[:9])
    complaints = Complaints(log)
    assert list(complaints.new()) == []
    with log.open("ab") as more:
        more.write(line[9:])
    assert list(complaints.new()) == ["policies refused, the last good ones stay: row 2"]
    assert list(complaints.new()) == []


def test_bundles_that_cannot_be_used_stop_the_demo_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    refused = portico(tmp_path / "state", "demo", "--data", str(tmp_path / "empty"))
    assert refused.returncode == 1
    assert "no bundle with a usable patient" in refused.stderr


def test_people_of_bundles_are_joined_again_from_three_sources(tmp_path: Path) -> None:
    demo = start(tmp_path / "state", "--data", str(ROOT / "sandbox/population/synthea/example.json"))
    try:
        assert "taken in: 2 Encounter" in demo.said()
        question = '{ patients(first: 2, filter: {family: "exemplar"}) { edges { node { %s } } } }'
        (edge,) = demo.ask("front-desk", question % "appointments(first: 5) { edges { node { status } } }")["data"][
            "patients"
        ]["edges"]
        assert len(edge["node"]["appointments"]["edges"]) == 2
        (edge,) = demo.ask("biller", question % "claims(first: 5) { edges { node { status paid { amount } } } }")[
            "data"
        ]["patients"]["edges"]
        paid = {claim["node"]["paid"] and claim["node"]["paid"]["amount"] for claim in edge["node"]["claims"]["edges"]}
        assert paid == {"112.42", None}
    finally:
        demo.stop(signal.SIGTERM)
