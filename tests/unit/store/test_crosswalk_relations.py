"""Relationships that follow from what sources vouch for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from portico.records.people import Relation, RelationKind
from portico.store.crosswalk import Crosswalk
from tests.unit.store.world import (
    ADA,
    BEN,
    BILLING,
    CLEO,
    DAY,
    EHR,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    exact,
    planning,
    relate,
    relationships,
)


async def test_a_principal_is_self_to_the_patient_of_their_token(linked: Crosswalk) -> None:
    ada = replace(NOBODY, patients=frozenset({"e-ada"}))

    assert await relationships(linked, ada, ADA) == {"self"}
    assert await relationships(linked, ada, BEN) == set()


async def test_an_id_of_another_source_makes_nobody_self(linked: Crosswalk) -> None:
    assert await relationships(linked, replace(NOBODY, patients=frozenset({"b-ada"})), ADA) == set()


@pytest.mark.parametrize(
    ("kind", "party", "relationship"),
    [
        (RelationKind.CARE_TEAM, "1234567893", "care_team"),
        (RelationKind.SCHEDULED, "1234567893", "scheduled"),
        (RelationKind.ORGANIZATION, "org-main", "same_organization"),
    ],
)
async def test_a_sources_relation_makes_its_relationship_for_its_party_alone(
    linked: Crosswalk, kind: RelationKind, party: str, relationship: str
) -> None:
    await relate(linked, [Relation(source=EHR, source_id="e-ada", kind=kind, party=party)])

    assert await relationships(linked, PHYSICIAN, ADA) == {relationship}
    assert await relationships(linked, PHYSICIAN, BEN) == set()
    assert await relationships(linked, replace(PHYSICIAN, npi="1999999999", organization="org-other"), ADA) == set()


async def test_npi_and_organization_are_not_taken_for_each_other(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada", "org-main")])

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_all_relationships_to_one_patient_are_told(linked: Crosswalk) -> None:
    kinds = {RelationKind.CARE_TEAM: "1234567893", RelationKind.ORGANIZATION: "org-main"}
    await relate(
        linked, [Relation(source=EHR, source_id="e-ada", kind=kind, party=party) for kind, party in kinds.items()]
    )
    ada_herself = replace(PHYSICIAN, patients=frozenset({"e-ada"}))

    assert await relationships(linked, ada_herself, ADA) == {"self", "care_team", "same_organization"}


async def test_nothing_follows_from_attributes_that_a_principal_lacks(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), replace(care("e-ada", "org-main"), kind=RelationKind.ORGANIZATION)])

    assert await relationships(linked, NOBODY, ADA) == set()
    assert await relationships(linked, replace(NOBODY, npi="", organization=""), ADA) == set()


@pytest.mark.parametrize(
    ("start", "end", "holds"),
    [
        (None, None, True),
        (NOON, NOON, True),
        (NOON - DAY, None, True),
        (None, NOON + DAY, True),
        (NOON + timedelta(microseconds=1), None, False),
        (None, NOON - timedelta(microseconds=1), False),
        (NOON + DAY, NOON - DAY, False),
    ],
)
async def test_a_period_is_judged_at_the_instant_of_asking_both_ends_inclusive(
    linked: Crosswalk, start: datetime | None, end: datetime | None, *, holds: bool
) -> None:
    await relate(linked, [replace(care("e-ada"), start=start, end=end)])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-physician", patient=ADA, start=start, end=end)

    assert await relationships(linked, PHYSICIAN, ADA) == ({"care_team", "guardian"} if holds else set())


async def test_several_periods_of_one_relation_count_each(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada", end=NOON - DAY), care("e-ada", start=NOON + DAY)])

    assert await relationships(linked, PHYSICIAN, ADA, NOON - 2 * DAY) == {"care_team"}
    assert await relationships(linked, PHYSICIAN, ADA, NOON) == set()
    assert await relationships(linked, PHYSICIAN, ADA, NOON + 2 * DAY) == {"care_team"}


async def test_a_relation_waits_for_its_record_to_be_linked(linked: Crosswalk) -> None:
    await relate(linked, [replace(care("s-ben"), source=SCHEDULING, kind=RelationKind.SCHEDULED)], SCHEDULING)
    assert await relationships(linked, PHYSICIAN, BEN) == set()

    await linked.synchronize(
        RIVERBEND, plan=planning(exact(SCHEDULING, "s-ben", BEN), exact(SCHEDULING, "s-ada", ADA)), relations={}
    )
    assert await relationships(linked, PHYSICIAN, BEN) == {"scheduled"}


async def test_a_sources_relation_is_not_anothers(linked: Crosswalk) -> None:
    await relate(linked, [replace(care("e-ada"), source=BILLING)], BILLING)

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_relations_are_replaced_by_source(linked: Crosswalk) -> None:
    scheduled = replace(care("s-ada"), source=SCHEDULING, kind=RelationKind.SCHEDULED)
    await linked.synchronize(RIVERBEND, plan=planning(), relations={EHR: [care("e-ben")], SCHEDULING: [scheduled]})
    await relate(linked, [care("e-ada"), care("e-ada")])

    assert await relationships(linked, PHYSICIAN, ADA) == {"care_team", "scheduled"}
    assert await relationships(linked, PHYSICIAN, BEN) == set()


async def test_related_lists_in_the_order_of_canonical_ids_and_in_pages(linked: Crosswalk) -> None:
    await relate(linked, [care("e-cleo"), care("e-ada"), care("e-ben")])

    everyone = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=10)
    first = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=2)
    rest = await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=2, after=first[-1].patient)

    assert [standing.patient for standing in everyone] == [ADA, BEN, CLEO]
    assert [*first, *rest] == list(everyone)


async def test_related_is_about_any_of_the_relationships_and_tells_all_of_them(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    doctor_ben = replace(PHYSICIAN, patients=frozenset({"e-ben", "e-ada"}))

    found = await linked.related(doctor_ben, ["care_team"], at=NOON, limit=10)
    both = await linked.related(doctor_ben, ["care_team", "self"], at=NOON, limit=10)

    assert {standing.patient: standing.facts.relationships for standing in found} == {ADA: {"care_team", "self"}}
    assert [standing.patient for standing in both] == [ADA, BEN]


@pytest.mark.parametrize("unknown", ["assigned", "emergency", "none", "", "care_team'--"])
async def test_nobody_stands_in_an_unknown_relationship(linked: Crosswalk, unknown: str) -> None:
    await relate(linked, [care("e-ada")])

    assert list(await linked.related(PHYSICIAN, [unknown], at=NOON, limit=10)) == []
