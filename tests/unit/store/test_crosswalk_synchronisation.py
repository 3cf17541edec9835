"""Synchronisation: all at once, whatever else is going on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

import pytest

from portico.records.references import PatientId
from portico.store.crosswalk import Crosswalk, Link, LinkPlan, Reason, Unlinked
from tests.unit.store.world import (
    ADA,
    BEN,
    BILLING,
    CLEO,
    EHR,
    EVERYONE,
    HARBOR,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    exact,
    identity,
    planning,
    relationships,
)


async def test_a_plan_is_given_every_link_of_the_tenant_and_is_returned(linked: Crosswalk) -> None:
    await linked.synchronize(HARBOR, plan=planning(identity("h-1", ADA)), relations={})
    given: list[Link] = []

    def plan(existing: Sequence[Link]) -> LinkPlan:
        given.extend(existing)
        return LinkPlan(sources=frozenset())

    assert await linked.synchronize(RIVERBEND, plan=plan, relations={}) == LinkPlan(sources=frozenset())
    assert given == sorted(EVERYONE, key=lambda link: (link.source, link.source_id))


async def test_links_of_planned_sources_are_replaced_and_others_stay(linked: Crosswalk) -> None:
    await linked.synchronize(RIVERBEND, plan=planning(exact(BILLING, "b-new", CLEO)), relations={})

    assert await linked.identify(RIVERBEND, BILLING, ["b-ada", "b-ben", "b-new"]) == {"b-new": CLEO}
    assert await linked.identify(RIVERBEND, SCHEDULING, ["s-ada"]) == {"s-ada": ADA}


async def test_a_canonical_id_is_never_dropped_or_moved(linked: Crosswalk) -> None:
    await linked.synchronize(RIVERBEND, plan=planning(identity("e-ben", CLEO)), relations={})

    assert await linked.identify(RIVERBEND, EHR, ["e-ada", "e-ben"]) == {"e-ada": ADA, "e-ben": BEN}


async def test_the_unlinked_are_listed_until_they_are_linked(linked: Crosswalk) -> None:
    ambiguous = Unlinked(source=BILLING, source_id="b-1", reason=Reason.AMBIGUOUS, candidates=(ADA, BEN))
    unknown = Unlinked(source=BILLING, source_id="b-2", reason=Reason.NOT_IN_EHR)
    await linked.synchronize(RIVERBEND, plan=planning(unlinked=[unknown, ambiguous]), relations={})
    assert list(await linked.unlinked(RIVERBEND)) == [ambiguous, unknown]
    assert list(await linked.unlinked(HARBOR)) == []

    clearer = replace(ambiguous, reason=Reason.NAME_MISMATCH, candidates=(ADA,))
    await linked.synchronize(RIVERBEND, plan=planning(exact(BILLING, "b-2", CLEO), unlinked=[clearer]), relations={})
    assert list(await linked.unlinked(RIVERBEND)) == [clearer]


async def test_a_failing_plan_changes_nothing(linked: Crosswalk) -> None:
    def failing(_: Sequence[Link]) -> LinkPlan:
        raise LookupError

    with pytest.raises(LookupError):
        await linked.synchronize(RIVERBEND, plan=failing, relations={EHR: [care("e-ada")]})

    assert await relationships(linked, PHYSICIAN, ADA) == set()


async def test_a_reader_never_sees_half_a_synchronisation(linked: Crosswalk) -> None:
    worlds = [
        (exact(BILLING, "b-1", ADA), exact(SCHEDULING, "s-1", ADA)),
        (exact(BILLING, "b-1", BEN), exact(SCHEDULING, "s-1", BEN)),
    ]
    done = asyncio.Event()

    async def write() -> None:
        for turn in range(60):
            links = worlds[turn % 2]
            npi = ("1234567893", "1999999999")[turn % 2]
            await linked.synchronize(RIVERBEND, plan=planning(*links), relations={EHR: [care("e-ada", npi)]})
            await asyncio.sleep(0)
        done.set()

    async def read() -> int:
        seen = 0
        while not done.is_set():
            standings = await linked.standings_of(PHYSICIAN, [ADA, BEN], at=NOON)
            holders = [patient for patient, found in standings.items() if BILLING in found.sources]
            assert [patient for patient, found in standings.items() if SCHEDULING in found.sources] == holders
            if holders and standings[ADA].facts.relationships:
                assert holders == [ADA]
            seen += 1
            await asyncio.sleep(0)
        return seen

    await linked.synchronize(RIVERBEND, plan=planning(*worlds[1]), relations={})
    _, *reads = await asyncio.gather(write(), read(), read())
    assert all(reads)


async def test_two_synchronisations_at_once_give_a_person_one_canonical_id(crosswalk: Crosswalk) -> None:
    fresh = iter((ADA, BEN, CLEO, *(PatientId(str(UUID(int=number))) for number in range(50, 60))))

    def plan(existing: Sequence[Link]) -> LinkPlan:
        patient = next((old.patient for old in existing), None) or next(fresh)
        return LinkPlan(sources=frozenset({EHR}), links=(identity("e-1", patient),))

    plans = await asyncio.gather(*(crosswalk.synchronize(RIVERBEND, plan=plan, relations={}) for _ in range(4)))

    assert {link.patient for made in plans for link in made.links} == {ADA}
