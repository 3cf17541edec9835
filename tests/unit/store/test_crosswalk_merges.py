"""Merged patients: what the one could, the other can't; what kept people from the one keeps them from the other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from portico.records.consent import ConsentKind
from portico.records.people import SensitiveVisit
from portico.store.crosswalk import Crosswalk, PersonFacts
from tests.unit.store.world import (
    ADA,
    ADA_HERSELF,
    BEN,
    BILLING,
    CLEO,
    EHR,
    GUARDIAN,
    NOBODY,
    NOON,
    PHYSICIAN,
    RIVERBEND,
    SCHEDULING,
    care,
    child,
    consent,
    learn,
    planning,
    provision,
    relate,
    relationships,
    standing,
)


def merged(into: str = "e-ben") -> PersonFacts:
    """Ada's record, merged into another."""
    return replace(child("e-ada"), replaced_by=into)


async def test_who_was_merged_into_another_stands_to_nobody(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)
    await learn(linked, merged())
    everyone = replace(PHYSICIAN, subject="usr-guardian", patients=frozenset({"e-ada"}))

    assert await linked.standings_of(everyone, [ADA], at=NOON) == {}
    for source, id_ in ((EHR, "e-ada"), (SCHEDULING, "s-ada"), (BILLING, "b-ada")):
        assert await linked.standings(everyone, source=source, source_ids=[id_], at=NOON) == {}
    assert list(await linked.related(everyone, ["self", "care_team", "guardian"], at=NOON, limit=10)) == []


async def test_nothing_of_the_merged_passes_to_the_other_nor_back(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), care("e-ben", "1999999999")])
    await linked.grant_guardianship(RIVERBEND, guardian="usr-guardian", patient=ADA, start=None, end=None)
    permit = provision(ConsentKind.PERMIT, purposes=["HRESCH"])
    await linked.record_consent(RIVERBEND, ADA, permit, by="usr-ada")
    await linked.replace_consents(RIVERBEND, {EHR: [consent("e-ada", permit)]})
    before = {who: await standing(linked, who, BEN) for who in (PHYSICIAN, GUARDIAN, ADA_HERSELF)}
    await learn(linked, merged())

    assert {who: await standing(linked, who, BEN) for who in (PHYSICIAN, GUARDIAN, ADA_HERSELF)} == before
    assert {who: one.facts.relationships for who, one in before.items()} == dict.fromkeys(before, frozenset())
    assert before[PHYSICIAN].sources == {EHR: ("e-ben",), BILLING: ("b-ben",)}


async def test_an_unmerged_patient_is_as_before_with_the_next_synchronisation(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada")])
    before = await standing(linked, PHYSICIAN, ADA)
    await learn(linked, merged())
    await learn(linked, child("e-ada"))

    assert await standing(linked, PHYSICIAN, ADA) == before
    assert before.facts.relationships == {"care_team"}
    assert set(before.sources) == {EHR, SCHEDULING, BILLING}


async def test_the_canonical_id_of_the_merged_goes_on_naming_their_record(linked: Crosswalk) -> None:
    await learn(linked, merged())

    assert await linked.identify(RIVERBEND, EHR, ["e-ada", "e-ben"]) == {"e-ada": ADA, "e-ben": BEN}
    assert await linked.identify(RIVERBEND, BILLING, ["b-ada"]) == {"b-ada": ADA}


async def test_what_restricts_goes_along_through_every_merge(linked: Crosswalk) -> None:
    denial, opt_in = provision(tags=["CLINICAL"]), provision(ConsentKind.OPT_IN)
    await linked.record_consent(RIVERBEND, ADA, denial, by="usr-ada")
    await linked.replace_consents(RIVERBEND, {EHR: [consent("e-ada", opt_in)]})
    labelled = frozenset({"VIP"})
    visit = SensitiveVisit(source=EHR, source_id="e-ada", visit="v-1", labels=frozenset({"PSY"}))
    await linked.synchronize(RIVERBEND, plan=planning(), relations={}, visits={EHR: [visit]})
    await learn(linked, replace(merged(), labels=labelled), replace(child("e-ben"), replaced_by="e-cleo"))

    found = await standing(linked, PHYSICIAN, CLEO)
    assert found.facts.consent == {denial, opt_in}
    assert found.facts.labels == labelled
    assert found.visits == {"v-1": {"PSY"}}
    await learn(linked, merged(), child("e-ben"))
    assert (await standing(linked, PHYSICIAN, CLEO)).facts.consent == set()
    assert (await standing(linked, PHYSICIAN, BEN)).facts.consent == {denial, opt_in}


async def test_a_court_order_goes_along_with_a_merge(linked: Crosswalk) -> None:
    await relate(linked, [care("e-ada"), care("e-ben")])
    await linked.exclude(RIVERBEND, party="npi 1234567893", patient=ADA, start=None, end=None)
    assert await relationships(linked, PHYSICIAN, BEN) == {"care_team"}

    await learn(linked, merged())
    assert await relationships(linked, PHYSICIAN, BEN) == set()
    assert list(await linked.related(PHYSICIAN, ["care_team"], at=NOON, limit=10)) == []


@pytest.mark.parametrize(
    "chain", [{"e-ada": "e-ada"}, {"e-ada": "e-ben", "e-ben": "e-ada"}, {"e-ada": "e-gone"}], ids=str
)
async def test_merges_that_lead_nowhere_hold_everyone_back_who_was_merged(
    linked: Crosswalk, chain: Mapping[str, str]
) -> None:
    await linked.record_consent(RIVERBEND, ADA, provision(), by="usr-ada")
    await learn(linked, *(PersonFacts(source_id=one, replaced_by=into) for one, into in chain.items()))

    charts = {"e-ada": ADA, "e-ben": BEN, "e-cleo": CLEO}
    left = {patient for chart, patient in charts.items() if chart not in chain}
    found = await linked.standings_of(NOBODY, list(charts.values()), at=NOON)
    assert set(found) == left
    assert all(one.facts.consent == set() for one in found.values())
