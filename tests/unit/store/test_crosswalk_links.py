"""Links: which ids are whose, and which are followed."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from portico.records.people import RelationKind
from portico.records.references import PatientId
from portico.store.crosswalk import Assurance, Crosswalk, CrosswalkConfig, Rule
from portico.store.database import Database
from portico.store.memory import MemoryCrosswalk
from portico.store.postgres import PostgresCrosswalk
from tests.unit.store.world import (
    ADA,
    BEN,
    BILLING,
    CLEO,
    EHR,
    HARBOR,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    exact,
    identity,
    planning,
    relate,
    relationships,
    weak,
)


async def test_a_standing_names_a_patient_and_their_ids_in_every_source(linked: Crosswalk) -> None:
    standing = (await linked.standings(NOBODY, source=SCHEDULING, source_ids=["s-ada"], at=NOON))["s-ada"]

    assert standing.patient == ADA
    assert standing.facts.relationships == frozenset()
    assert standing.sources == {EHR: ("e-ada",), SCHEDULING: ("s-ada",), BILLING: ("b-ada", "b-ada-again")}


async def test_two_ids_of_one_patient_have_the_same_standing(linked: Crosswalk) -> None:
    found = await linked.standings(NOBODY, source=BILLING, source_ids=["b-ada", "b-ada-again", "b-ben"], at=NOON)

    assert {id_: standing.patient for id_, standing in found.items()} == {
        "b-ada": ADA,
        "b-ada-again": ADA,
        "b-ben": BEN,
    }


async def test_only_the_ids_that_were_asked_for_are_answered(linked: Crosswalk) -> None:
    assert set(await linked.standings(NOBODY, source=BILLING, source_ids=["b-ada"], at=NOON)) == {"b-ada"}


@pytest.mark.parametrize("id_", ["never-issued", "e-ada", "", "b-ada\x00", "\ud800", "b-ada' or true --", "%"])
async def test_an_id_that_the_source_never_linked_is_absent(linked: Crosswalk, id_: str) -> None:
    assert await linked.standings(NOBODY, source=BILLING, source_ids=[id_], at=NOON) == {}


@pytest.mark.parametrize("id_", [str(UUID(int=99)), "ada", "", str(UUID(int=1)).replace("-", ""), "{" + str(ADA) + "}"])
async def test_what_is_no_canonical_id_of_the_tenant_is_absent(linked: Crosswalk, id_: str) -> None:
    assert await linked.standings_of(NOBODY, [PatientId(id_)], at=NOON) == {}


async def test_nothing_asked_is_nothing_answered(linked: Crosswalk) -> None:
    assert await linked.standings(PHYSICIAN, source=EHR, source_ids=[], at=NOON) == {}
    assert await linked.standings_of(PHYSICIAN, [], at=NOON) == {}
    assert list(await linked.related(PHYSICIAN, [], at=NOON, limit=10)) == []
    assert await linked.identify(RIVERBEND, EHR, []) == {}


async def test_a_link_below_the_minimum_is_not_followed_by_anything(linked: Crosswalk) -> None:
    await linked.synchronize(
        RIVERBEND,
        plan=planning(weak(SCHEDULING, "s-ben", BEN)),
        relations={SCHEDULING: [replace(care("s-ben"), source=SCHEDULING, kind=RelationKind.SCHEDULED)]},
    )

    assert await linked.standings(PHYSICIAN, source=SCHEDULING, source_ids=["s-ben"], at=NOON) == {}
    assert await linked.identify(RIVERBEND, SCHEDULING, ["s-ben"]) == {}
    assert (await linked.standings_of(PHYSICIAN, [BEN], at=NOON))[BEN].sources == {EHR: ("e-ben",), BILLING: ("b-ben",)}
    assert await relationships(linked, PHYSICIAN, BEN) == set()
    assert list(await linked.related(PHYSICIAN, ["scheduled"], at=NOON, limit=10)) == []


@pytest.mark.usefixtures("postgres_crosswalk")
async def test_the_minimum_is_configurable(shared: Database) -> None:
    strict = CrosswalkConfig(minimum_assurance=Assurance.EXACT)
    for crosswalk in (MemoryCrosswalk(strict), PostgresCrosswalk(shared, strict)):
        close = replace(exact(BILLING, "b-ada", ADA), assurance=Assurance.CLOSE, rule=Rule.CLOSE_NAME)
        await crosswalk.synchronize(RIVERBEND, plan=planning(identity("e-ada", ADA), close), relations={})
        assert (await crosswalk.standings_of(NOBODY, [ADA], at=NOON))[ADA].sources == {EHR: ("e-ada",)}


async def test_nothing_crosses_from_one_tenant_to_another(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-physician", patient=ADA, start=None, end=None)
    elsewhere = replace(PHYSICIAN, tenant=HARBOR, patients=frozenset({"e-ada"}))

    assert await linked.standings(elsewhere, source=EHR, source_ids=["e-ada"], at=NOON) == {}
    assert await linked.standings_of(elsewhere, [ADA], at=NOON) == {}
    assert list(await linked.related(elsewhere, ["self", "care_team", "guardian"], at=NOON, limit=10)) == []
    assert await linked.identify(HARBOR, EHR, ["e-ada"]) == {}
    assert not await linked.grant_guardianship(HARBOR, guardian="g", patient=ADA, start=None, end=None)
    assert not await linked.revoke_guardianship(HARBOR, guardian="usr-physician", patient=ADA)


async def test_the_same_ids_mean_different_patients_in_different_tenants(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("e-ada", CLEO)), relations={EHR: [care("e-ada")]})

    assert await linked.identify(HARBOR, EHR, ["e-ada"]) == {"e-ada": CLEO}
    assert await linked.identify(RIVERBEND, EHR, ["e-ada"]) == {"e-ada": ADA}
    assert await relationships(linked, PHYSICIAN, ADA) == set()
