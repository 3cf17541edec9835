"""Who acts for whom is read fresh: what was revoked counts for the very next request."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta

import pytest

from portico.records.references import PatientId, SourceName, Tenant
from portico.store.crosswalk import CrosswalkConfig
from portico.store.database import Database, DatabaseConfig
from portico.store.postgres import PostgresCrosswalk
from sandbox.population.model import Person, Population
from sandbox.population.planted import GUARDIAN_SUBJECT, Planted
from tests.e2e.whole.stage import Demo

ROUNDS = int(os.environ.get("WHOLE_GUARDIAN_ROUNDS", "20"))
RIVERBEND = Tenant("riverbend")
WARDS = "{ patients(first: 10) { edges { node { id name { given } claims(first: 5) { edges { node { id } } } } } } }"


@pytest.fixture(scope="module")
async def crosswalk(demo: Demo) -> AsyncIterator[PostgresCrosswalk]:
    """The running demo's crosswalk, written as another process of Portico's would."""
    database = await Database.open(DatabaseConfig(url=demo.running.database_url, pool_size=1))
    yield PostgresCrosswalk(database, CrosswalkConfig())
    await database.aclose()


@pytest.fixture(scope="module")
def ward(populations: Mapping[str, Population]) -> Person:
    return next(person for person in populations["riverbend"].people if person.key == Planted.ELDER_CHILD)


@pytest.fixture
async def patient(crosswalk: PostgresCrosswalk, ward: Person) -> AsyncIterator[PatientId]:
    """The ward, for whom the guardian acts again afterwards."""
    chart = ward.ehr_id or ""
    found = (await crosswalk.identify(RIVERBEND, SourceName("ehr"), [chart]))[chart]
    yield found
    await _grant(crosswalk, found)


async def _grant(crosswalk: PostgresCrosswalk, patient: PatientId, *, end: datetime | None = None) -> None:
    start = datetime.now(UTC) - timedelta(days=365)
    assert await crosswalk.grant_guardianship(
        RIVERBEND, guardian=GUARDIAN_SUBJECT, patient=patient, start=start, end=end
    )


def _given_names(demo: Demo) -> set[str]:
    edges = demo.data("guardian", WARDS)["patients"]["edges"]
    return {edge["node"]["name"]["given"][0] for edge in edges}


async def test_a_revoked_guardian_sees_nothing_from_the_next_request_on(
    demo: Demo, crosswalk: PostgresCrosswalk, patient: PatientId, ward: Person
) -> None:
    node = "query ($id: ID!) { node(id: $id) { id } patient(id: $id) { birthDate } }"
    ids = {edge["node"]["name"]["given"][0]: edge["node"] for edge in demo.data("guardian", WARDS)["patients"]["edges"]}
    name = ids[ward.given]["id"]
    claims = [edge["node"]["id"] for edge in ids[ward.given]["claims"]["edges"]]
    for _ in range(ROUNDS):
        assert ward.given in _given_names(demo)
        assert await crosswalk.revoke_guardianship(RIVERBEND, guardian=GUARDIAN_SUBJECT, patient=patient)
        assert ward.given not in _given_names(demo)
        assert demo.data("guardian", node, id=name) == {"node": None, "patient": None}
        gone = demo.data("guardian", "query ($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=claims)
        assert gone == {"nodes": [None] * len(claims)}
        await _grant(crosswalk, patient)


async def test_a_guardianship_that_has_ended_is_none(
    demo: Demo, crosswalk: PostgresCrosswalk, patient: PatientId, ward: Person
) -> None:
    await _grant(crosswalk, patient, end=datetime.now(UTC) - timedelta(seconds=1))
    assert ward.given not in _given_names(demo)
    await _grant(crosswalk, patient, end=datetime.now(UTC) + timedelta(hours=1))
    assert ward.given in _given_names(demo)


async def test_the_other_wards_are_untouched(
    demo: Demo, crosswalk: PostgresCrosswalk, patient: PatientId, populations: Mapping[str, Population]
) -> None:
    others = {Planted.YOUNGER_CHILD, Planted.NEARLY_OF_AGE}
    await crosswalk.revoke_guardianship(RIVERBEND, guardian=GUARDIAN_SUBJECT, patient=patient)
    assert _given_names(demo) == {one.given for one in populations["riverbend"].people if one.key in others}
