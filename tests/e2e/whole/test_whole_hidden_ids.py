"""What may not be seen is answered as what was never issued: byte for byte, whatever asks for it."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Mapping
from statistics import median

import pytest

from portico.records.references import RecordType
from portico.secret_files import read_key
from resolvers.seal import Seal
from sandbox.population.model import Population
from tests.e2e.whole.lone import LoneServer
from tests.e2e.whole.walk import SINGLES, Walk
from tests.oracles.uniform import Lasting, lasting
from tests.spec.served_world import SchemaText

PAIRS = int(os.environ.get("WHOLE_HIDDEN_PAIRS", "50"))
OTHERS = "patient"
"""A persona to whom everybody else's records are hidden."""
HIDDEN_TYPES = ("Patient", "Appointment", "Claim", "Encounter", "Coverage")
LISTED = "edges { cursor } pageInfo { startCursor endCursor hasNextPage hasPreviousPage }"
QUERIES = {
    "node": "query ($id: ID!) { node(id: $id) { __typename id ... on Patient { name { family } ssn } } }",
    "nodes": "query ($id: ID!) { nodes(ids: [$id, $id]) { __typename id } }",
    **{root: f"query ($id: ID!) {{ {root}(id: $id) {{ __typename id }} viewer {{ subject }} }}" for root in SINGLES},
    **{
        f"{root} of a patient": f"query ($id: ID!) {{ {root}(filter: {{patient: $id}}) {{ {LISTED} }} }}"
        for root in ("appointments", "claims")
    },
}


@pytest.fixture(scope="module")
def seal(lone: LoneServer) -> Seal:
    """What the server itself makes ids with."""
    return Seal(read_key(lone.demo.state.key, demo=False))


@pytest.fixture(scope="module")
def hidden(lone: LoneServer, text: SchemaText) -> Mapping[str, list[str]]:
    """Ids by type of what is there, and not for the patient: the researcher came upon them."""
    seen = {}
    for persona in ("researcher", OTHERS):
        walk = Walk(lone, lone.demo.token(persona), text)
        walk.everything()
        seen[persona] = walk.seen
    return {type_: sorted(seen["researcher"][type_] - seen[OTHERS][type_]) for type_ in HIDDEN_TYPES}


def _never_issued(seal: Seal, type_: str) -> list[Callable[[], str]]:
    """Ways to an id that nobody was ever given: noise, and a well-made name of nothing."""
    source = {"Patient": "portico", "Appointment": "scheduling", "Claim": "billing"}.get(type_, "ehr")

    def noise() -> str:
        return secrets.token_urlsafe(38)

    def nothing() -> str:
        value = (
            "00000000-0000-4000-8000-" + secrets.token_hex(6) if type_ == "Patient" else f"Cnry{secrets.token_hex(8)}"
        )
        return seal.seal(("id", "riverbend"), (RecordType(type_), source, value))

    return [noise, nothing]


@pytest.mark.parametrize("type_", HIDDEN_TYPES)
@pytest.mark.parametrize("way", QUERIES)
def test_hidden_is_as_never_issued_byte_for_byte(
    lone: LoneServer, hidden: Mapping[str, list[str]], seal: Seal, way: str, type_: str
) -> None:
    token = lone.demo.token(OTHERS)
    assert len(hidden[type_]) >= 5
    expected = {
        lasting(lone.reply(token, QUERIES[way], {"id": make()})) for make in _never_issued(seal, type_) for _ in "12"
    }
    assert len(expected) == 1
    assert {lasting(lone.reply(token, QUERIES[way], {"id": id_})) for id_ in hidden[type_][:5]} == expected


def test_the_same_ids_are_answered_where_they_may_be_seen(lone: LoneServer, hidden: Mapping[str, list[str]]) -> None:
    for type_ in HIDDEN_TYPES:
        answer = lone.ask("researcher", QUERIES["nodes"], id=hidden[type_][0])
        assert [one["__typename"] for one in answer["data"]["nodes"]] == [type_, type_]


def test_interleaved_pairs_are_alike_and_take_their_time_alike(
    lone: LoneServer, hidden: Mapping[str, list[str]], seal: Seal
) -> None:
    token, nothing = lone.demo.token(OTHERS), _never_issued(seal, "Patient")[1]
    took: dict[str, list[float]] = {"hidden": [], "never issued": []}
    answers = set()
    for place in range(PAIRS):
        pair = {"hidden": hidden["Patient"][place % len(hidden["Patient"])], "never issued": nothing()}
        for kind, id_ in pair.items():
            began = time.perf_counter()
            answers.add(lasting(lone.reply(token, QUERIES["patient"], {"id": id_})))
            took[kind].append(1_000 * (time.perf_counter() - began))
    medians = {kind: round(median(times), 2) for kind, times in took.items()}
    assert len(answers) == 1
    assert max(medians.values()) < 5 * min(medians.values()) + 20, medians


def test_a_list_filtered_by_somebody_hidden_is_as_one_filtered_by_nobody(
    lone: LoneServer, populations: Mapping[str, Population]
) -> None:
    token = lone.demo.token(OTHERS)
    strangers = [one for one in populations["riverbend"].people if one.key != OTHERS][:5]

    def listed(condition: str, value: str) -> Lasting:
        query = f"query ($value: String) {{ patients(filter: {{{condition}: $value}}) {{ {LISTED} }} }}"
        return lasting(lone.reply(token, query, {"value": value}))

    for condition, attribute, nobody in (
        ("identifier", "ssn", "900-00-9999"),
        ("identifier", "mrn", "Cnry0000000000000000"),
        ("family", "family", "Cnry0000000000000000"),
        ("given", "given", "Cnry0000000000000000"),
    ):
        found = {listed(condition, str(getattr(one, attribute))) for one in strangers}
        assert found == {listed(condition, nobody)}, condition
