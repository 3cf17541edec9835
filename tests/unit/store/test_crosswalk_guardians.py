"""Who acts for a patient: until they are of age, until they die, until it is revoked."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from portico.records.ages import Ages
from portico.records.people import RelationKind
from portico.records.references import PatientId
from portico.store.crosswalk import Crosswalk, PersonFacts
from portico.store.grants import GuardianKind
from tests.unit.store.world import (
    ADA,
    ADA_HERSELF,
    BEN,
    BILLING,
    DAY,
    EHR,
    EVERYONE,
    GUARDIAN,
    MOMENT,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    child,
    learn,
    planning,
    relate,
    relationships,
    standing,
)


async def test_guardians_are_granted_and_revoked_at_once(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    granted = await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)

    assert granted
    assert await relationships(linked, guardian, ADA) == {"guardian"}
    assert await relationships(linked, NOBODY, ADA) == set()
    assert await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)
    assert await relationships(linked, guardian, ADA) == set()
    assert not await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)


async def test_a_new_period_replaces_a_guardianships_old_one(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    for end in (None, NOON - DAY):
        await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=end)

    assert await relationships(linked, guardian, ADA) == set()


async def test_guardianships_outlast_a_synchronisation(linked: Crosswalk) -> None:
    await linked.grant_guardianship(RIVERBEND, guardian="usr-nobody", patient=ADA, start=None, end=None)
    await linked.synchronize(RIVERBEND, plan=planning(*EVERYONE), relations={EHR: [], SCHEDULING: [], BILLING: []})

    assert await relationships(linked, NOBODY, ADA) == {"guardian"}


@pytest.mark.parametrize("patient", [str(UUID(int=99)), "ada"])
async def test_nobody_becomes_guardian_of_an_unknown_patient(linked: Crosswalk, patient: str) -> None:
    unknown = PatientId(patient)

    assert not await linked.grant_guardianship(RIVERBEND, guardian="g", patient=unknown, start=None, end=None)
    assert not await linked.revoke_guardianship(RIVERBEND, guardian="g", patient=unknown)


async def test_a_revocation_counts_for_every_read_that_starts_after_it(linked: Crosswalk) -> None:
    guardian = replace(NOBODY, subject="usr-guardian")
    for _ in range(100):
        await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)
        reading = asyncio.gather(*(relationships(linked, guardian, ADA) for _ in range(3)))
        await linked.revoke_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA)
        assert await relationships(linked, guardian, ADA) == set()
        await reading


@pytest.mark.parametrize(
    ("at", "guarded", "adolescent"),
    [
        ("2025-07-01T03:59:59.999999+00:00", True, False),
        ("2025-07-01T04:00:00+00:00", True, True),
        ("2031-07-01T00:00:00+00:00", True, True),
        ("2031-07-01T03:59:59.999999+00:00", True, True),
        ("2031-07-01T04:00:00+00:00", False, False),
        ("2031-07-01T12:00:00+00:00", False, False),
    ],
)
async def test_adolescence_and_majority_begin_with_the_birthday_at_home(
    linked: Crosswalk, at: str, *, guarded: bool, adolescent: bool
) -> None:
    born, instant = "2013-07-01", datetime.fromisoformat(at)
    home = Ages(time_zone=ZoneInfo("America/New_York"))
    await learn(
        linked,
        PersonFacts(source_id="e-ada", adolescent_at=home.adolescent_at(born), adult_at=home.adult_at(born)),
    )
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)

    found = await standing(linked, GUARDIAN, ADA, instant)
    assert found.facts.relationships == ({"guardian"} if guarded else set())
    assert found.adolescent == adolescent
    listed = await linked.related(GUARDIAN, ["guardian"], at=instant, limit=10)
    assert [one.patient for one in listed] == ([ADA] if guarded else [])


async def test_a_period_beyond_majority_guards_nobody_of_age(linked: Crosswalk) -> None:
    facts = child("e-ada")
    assert facts.adult_at
    await linked.grant_guardianship(
        RIVERBEND, guardian="usr-guardian", patient=ADA, start=NOON, end=facts.adult_at + DAY
    )

    assert await relationships(linked, GUARDIAN, ADA, facts.adult_at - MOMENT) == {"guardian"}
    assert await relationships(linked, GUARDIAN, ADA, facts.adult_at) == set()


async def test_nobody_guards_whose_age_is_not_known(linked: Crosswalk) -> None:
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=BEN, start=None, end=None)
    assert await relationships(linked, GUARDIAN, BEN) == set()

    await learn(linked, PersonFacts(source_id="e-ben"))
    assert await relationships(linked, GUARDIAN, BEN) == set()
    assert (await standing(linked, GUARDIAN, BEN)).adolescent


async def test_a_proxy_acts_for_an_adult_for_a_period(linked: Crosswalk) -> None:
    await learn(linked, PersonFacts(source_id="e-ben", adolescent_at=NOON - 9000 * DAY, adult_at=NOON - 7000 * DAY))
    await linked.grant_guardianship(
        RIVERBEND, guardian="usr-guardian", patient=BEN, start=NOON, end=NOON + DAY, kind=GuardianKind.PROXY
    )

    assert await relationships(linked, GUARDIAN, BEN, NOON - MOMENT) == set()
    assert await relationships(linked, GUARDIAN, BEN, NOON) == {"guardian"}
    assert await relationships(linked, GUARDIAN, BEN, NOON + DAY + MOMENT) == set()
    assert not (await standing(linked, GUARDIAN, BEN)).adolescent


@pytest.mark.parametrize("kind", GuardianKind)
async def test_acting_for_a_patient_and_being_one_end_by_death(linked: Crosswalk, kind: GuardianKind) -> None:
    await learn(linked, replace(child("e-ada"), deceased=True, died_at=NOON))
    await relate(linked, [care("e-ada")])
    for principal in (GUARDIAN, PHYSICIAN):
        await linked.grant_guardianship(
            RIVERBEND, guardian=principal.subject, patient=ADA, start=None, end=None, kind=kind
        )

    assert await relationships(linked, GUARDIAN, ADA, NOON - MOMENT) == {"guardian"}
    assert await relationships(linked, ADA_HERSELF, ADA, NOON - MOMENT) == {"self"}
    assert await relationships(linked, GUARDIAN, ADA) == set()
    assert await relationships(linked, ADA_HERSELF, ADA) == set()
    assert await relationships(linked, PHYSICIAN, ADA) == {"care_team"}


async def test_who_died_nobody_knows_when_is_dead_at_any_time(linked: Crosswalk) -> None:
    await learn(linked, replace(child("e-ada"), deceased=True))
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)

    assert await relationships(linked, GUARDIAN, ADA, NOON - 9000 * DAY) == set()
    assert await relationships(linked, ADA_HERSELF, ADA, NOON) == set()


async def test_age_and_death_are_the_identity_sources_to_tell(linked: Crosswalk) -> None:
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)
    grown = PersonFacts(source_id="b-ada", adult_at=NOON - DAY, deceased=True, replaced_by="b-ada-again")
    await learn(linked, grown, source=BILLING)

    assert await relationships(linked, GUARDIAN, ADA) == {"guardian"}
    assert await relationships(linked, ADA_HERSELF, ADA) == {"self"}


async def test_what_was_known_of_somebody_stays_when_their_source_is_silent(linked: Crosswalk) -> None:
    await learn(linked, replace(child("e-ada"), deceased=True, labels=frozenset({"VIP"})))
    await learn(linked, child("e-ben"))

    found = await standing(linked, ADA_HERSELF, ADA)
    assert found.facts.relationships == set()
    assert found.facts.labels == {"VIP"}


async def test_who_works_here_and_is_a_patient_here_stands_in_both_ways(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), replace(care("e-ada", "org-main"), kind=RelationKind.ORGANIZATION)])
    employee = replace(PHYSICIAN, patients=frozenset({"e-ada"}))

    assert await relationships(linked, employee, ADA) == {"self", "care_team", "same_organization"}
