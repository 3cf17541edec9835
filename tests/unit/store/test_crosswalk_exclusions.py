"""Exclusions by order of a court: they outweigh every relationship, whoever made it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from portico.records.people import Relation, RelationKind
from portico.records.references import PatientId
from portico.store.consents import DENY_ALL
from portico.store.crosswalk import Crosswalk, CrosswalkConfig
from portico.store.database import Database
from portico.store.memory import MemoryCrosswalk
from portico.store.postgres import PostgresCrosswalk
from tests.unit.store.world import (
    ADA,
    BEN,
    CLEO,
    DAY,
    EHR,
    EVERYONE,
    HARBOR,
    MOMENT,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    care,
    identity,
    planning,
    relate,
    relationships,
    standing,
    wishes,
)

EVERY_WAY = replace(PHYSICIAN, patients=frozenset({"e-ada"}))
"""Somebody who is the patient, guards them, treats them, has an appointment and works where they are kept."""

PARTIES = ("npi 1234567893", "organization org-main", "subject usr-physician")


async def stand_in_every_way(crosswalk: Crosswalk) -> set[str]:
    kinds = {
        RelationKind.CARE_TEAM: "1234567893",
        RelationKind.SCHEDULED: "1234567893",
        RelationKind.ORGANIZATION: "org-main",
    }
    await relate(
        crosswalk, [Relation(source=EHR, source_id="e-ada", kind=kind, party=party) for kind, party in kinds.items()]
    )
    await crosswalk.grant_guardianship(RIVERBEND, guardian="usr-physician", patient=ADA, start=None, end=None)
    return await relationships(crosswalk, EVERY_WAY, ADA)


@pytest.mark.parametrize("party", PARTIES)
async def test_an_excluded_party_stands_in_no_relationship_at_all(linked: Crosswalk, party: str) -> None:
    assert await stand_in_every_way(linked) == {"self", "guardian", "care_team", "scheduled", "same_organization"}
    assert await linked.exclude(RIVERBEND, party=party, patient=ADA, start=None, end=None)

    assert await relationships(linked, EVERY_WAY, ADA) == set()
    assert await wishes(linked, EVERY_WAY, ADA) == {DENY_ALL}
    assert list(await linked.related(EVERY_WAY, ["self", "guardian", "care_team"], at=NOON, limit=10)) == []
    assert (await standing(linked, EVERY_WAY, ADA)).sources


@pytest.mark.parametrize("party", PARTIES)
async def test_an_exclusion_concerns_its_party_and_its_patient_alone(linked: Crosswalk, party: str) -> None:
    await relate(linked, [care("e-ada", "1999999999"), care("e-ben")])
    await linked.exclude(RIVERBEND, party=party, patient=ADA, start=None, end=None)
    other = replace(PHYSICIAN, subject="usr-other", npi="1999999999", organization="org-other")

    assert await relationships(linked, other, ADA) == {"care_team"}
    assert await wishes(linked, other, ADA) == set()
    assert await relationships(linked, PHYSICIAN, BEN) == {"care_team"}


async def test_a_lifted_exclusion_is_none(linked: Crosswalk) -> None:
    before = await stand_in_every_way(linked)
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)

    assert await linked.lift_exclusion(RIVERBEND, party="npi 1234567893", patient=ADA)
    assert await relationships(linked, EVERY_WAY, ADA) == before
    assert not await linked.lift_exclusion(RIVERBEND, party="npi 1234567893", patient=ADA)


@pytest.mark.parametrize(
    ("start", "end", "excluded"),
    [
        (NOON, NOON, True),
        (NOON - DAY, None, True),
        (NOON + MOMENT, None, False),
        (None, NOON - MOMENT, False),
        (NOON + DAY, NOON - DAY, True),
    ],
)
async def test_an_exclusion_holds_for_its_period_and_for_good_where_that_makes_no_sense(
    linked: Crosswalk, start: datetime | None, end: datetime | None, *, excluded: bool
) -> None:
    await relate(linked, [care("e-ada")])
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=start, end=end)

    assert await relationships(linked, PHYSICIAN, ADA) == (set() if excluded else {"care_team"})


async def test_a_page_of_the_related_is_full_where_the_excluded_lie_between(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), care("e-ben"), care("e-cleo")])
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)

    found = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=2)
    assert [one.patient for one in found] == [BEN, CLEO]


@pytest.mark.parametrize("party", ["1234567893", "npi", "npi ", "patient e-ada", "npi \x00", ""])
async def test_nobody_is_excluded_under_a_name_that_names_no_party(linked: Crosswalk, party: str) -> None:
    assert not await linked.exclude(RIVERBEND, party=party, patient=ADA, start=None, end=None)
    assert not await linked.lift_exclusion(RIVERBEND, party=party, patient=ADA)


@pytest.mark.parametrize("patient", [str(UUID(int=99)), "ada"])
async def test_nobody_is_excluded_from_an_unknown_patient(linked: Crosswalk, patient: str) -> None:
    unknown = PatientId(patient)

    assert not await linked.exclude(RIVERBEND, party="npi 1", patient=unknown, start=None, end=None)
    assert not await linked.lift_exclusion(RIVERBEND, party="npi 1", patient=unknown)


async def test_an_exclusion_stays_within_its_tenant(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("e-ada", ADA)), relations={EHR: [care("e-ada")]})
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)

    assert await relationships(linked, replace(PHYSICIAN, tenant=HARBOR), ADA) == {"care_team"}


@pytest.mark.usefixtures("postgres_crosswalk")
async def test_an_exclusion_outweighs_an_emergency(shared: Database) -> None:
    postgres, memory = PostgresCrosswalk(shared, CrosswalkConfig()), MemoryCrosswalk()
    memory.emergencies = lambda _, __: [(ADA, PHYSICIAN.subject)]
    for crosswalk in (postgres, memory):
        await crosswalk.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={})
    await shared.fetch(
        "insert into portico.emergency_access (tenant, id, subject, roles, patient, reason, started_at, ends_at)"
        " values ($1, gen_random_uuid(), $2, '{physician}', $3, 'unconscious', $4, $5)",
        *(RIVERBEND, PHYSICIAN.subject, ADA, NOON, NOON + timedelta(minutes=60)),
    )
    for crosswalk in (postgres, memory):
        assert await relationships(crosswalk, PHYSICIAN, ADA) == {"emergency"}
        await crosswalk.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)
        assert await relationships(crosswalk, PHYSICIAN, ADA) == set()
