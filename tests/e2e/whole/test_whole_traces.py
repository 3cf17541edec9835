"""What a running demo leaves behind itself tells no value of anybody: logs, metrics, audit rows, statements, files."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import AsyncIterator, Mapping
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest

from sandbox.population.model import Population
from tests.e2e.whole.rights import Rights
from tests.e2e.whole.stage import Demo, until
from tests.e2e.whole.walk import Walk
from tests.glass import BREAK, END, REASON, REVIEW
from tests.house import EXECUTOR
from tests.oracles.leak import Needles, telling
from tests.oracles.reply import Json, Reply

CROSSWALK = {"link", "unlinked", "relation", "sensitivity", "source_consent", "exclusion"}
"""The tables that hold the sources' ids of patients, which is what they are for."""
VISITS = {"sensitivity"}
"""The tables that hold the numbers of visits besides: those from which others inherit their labels."""
AUDIT = {"audit", "audit_head"}
COMMANDED = {"consent", "emergency_access"}
"""The tables that commands fill."""
TABLES = """
select n.nspname as schema, c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema', 'pg_toast')
"""
"""Everything in Portico's database that holds rows, whoever made it."""
RECORD = "mutation ($input: RecordConsentInput!) { recordConsent(input: $input) { id } }"
REVOKE = "mutation ($consent: ID!) { revokeConsent(input: {consent: $consent}) { id } }"


@pytest.fixture(scope="module")
def needles(populations: Mapping[str, Population]) -> Needles:
    return Needles(telling(populations.values()))


@pytest.fixture(scope="module", autouse=True)
def lived(demo: Demo, walks: Mapping[str, Walk], populations: Mapping[str, Population]) -> Mapping[str, list[Reply]]:
    """Everybody has walked everywhere, and people have put values where they don't belong: what they were answered."""
    assert all(walk.replies for walk in walks.values())
    _commanded(demo, walks, populations["riverbend"])
    person = populations["riverbend"].people[0]
    replies: dict[str, list[Reply]] = {"nobody": []}
    for persona in ("physician", "biller", "website"):
        mine = replies.setdefault(persona, [])
        for value in (person.family, person.ssn, person.birth_date, person.email, person.mrn):
            for query in (
                f'{{ patients(filter: {{identifier: "{value}"}}) {{ edges {{ node {{ ssn }} }} }} }}',
                f'{{ patients(filter: {{family: "{value}"}}, orderBy: {value}) {{ edges {{ cursor }} }} }}',
                f'{{ patient(id: "{value}") {{ ssn }} patients(after: "{value}") {{ edges {{ cursor }} }} }}',
                f'{{ patients(filter: {{birthDate: "{value}"}}) {{ edges {{ cursor }} }} }} "{value}',
            ):
                mine.append(demo.reply(demo.token(persona), query))
            wrong = {"first": value, "filter": {"family": [value], value: 1}, value: value}
            some = "patients(first: $first, filter: $filter) { edges { cursor } }"
            typed = f"query ($first: Int!, $filter: PatientFilter) {{ {some} }}"
            noted = {"X-Purpose-Of-Use": "TREAT", "X-Note": value}
            mine.append(demo.reply(demo.token(persona), typed, wrong, noted))
            replies["nobody"].append(demo.reply(f"{value}.{value}.{value}", typed))
            bearer = {"Authorization": f"Bearer {demo.token(persona)}"}
            mine.append(demo.post(f'{{"query": "{value}'.encode(), bearer))
    return replies


def _commanded(demo: Demo, walks: Mapping[str, Walk], population: Population) -> None:
    """Every command was given once, so that Portico's own tables hold something: none changes who sees whom now."""
    stranger = next(one for one in population.people if one.key == "stranger")
    declared = {"mrn": stranger.mrn, "birthDate": stranger.birth_date, "reason": REASON}
    access = _done(demo, "physician", "ETREAT", BREAK, input=declared)["breakTheGlass"]["id"]
    _done(demo, "physician", "ETREAT", END, access=access)
    said = {"access": access, "verdict": "JUSTIFIED", "note": "seen in the emergency room"}
    _done(demo, "privacy-officer", "HOPERAT", REVIEW, input=said)
    (patient,) = walks["patient"].seen["Patient"]
    given = {"patient": patient, "kind": "PERMIT", "purposes": ["HRESCH"]}
    consent = _done(demo, "patient", "PATRQT", RECORD, input=given)["recordConsent"]["id"]
    _done(demo, "patient", "PATRQT", REVOKE, consent=consent)


def _done(demo: Demo, persona: str, purpose: str, command: str, **variables: Any) -> Json:
    answer = demo.reply(demo.token(persona, purpose), command, variables).json()
    assert "errors" not in answer, answer
    data: Json = answer["data"]
    return data


@pytest.fixture
async def superuser(demo: Demo) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await asyncpg.connect(demo.database_url())
    yield connection
    await connection.close()


@pytest.mark.parametrize("name", ["server", "postgres", "ehr", "scheduling", "billing", "alerts", "identity"])
def test_no_log_tells_a_value(demo: Demo, needles: Needles, name: str) -> None:
    assert needles.leaked_in(demo.log(name).encode()) == set()


def test_the_server_logged_every_request_and_no_token(demo: Demo, walks: Mapping[str, Walk]) -> None:
    log = demo.log("server")
    asked = {dict(reply.headers)["x-request-id"] for walk in walks.values() for reply in walk.replies}
    logged = {json.loads(line).get("request_id") for line in log.splitlines()}
    assert asked <= logged
    for persona in walks:
        assert demo.token(persona).rpartition(".")[2] not in log


