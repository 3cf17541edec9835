"""Rounds of linking: what the sources tell is taken over at once, or not at all."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from portico.access.principal import Principal, PrincipalKind
from portico.records.errors import SourceUnavailable
from portico.records.people import Relation, RelationKind
from resolvers.linking import EHR
from tests.unit.resolvers.clinic import (
    BILLING,
    TENANT,
    Clinic,
    person,
)


async def test_a_run_links_what_the_sources_know_and_keeps_ids_the_next_time() -> None:
    clinic = Clinic()
    first = await clinic.linker.run(TENANT)
    patients = await clinic.patients()
    await clinic.linker.run(TENANT)

    assert first.failed == frozenset()
    assert patients["e1"] == patients["b1"]
    assert await clinic.patients() == patients


async def test_a_run_brings_the_relations_along() -> None:
    clinic = Clinic()
    clinic.ehr.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="1234567893")]
    await clinic.linker.run(TENANT)
    physician = Principal(
        subject="usr-physician",
        kind=PrincipalKind.PERSON,
        tenant=TENANT,
        roles=frozenset(),
        purposes=frozenset(),
        client="portal",
        npi="1234567893",
        expires_at=0,
    )

    found = await clinic.crosswalk.related(physician, ["care_team"], at=datetime.now(UTC), limit=10)
    assert [standing.sources for standing in found] == [{EHR: ("e1",), BILLING: ("b1",)}]


async def test_a_source_that_is_down_keeps_what_was_known_of_it() -> None:
    clinic = Clinic()
    await clinic.linker.run(TENANT)
    before = await clinic.patients()
    clinic.billing.down = True
    clinic.billing.listed = []
    clinic.ehr.listed.append(person(EHR, "e2", family="Other"))
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    assert {id_: patient for id_, patient in (await clinic.patients()).items() if id_ != "e2"} == before


async def test_without_the_identity_source_nothing_changes() -> None:
    clinic = Clinic()
    await clinic.linker.run(TENANT)
    before = await clinic.patients()
    clinic.ehr.down = True
    clinic.billing.listed = []

    with pytest.raises(SourceUnavailable):
        await clinic.linker.run(TENANT)
    assert await clinic.patients() == before


async def test_a_record_seen_twice_during_a_scan_counts_once() -> None:
    clinic = Clinic()
    clinic.billing.listed.append(replace(clinic.billing.listed[0]))
    run = await clinic.linker.run(TENANT)

    assert len([found for found in run.plan.links if found.source == BILLING]) == 1


async def test_what_a_source_says_in_anothers_name_is_not_believed() -> None:
    clinic = Clinic()
    clinic.billing.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="1234567893")]
    run = await clinic.linker.run(TENANT)

    assert run.failed == {BILLING}
    assert set(await clinic.patients()) == {"e1"}


async def test_a_relation_without_a_party_and_an_id_that_cannot_be_kept_are_left_out() -> None:
    clinic = Clinic()
    clinic.billing.listed.append(person(BILLING, "b\x00"))
    clinic.ehr.related = [Relation(source=EHR, source_id="e1", kind=RelationKind.CARE_TEAM, party="")]
    run = await clinic.linker.run(TENANT)

    assert run.failed == frozenset()
    assert {found.source_id for found in run.plan.links} == {"e1", "b1"}