def test_metrics_tell_numbers_alone(metrics_url: str, needles: Needles) -> None:
    with urllib.request.urlopen(metrics_url, timeout=10) as response:  # noqa: S310 - our own listener
        text = response.read()
    assert b"portico_request_seconds_count" in text
    assert f'portico_operations_total{{way="{EXECUTOR.upper()}"}}'.encode() in text
    assert needles.leaked_in(text) == set()


def test_the_standard_output_tells_no_value_but_who_the_patient_is_in_their_token(
    demo: Demo, needles: Needles, populations: Mapping[str, Population]
) -> None:
    patient = populations["riverbend"].people[0]
    assert needles.leaked_in(demo.output.read_bytes()) <= {patient.ehr_id}


def test_no_other_file_of_the_demo_tells_a_value(demo: Demo, needles: Needles) -> None:
    state = demo.state
    populations = {state.population("riverbend"), state.population("harbor")}
    files = [
        path
        for path in state.folder.rglob("*")
        if path.is_file() and state.database not in path.parents and path not in populations
    ]
    assert {"demo.json", "tenants.toml", "server.log", "portico"} <= {path.name for path in files}
    assert {path.name: found for path in files if (found := needles.leaked_in(path.read_bytes()))} == {}


def test_an_answer_repeats_nothing_that_its_reader_put_where_it_does_not_belong(
    lived: Mapping[str, list[Reply]], needles: Needles, rights: Mapping[str, Rights]
) -> None:
    for persona, replies in lived.items():
        answered = b"\n".join(reply.header_bytes + reply.body for reply in replies)
        permitted = rights[persona].texts if persona in rights else frozenset()
        assert needles.leaked_in(answered, permitted) == set(), persona


def test_the_receiver_of_alerts_is_told_ids_alone(demo: Demo, needles: Needles) -> None:
    def heard() -> list[bytes]:
        return [json.dumps(call).encode() for call in demo.calls() if call["source"] == "alerts"]

    until("the alert is there", lambda: bool(heard()), seconds=10)
    assert needles.leaked_in(b"\n".join(heard())) == set()


async def test_audit_rows_tell_no_value(superuser: asyncpg.Connection[asyncpg.Record], needles: Needles) -> None:
    rows = await superuser.fetch("select audit::text as row from portico.audit")
    assert len(rows) > 300
    assert needles.leaked_in("\n".join(row["row"] for row in rows).encode()) == set()


async def test_portico_s_own_tables_hold_ids_of_patients_and_visits_and_no_other_value(
    superuser: asyncpg.Connection[asyncpg.Record], needles: Needles, populations: Mapping[str, Population]
) -> None:
    ids = {
        id_
        for population in populations.values()
        for person in population.people
        for id_ in (person.ehr_id, *(alias.id for alias in (person.scheduling, person.billing) if alias))
    }
    visits = {visit.number for population in populations.values() for visit in population.visits}
    tables = [(row["schema"], row["name"]) for row in await superuser.fetch(TABLES)]
    assert {schema for schema, _ in tables} == {"portico"}
    assert {name for _, name in tables} >= CROSSWALK | AUDIT | COMMANDED
    for _, table in tables:
        rows = await superuser.fetch(f"select it::text as row from portico.{table} as it")  # noqa: S608 - its own name
        assert rows or table not in COMMANDED
        found = needles.leaked_in("\n".join(row["row"] for row in rows).encode())
        assert found <= (ids if table in CROSSWALK else set()) | (visits if table in VISITS else set()), table
    assert await superuser.fetchval("select count(*) from pg_largeobject_metadata") == 0


async def test_no_statement_that_the_database_shows_has_a_value_in_it(
    superuser: asyncpg.Connection[asyncpg.Record], needles: Needles
) -> None:
    rows = await superuser.fetch("select datname, query from pg_stat_activity where query <> ''")
    assert {"portico", "billing_riverbend"} <= {row["datname"] for row in rows}
    assert needles.leaked_in("\n".join(row["query"] for row in rows).encode()) == set()


def test_what_the_auditor_is_shown_of_each_patient_tells_no_value(
    demo: Demo, walks: Mapping[str, Walk], needles: Needles
) -> None:
    patients = sorted(walks["patient"].seen["Patient"] | walks["guardian"].seen["Patient"])
    assert len(patients) == 4
    for patient in patients:
        shown = demo.portico("audit", "show", "--patient", patient)
        rows = [json.loads(line) for line in shown.stdout.splitlines()]
        assert {"usr-physician", "usr-biller", "usr-researcher"} & {row["subject"] for row in rows}
        assert needles.leaked_in(shown.stdout.encode() + shown.stderr.encode()) == set()


def test_the_trail_of_all_that_happened_is_sound(demo: Demo) -> None:
    verified = demo.portico("audit", "verify")
    assert (verified.returncode, verified.stdout.count("rows, sound")) == (0, 2), verified.stdout


def test_nothing_was_a_bug(demo: Demo) -> None:
    """Whatever was sent in all these tests: no answer was an accident."""
    lines = [json.loads(line) for line in demo.log("server").splitlines()]
    assert [line for line in lines if line["event"] in {"fault", "request_failed"}] == []
    answered = {line["status"] for line in lines if line["event"] == "request_answered" and line["outcome"] != "HEALTH"}
    assert answered <= {200, 400, 401, 403}


def test_no_address_but_the_graphs_tells_anything(demo: Demo, needles: Needles, metrics_url: str) -> None:
    listener = metrics_url.rpartition("/")[0]
    for url in (f"{demo.url}/health/live", f"{demo.url}/health/ready", f"{demo.url}/", f"{demo.url}/metrics", listener):
        connection = HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("GET", urlsplit(url).path or "/")
        response = connection.getresponse()
        assert needles.leaked_in(str(response.headers).encode() + response.read()) == set(), url
        connection.close()
